"""A feature of your own: how far apart pairs of joints are, such as both hands, or a hand and the head.

Train with it: ``gesturelab train --config-dir examples/extending/feature features=mine``.
"""

import torch
from torch import Tensor

from gesturelab.preprocessing.features import Feature
from gesturelab.skeletons.skeleton import Skeleton


class JointDistances(Feature):
    """The distance of each pair of joints, in each frame.

    Args:
        skeleton: Given by gesturelab, because its name stands in the signature.
        pairs: From the YAML file: names of joints, two and two.
    """

    looks_back = 0  # a frame alone is enough, so that live streams take one step a frame

    def __init__(self, skeleton: Skeleton, pairs: list[list[str]]) -> None:
        super().__init__()
        self.pairs = [(skeleton.index(first), skeleton.index(second)) for first, second in pairs]
        self.names = tuple(f"distance:{first}:{second}" for first, second in pairs)

    def forward(self, positions: Tensor) -> Tensor:
        """Positions (batch, frames, joints, 3) to channels (batch, frames, pairs)."""
        distances = [(positions[:, :, first] - positions[:, :, second]).norm(dim=-1) for first, second in self.pairs]
        return torch.stack(distances, dim=2)
