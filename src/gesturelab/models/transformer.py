"""A transformer encoder over the frames of a window."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesturelab.models.network import Network


class TransformerClassifier(Network):
    """Self-attention among the frames of a window (A. Vaswani et al., NeurIPS 2017), and the mean of what comes out.

    Normalisation stands before each part of a layer (R. Xiong et al., ICML 2020), so that no warm-up is needed.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        width: int = 64,
        heads: int = 4,
        layers: int = 2,
        feedforward: int = 128,
        dropout: float = 0.1,
    ) -> None:
        """Builds it.

        Args:
            features: Of each frame.
            classes: What is told apart.
            width: Of a frame's representation; a multiple of twice the heads.
            heads: Of each self-attention.
            layers: Of the encoder.
            feedforward: Width of the fully connected part of a layer.
            dropout: Within layers, and of what goes into the first.

        Raises:
            ValueError: If the width cannot be divided among the heads, in pairs.
        """
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"model.width={width}: must be a multiple of twice model.heads={heads}")
        self.width = width
        self.projection = nn.Linear(features, width)
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, feedforward, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        sequence = self.dropout(self.projection(features) + encode_positions(features, self.width))
        for layer in self.encoder:
            sequence = layer(sequence)
        return self.last(sequence.mean(dim=1))


def encode_positions(features: Float[Tensor, "batch frames _"], width: int) -> Float[Tensor, "frames width"]:
    """Sines, then cosines, of each frame's number, from a few frames to ten thousand a turn."""
    frames = torch.arange(features.shape[1], device=features.device, dtype=features.dtype)
    powers = torch.arange(0, width, 2, device=features.device, dtype=features.dtype) / width
    turns = frames[:, None] * torch.exp(-math.log(10_000) * powers)
    return torch.cat([turns.sin(), turns.cos()], dim=1)
