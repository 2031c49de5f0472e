"""The LSTM classifier: one class for all sizes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.training import LSTMConfig, Pooling

FARTHEST = 5.0
"""A summary of a window farther from the mean, in deviations, counts as so far: nobody is an outlier without limit."""


class LSTMClassifier(nn.Module):
    """Features of a window to the logits of its gesture.

    Dropout stands between single-layer LSTMs instead of inside one LSTM of many layers: MIOpen, the library behind
    LSTMs on AMD GPUs, stalls or crashes with built-in dropout on several ROCm releases.

    Args:
        features: How many there are of each frame, summaries among them.
        summaries: How many of them, the last ones, are about the whole window; they go past the LSTM.
    """

    def __init__(self, features: int, classes: int, config: LSTMConfig, summaries: int = 0) -> None:
        super().__init__()
        hidden = config.hidden
        self.of_frames = features - summaries
        self.pooling = Pooling(config.pooling)
        self.bidirectional = config.bidirectional
        self.projection = nn.Sequential(nn.Linear(self.of_frames, hidden), nn.LayerNorm(hidden))
        self.layers = nn.ModuleList(
            nn.LSTM(
                hidden,
                hidden // 2 if config.bidirectional else hidden,
                batch_first=True,
                bidirectional=config.bidirectional,
            )
            for _ in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.attention = nn.Linear(hidden, 1) if self.pooling is Pooling.attention else None
        self.summary = (
            nn.Sequential(nn.Dropout(config.dropout), *_fully_connected(summaries, hidden, config.dropout))
            if summaries
            else None
        )
        widths = [hidden >> halvings for halvings in range(config.head_layers + 1)]
        inputs = [2 * hidden if summaries else hidden, *widths[1:]]
        head: list[nn.Module] = []
        for wide, narrow in zip(inputs, widths[1:], strict=False):
            head += _fully_connected(wide, narrow, config.dropout)
        self.head = nn.Sequential(*head, nn.Linear(inputs[-1], classes))

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        sequence = self.projection(features[:, :, : self.of_frames])  # batch frames hidden
        for layer in self.layers:
            sequence = self.dropout(layer(sequence)[0])  # batch frames hidden
        pooled = self._pool(sequence)  # batch hidden
        if self.summary is not None:
            summaries = features[:, 0, self.of_frames :].clamp(-FARTHEST, FARTHEST)  # batch summaries
            pooled = torch.cat([pooled, self.summary(summaries)], dim=1)
        return self.head(pooled)  # batch classes

    def _pool(self, sequence: Float[Tensor, "batch frames hidden"]) -> Float[Tensor, "batch hidden"]:
        if self.attention is not None:
            weights = self.attention(sequence).softmax(dim=1)  # batch frames 1
            return (weights * sequence).sum(dim=1)
        if self.pooling is Pooling.mean:
            return sequence.mean(dim=1)
        if self.pooling is Pooling.max:
            return sequence.amax(dim=1)
        if not self.bidirectional:
            return sequence[:, -1]
        forwards, backwards = sequence.chunk(2, dim=2)  # each has read the whole window at its own end
        return torch.cat([forwards[:, -1], backwards[:, 0]], dim=1)


def _fully_connected(wide: int, narrow: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(wide, narrow), BatchNorm(narrow), nn.ReLU(), nn.Dropout(dropout)]


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes its running statistics for a training batch of one, which has no deviation."""

    def forward(self, input: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Normalised values."""
        if self.training and len(input) == 1:
            return functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        return super().forward(input)


def count_parameters(module: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
