"""The LSTM classifier: one class for all sizes, window by window or frame by frame."""

from typing import ClassVar, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.training import Pooling
from gesturelab.models.network import Network, State

KERNEL = 5
"""Frames that a convolution sees."""
FARTHEST = 5.0
"""A feature of a window farther from the mean, in deviations, counts as so far: nobody is an outlier without limit."""


class RecurrentClassifier(Network):
    """Features of a window to the logits of its gesture: projection, recurrent layers, pooling over time, head.

    Convolutions over time may stand in place of the projection; each may leave out frames, so that the recurrent layers
    have fewer steps to go.

    Dropout stands between single-layer modules instead of inside one of many layers: MIOpen, the library behind them on
    AMD GPUs, stalls or crashes with built-in dropout on several ROCm releases.

    Args:
        features: How many there are of each frame, those about the whole window among them.
        classes: How many it tells apart.
        window_features: How many of the features, the last ones, are about the whole window; they go past the recurrent
            layers.
        hidden: Width of the projection and of each layer's output.
        layers: Recurrent layers.
        head_layers: Fully connected layers before the last one; each is half as wide as the one before.
        dropout: After each recurrent layer and in the head.
        bidirectional: Read windows forwards and backwards, each at half the width.
        pooling: How outputs over time become one vector.
        convolutions: Over time, in place of the projection; 0 keeps it.
        stride: Of each convolution: 2 leaves half of the frames.
    """

    recurrent: ClassVar[type[nn.LSTM | nn.GRU]]
    """torch's class of a layer."""
    states_per_layer: ClassVar[int]
    """Tensors (rows, hidden) in a layer's state; the first one is its output."""

    def __init__(
        self,
        features: int,
        classes: int,
        window_features: int = 0,
        *,
        hidden: int,
        layers: int,
        head_layers: int,
        dropout: float,
        bidirectional: bool,
        pooling: Pooling | str,
        convolutions: int = 0,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.frame_features = features - window_features
        self.flops_grow_every = stride**convolutions
        self.hidden = hidden
        self.pooling = Pooling(pooling)
        self.bidirectional = bidirectional
        self.convolutions = nn.ModuleList(
            Convolution(hidden if number else self.frame_features, hidden, stride) for number in range(convolutions)
        )
        self.projection = (
            nn.Identity()
            if convolutions
            else nn.Sequential(nn.Linear(self.frame_features, hidden), nn.LayerNorm(hidden))
        )
        width = hidden // 2 if bidirectional else hidden
        self.layers = nn.ModuleList(
            self.recurrent(hidden, width, batch_first=True, bidirectional=bidirectional) for _ in range(layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.attention = nn.Linear(hidden, 1) if self.pooling is Pooling.attention else None
        self.summary = (
            nn.Sequential(nn.Dropout(dropout), *_fully_connected(window_features, hidden, dropout))
            if window_features
            else None
        )
        widths = [hidden >> halvings for halvings in range(head_layers + 1)]
        inputs = [2 * hidden if window_features else hidden, *widths[1:]]
        head: list[nn.Module] = []
        for wide, narrow in zip(inputs, widths[1:], strict=False):
            head += _fully_connected(wide, narrow, dropout)
        self.head = nn.Sequential(*head, nn.Linear(inputs[-1], classes))

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        sequence = self.projection(features[:, :, : self.frame_features])  # batch frames hidden
        for convolution in self.convolutions:
            sequence = self.dropout(convolution(sequence))
        for layer in self.layers:
            sequence = self.dropout(layer(sequence)[0])  # batch frames hidden
        pooled = self._pool(sequence)  # batch hidden
        if self.summary is not None:
            window_features = features[:, 0, self.frame_features :].clamp(-FARTHEST, FARTHEST)
            pooled = torch.cat([pooled, self.summary(window_features)], dim=1)
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

    @property
    def non_causal_reason(self) -> str:
        """Reading backwards needs the whole window, and a convolution frames that follow."""
        if self.bidirectional:
            return "model.bidirectional=true"
        return f"model.convolutions={len(self.convolutions)}" if self.convolutions else ""

    def initial_state(self, rows: int) -> State:
        """Of each layer its state, then what the pooling has gathered; see `_pool_step`."""
        like = next(self.parameters())
        nothing, none = like.new_zeros(rows, self.hidden), like.new_zeros(rows, 1)
        of_pooling = {
            Pooling.last: (),
            Pooling.mean: (nothing, none),
            Pooling.max: (nothing - torch.inf,),
            Pooling.attention: (nothing, none - torch.inf, none),
        }[self.pooling]
        return (*[nothing] * (self.states_per_layer * len(self.layers)), *of_pooling)

    def step(
        self, features: Float[Tensor, "rows features"], state: State
    ) -> tuple[Float[Tensor, "rows classes"], State]:
        """Logits of the windows that end with this frame, and the state after it."""
        return self._advance(self._input_gates(0, self.projection(features)), state)

    def step_shared(
        self, features: Float[Tensor, "frames features"], frame: Int64[Tensor, " rows"], state: State
    ) -> tuple[Float[Tensor, "rows classes"], State]:
        """As `step`; what the first layer gets of a frame is computed once for all rows."""
        return self._advance(self._input_gates(0, self.projection(features))[frame], state)

    def _input_gates(self, number: int, inputs: Float[Tensor, "rows hidden"]) -> Float[Tensor, "rows gates"]:
        layer = cast(nn.LSTM | nn.GRU, self.layers[number])
        return functional.linear(inputs, layer.get_parameter("weight_ih_l0"), layer.get_parameter("bias_ih_l0"))

    def _advance(self, gates: Float[Tensor, "rows gates"], state: State) -> tuple[Float[Tensor, "rows classes"], State]:
        recurrent: list[Tensor] = []
        outputs = gates
        each = self.states_per_layer
        for number, layer in enumerate(self.layers):
            if number:
                gates = self._input_gates(number, outputs)
            new = self.step_layer(cast(nn.LSTM | nn.GRU, layer), gates, state[each * number : each * (number + 1)])
            recurrent += new
            outputs = new[0]
        pooled, gathered = self._pool_step(outputs, state[each * len(self.layers) :])
        return self.head(pooled), (*recurrent, *gathered)

    def step_layer(self, layer: nn.LSTM | nn.GRU, gates: Float[Tensor, "rows gates"], state: State) -> State:
        """A layer's state after a frame, from the input's share of its gates."""
        raise NotImplementedError

    def _pool_step(self, outputs: Float[Tensor, "rows hidden"], gathered: State) -> tuple[Tensor, State]:
        """Pooled outputs of the frames so far, and what is gathered of them.

        That is for mean their sum and number, for max their maximum, for attention their weighted sum, the largest
        score, and the sum of weights relative to it.
        """
        if self.attention is not None:
            total, largest, weights = gathered
            score = self.attention(outputs)  # rows 1
            most = torch.maximum(largest, score)
            shrink, weight = (largest - most).exp(), (score - most).exp()
            total, weights = total * shrink + weight * outputs, weights * shrink + weight
            return total / weights, (total, most, weights)
        if self.pooling is Pooling.mean:
            total, count = gathered[0] + outputs, gathered[1] + 1
            return total / count, (total, count)
        if self.pooling is Pooling.max:
            largest = torch.maximum(gathered[0], outputs)
            return largest, (largest,)
        return outputs, ()


class LSTMClassifier(RecurrentClassifier):
    """A `RecurrentClassifier` of LSTMs."""

    recurrent = nn.LSTM
    states_per_layer = 2

    def step_layer(self, layer: nn.LSTM | nn.GRU, gates: Float[Tensor, "rows gates"], state: State) -> State:
        """Hidden and cell state after a frame."""
        hidden, cell = state
        weight, bias = (layer.get_parameter(name) for name in ("weight_hh_l0", "bias_hh_l0"))
        gates = torch.addmm(gates + bias, hidden, weight.t())
        into, forget, new, out = gates.chunk(4, dim=1)
        cell = torch.addcmul(forget.sigmoid() * cell, into.sigmoid(), new.tanh())
        return out.sigmoid() * cell.tanh(), cell


class Convolution(nn.Module):
    """A convolution over time, normalised by frame, then what is above zero of it."""

    def __init__(self, features: int, hidden: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(features, hidden, KERNEL, stride=stride, padding=KERNEL // 2)
        self.normalisation = nn.LayerNorm(hidden)

    def forward(self, sequence: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch fewer hidden"]:
        """One frame of ``hidden`` for each ``stride`` frames, the last ones too."""
        convolved = self.convolution(sequence.transpose(1, 2)).transpose(1, 2)
        return functional.relu(self.normalisation(convolved))


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
