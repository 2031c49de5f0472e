"""ST-GCN: convolutions over the skeleton's bones and over time."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesturelab.models.network import Network
from gesturelab.skeletons.skeleton import Skeleton

PARTS = 3
"""A joint hears of itself, of its neighbour nearer to the root, and of those farther away, each by its own weights."""
LENGTH = 9
"""Frames of a convolution over time."""


class GraphBlock(nn.Module):
    """One convolution over bones and one over time, with a shortcut.

    Args:
        inputs: Channels of each joint before.
        outputs: Channels of each joint after.
        bones: Which joints hear of which, in parts (part, from, to).
        stride: Frames from one output to the next.
        dropout: After both.
        shortcut: Whether there is one.
    """

    def __init__(
        self, inputs: int, outputs: int, bones: Tensor, stride: int, dropout: float, *, shortcut: bool = True
    ) -> None:
        super().__init__()
        self.register_buffer("bones", bones)
        self.importance = nn.Parameter(torch.ones_like(bones))
        self.spatial = nn.Conv2d(inputs, outputs * PARTS, 1)
        self.temporal = nn.Sequential(
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, (LENGTH, 1), (stride, 1), (LENGTH // 2, 0)),
            nn.BatchNorm2d(outputs),
            nn.Dropout(dropout),
        )
        self.shortcut: nn.Module | None = None
        if shortcut:
            same = inputs == outputs and stride == 1
            resized = nn.Sequential(nn.Conv2d(inputs, outputs, 1, (stride, 1)), nn.BatchNorm2d(outputs))
            self.shortcut = nn.Identity() if same else resized

    def forward(self, graph: Float[Tensor, "batch inputs frames joints"]) -> Float[Tensor, "batch outputs _ joints"]:
        """Channels of each joint after both convolutions."""
        parts = self.spatial(graph).unflatten(1, (PARTS, -1))
        heard = torch.einsum("bpcfj,pjk->bcfk", parts, cast(Tensor, self.bones) * self.importance)
        convolved = self.temporal(heard)
        return (convolved if self.shortcut is None else convolved + self.shortcut(graph)).relu()


class STGCN(Network):
    """Spatial temporal graph convolutions (S. Yan, Y. Xiong and D. Lin, AAAI 2018), with their spatial partition.

    Theirs has ten blocks: ``width=64, blocks=[4, 3, 3]``. It sees features that every joint has, such as positions,
    velocities and bones; others, such as angles, are not used.
    """

    def __init__(
        self,
        classes: int,
        feature_names: Sequence[str],
        skeleton: Skeleton,
        *,
        width: int = 16,
        blocks: Sequence[int] = (2, 1, 1),
        dropout: float = 0.0,
    ) -> None:
        """Builds it.

        Args:
            classes: What is told apart.
            feature_names: Of each feature of a frame, such as ``position:Head:x``.
            skeleton: Whose joints they are of.
            width: Channels of a joint in the first stage, twice as many in each that follows.
            blocks: In each stage; from the second on a stage has half of the frames of the one before.
            dropout: After each block.

        Raises:
            ValueError: If no feature is one that every joint has, or a stage has no block.
        """
        super().__init__()
        if not blocks or min(blocks) < 1:
            raise ValueError(f"model.blocks={list(blocks)}: every stage needs at least one block")
        joints, index = joint_features(feature_names, skeleton)
        self.register_buffer("index", torch.tensor(index))
        bones = divide_bones(skeleton, joints)
        channels = len(index[0])
        self.normalised = nn.BatchNorm1d(len(joints) * channels)
        built: list[GraphBlock] = []
        for stage, count in enumerate(blocks):
            for number in range(count):
                outputs, stride = width << stage, 2 if stage and not number else 1
                built.append(GraphBlock(channels, outputs, bones, stride, dropout, shortcut=bool(built)))
                channels = outputs
        self.blocks = nn.ModuleList(built)
        self.last = nn.Linear(channels, classes)

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        index = cast(Tensor, self.index)
        series = self.normalised(features[:, :, index.flatten()].transpose(1, 2))  # batch joints*channels frames
        graph = series.unflatten(1, (index.shape[0], index.shape[1])).permute(0, 2, 3, 1)
        for block in self.blocks:
            graph = block(graph)
        return self.last(graph.mean(dim=(2, 3)))


def joint_features(names: Sequence[str], skeleton: Skeleton) -> tuple[list[int], list[list[int]]]:
    """Which joints have features of their own, and the features of each, in the same order for all.

    Args:
        names: Of features, such as ``position:Head:x``.
        skeleton: Whose joints they are of.

    Returns:
        Joints' numbers, and for each joint the numbers of its features.

    Raises:
        ValueError: If there is no feature that every one of these joints has.
    """
    numbers: dict[int, dict[str, int]] = {}
    for number, name in enumerate(names):
        kind, *rest = name.split(":")
        if len(rest) == 2 and rest[0] in skeleton.joints and kind not in ("summary", "angle"):
            numbers.setdefault(skeleton.index(rest[0]), {})[f"{kind}:{rest[1]}"] = number
    joints = sorted(numbers)
    channels = dict.fromkeys(channel for of_joint in numbers.values() for channel in of_joint)
    shared = [channel for channel in channels if all(channel in of_joint for of_joint in numbers.values())]
    if not shared:
        raise ValueError("needs features that every joint has; set features.positions=true")
    return joints, [[numbers[joint][channel] for channel in shared] for joint in joints]


def divide_bones(skeleton: Skeleton, joints: Sequence[int]) -> Float[Tensor, "parts joints joints"]:
    """Which joint hears of which, by the distance from the root; each joint's weights of what it hears add up to 1.

    A joint that is left out is passed over: its children hang from its parent.
    """
    place = {joint: number for number, joint in enumerate(joints)}
    linked = torch.eye(len(joints))
    depth = [_depth(skeleton, joint) for joint in joints]
    for joint in joints:
        parent = skeleton.parents[joint]
        while parent not in place and parent != skeleton.parents[parent]:
            parent = skeleton.parents[parent]
        if parent in place:
            linked[place[joint], place[parent]] = linked[place[parent], place[joint]] = 1
    linked = linked / linked.sum(dim=0)
    far = torch.tensor(depth)
    nearer, same = far[:, None] < far, far[:, None] == far
    return torch.stack([linked * same, linked * nearer, linked * ~(same | nearer)])


def _depth(skeleton: Skeleton, joint: int) -> int:
    """Bones between a joint and the root."""
    depth = 0
    while (parent := skeleton.parents[joint]) != joint:
        joint, depth = parent, depth + 1
    return depth
