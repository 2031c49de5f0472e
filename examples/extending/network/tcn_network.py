"""A network of your own: a small causal temporal convolutional network (Bai et al., 2018) with `step` for streams."""

import torch
from torch import Tensor, nn

from gesturelab.models.network import Network, State

TAPS = 3
"""Frames that a convolution sees: the latest one and those before, `dilation` apart."""


class TCN(Network):
    """Dilated causal convolutions over frames, each added to its input; the last frame answers."""

    def __init__(self, features: int, classes: int, *, width: int = 64, depth: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        self.projection = nn.Linear(features, width)
        self.blocks = nn.ModuleList(nn.Conv1d(width, width, TAPS, dilation=2**level) for level in range(depth))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes) of windows (batch, frames, features)."""
        hidden = self.projection(features).transpose(1, 2)  # batch width frames
        for block in self.blocks:
            past = nn.functional.pad(hidden, ((TAPS - 1) * block.dilation[0], 0))  # frames before the window are zero
            hidden = hidden + self.dropout(block(past).relu())
        return self.head(hidden[:, :, -1])

    def initial_state(self, rows: int) -> State:
        """Of each convolution the inputs that it will look back at."""
        like = self.projection.weight
        return tuple(like.new_zeros(rows, like.shape[0], (TAPS - 1) * block.dilation[0]) for block in self.blocks)

    def step(self, features: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (rows, classes) after one more frame (rows, features), and the state after it."""
        hidden, states = self.projection(features)[:, :, None], []
        for block, past in zip(self.blocks, state, strict=True):
            seen = torch.cat([past, hidden], dim=2)  # rows width frames
            states.append(seen[:, :, 1:])
            hidden = hidden + block(seen).relu()
        return self.head(hidden[:, :, 0]), tuple(states)
