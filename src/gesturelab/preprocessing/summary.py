"""What a whole window says about a movement: how far limbs travel, how far arms rise and bend, how far apart hands are.

An incorrect movement is often a small, slow or crooked one of the right kind. These few numbers keep what tells the
gestures apart when the course over time does not look like anything seen before.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gesturelab.skeletons.skeleton import Skeleton

SMOOTHED_FRAMES = 3
"""Positions are averaged over so many frames, so that one jump of a joint is not taken for its reach."""

_ANGLES = ("rise", "bend", "reach")
_OF_ANGLE = ("range", "max", "min", "mean")
_OF_HANDS = ("min", "max", "mean")


def summary_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Names of the numbers that `summarise` gives, such as ``summary:travel:WristLeft:y``."""
    joints = skeleton.joints
    travel = [f"travel:{joints[joint]}:{axis}" for joint in _travelling(skeleton) for axis in "xyz"]
    elbows = [joints[arm[1]] for arm in skeleton.arms]
    angles = [f"{angle}:{elbow}:{of}" for of in _OF_ANGLE for elbow in elbows for angle in _ANGLES]
    return tuple(f"summary:{name}" for name in (*travel, *angles, *(f"hands:{of}" for of in _OF_HANDS)))


def summarise(
    positions: Float[Tensor, "batch frames joints 3"], skeleton: Skeleton
) -> Float[Tensor, "batch summaries"]:
    """Numbers about whole windows of positions, with y pointing up.

    - How far elbows, wrists, knees and ankles travel along each axis.
    - Of each arm the rise of the upper arm and the reach of the wrist (angles at the shoulder between straight down and
      elbow or wrist) and the bend of the elbow, in radians: range, largest, smallest, mean.
    - The distance between the wrists: smallest, largest, mean.
    """
    positions = _smooth(positions)
    limbs = positions[:, :, _travelling(skeleton)]
    travel = limbs.amax(dim=1) - limbs.amin(dim=1)  # batch limbs 3
    angles = torch.stack([angle for arm in skeleton.arms for angle in _angles(positions, *arm)], dim=2)
    largest, smallest = angles.amax(dim=1), angles.amin(dim=1)  # batch angles
    one, other = (wrist for _, _, wrist in skeleton.arms)
    apart = (positions[:, :, one] - positions[:, :, other]).norm(dim=-1)  # batch frames
    hands = torch.stack([apart.amin(dim=1), apart.amax(dim=1), apart.mean(dim=1)], dim=1)
    return torch.cat(
        [travel.flatten(1), largest - smallest, largest, smallest, angles.mean(dim=1), hands],
        dim=1,
    )


def _travelling(skeleton: Skeleton) -> list[int]:
    return [joint for limb in (*skeleton.arms, *skeleton.legs) for joint in limb[1:]]


def _angles(
    positions: Float[Tensor, "batch frames joints 3"], shoulder: int, elbow: int, wrist: int
) -> tuple[Tensor, Tensor, Tensor]:
    upper = positions[:, :, elbow] - positions[:, :, shoulder]
    whole = positions[:, :, wrist] - positions[:, :, shoulder]
    down = positions.new_tensor([0.0, -1.0, 0.0]).expand_as(upper)
    return _angle(upper, down), _angle(upper, positions[:, :, wrist] - positions[:, :, elbow]), _angle(whole, down)


def _angle(
    one: Float[Tensor, "batch frames 3"], other: Float[Tensor, "batch frames 3"]
) -> Float[Tensor, "batch frames"]:
    """In radians; a right angle where one of them has no length."""
    return functional.cosine_similarity(one, other, dim=-1, eps=1e-4).clamp(-1, 1).acos()


def _smooth(positions: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch frames joints 3"]:
    """A moving average over `SMOOTHED_FRAMES`; the first and last frame count as if they went on."""
    half = SMOOTHED_FRAMES // 2
    rows = positions.flatten(2).transpose(1, 2)  # batch coordinates frames
    smooth = functional.avg_pool1d(functional.pad(rows, (half, half), mode="replicate"), SMOOTHED_FRAMES, stride=1)
    return smooth.transpose(1, 2).unflatten(2, positions.shape[2:])
