"""InceptionTime: convolutions of several lengths side by side."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.models.network import Network

BRANCHES = 4
"""Convolutions of three lengths, and one after a maximum."""
BETWEEN_RESIDUALS = 3
"""Blocks that a shortcut spans."""


class Convolution(nn.Conv1d):
    """A convolution over time without a bias.

    It is computed in two dimensions, one of them of size 1: only there does torch leave a frame's channels beside each
    other in memory, with which a training step takes half of the time on a CPU.
    """

    def __init__(self, inputs: int, filters: int, length: int) -> None:
        super().__init__(inputs, filters, length, bias=False)

    def forward(self, input: Float[Tensor, "batch inputs 1 frames"]) -> Float[Tensor, "batch filters 1 fewer"]:
        """As many frames less as it is long, and one more."""
        return functional.conv2d(input, self.weight.unsqueeze(2))


class InceptionBlock(nn.Module):
    """Convolutions of a whole, half and quarter length, and a maximum of three frames, of the same series.

    Args:
        inputs: Channels of the series.
        filters: Channels of each branch.
        length: Frames of the longest convolution.
    """

    def __init__(self, inputs: int, filters: int, length: int) -> None:
        super().__init__()
        self.bottleneck = Convolution(inputs, filters, 1) if inputs > 1 else nn.Identity()
        inside = filters if inputs > 1 else 1
        self.convolutions = nn.ModuleList(
            nn.Sequential(_same_length(length >> halvings), Convolution(inside, filters, length >> halvings))
            for halvings in range(3)
        )
        self.pooled = nn.Sequential(nn.MaxPool2d((1, 3), 1, (0, 1)), Convolution(inputs, filters, 1))
        self.normalised = nn.Sequential(nn.BatchNorm2d(BRANCHES * filters), nn.ReLU())

    def forward(self, series: Float[Tensor, "batch inputs 1 frames"]) -> Float[Tensor, "batch outputs 1 frames"]:
        """All branches, one after another."""
        narrow = self.bottleneck(series)
        branches = [convolution(narrow) for convolution in self.convolutions]
        return self.normalised(torch.cat([*branches, self.pooled(series)], dim=1))


def _same_length(length: int) -> nn.ConstantPad1d:
    """Zeros around a series, so that a convolution of this length gives as many frames as there were."""
    return nn.ConstantPad1d(((length - 1) // 2, length // 2), 0)


class InceptionTime(Network):
    """One network of InceptionTime (H. Ismail Fawaz et al., Data Mining and Knowledge Discovery 2020).

    Theirs has six blocks of 32 filters, the longest of 40 frames, and is an ensemble of five.
    """

    def __init__(
        self, features: int, classes: int, *, filters: int = 32, blocks: int = 6, length: int = 40, dropout: float = 0.0
    ) -> None:
        """Builds it.

        Args:
            features: Of each frame.
            classes: What is told apart.
            filters: Channels of each branch of a block.
            blocks: One after another, with a shortcut over every three.
            length: Frames of the longest convolution; beyond the window there are zeros.
            dropout: Before the last layer.

        Raises:
            ValueError: If there is no block, or the shortest convolution has no frame.
        """
        super().__init__()
        if blocks < 1:
            raise ValueError(f"model.blocks={blocks}: must be at least 1")
        if length < BRANCHES:
            raise ValueError(f"model.length={length}: must be at least 4, since one convolution is a quarter as long")
        width = BRANCHES * filters
        self.blocks = nn.ModuleList(
            InceptionBlock(features if number == 0 else width, filters, length) for number in range(blocks)
        )
        self.shortcuts = nn.ModuleList(
            nn.Sequential(Convolution(features if number == 0 else width, width, 1), nn.BatchNorm2d(width))
            for number in range(blocks // BETWEEN_RESIDUALS)
        )
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(width, classes)

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        series = begun = features.transpose(1, 2).unsqueeze(2)
        for number, block in enumerate(self.blocks):
            series = block(series)
            if number % BETWEEN_RESIDUALS == BETWEEN_RESIDUALS - 1:
                series = begun = (series + self.shortcuts[number // BETWEEN_RESIDUALS](begun)).relu()
        return self.last(self.dropout(series.mean(dim=(2, 3))))
