"""What is done to the positions of a window: joints picked, centred, scaled to the body and turned."""

from functools import cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from gesturelab.config.data import Centre
from gesturelab.skeletons.skeleton import Skeleton

Positions = Float[Tensor, "batch frames joints 3"]

SMALLEST_BODY_M = 0.1
"""Spines shorter than this are a sensor's mistake; dividing by them would blow positions up."""


def made_up_motion(skeleton: Skeleton, frames: int) -> Positions:
    """Two windows in which every joint wanders, in metres; the same at each call, to try a user's own classes on."""
    steps = torch.randn(2, frames, len(skeleton.joints), 3, generator=torch.Generator().manual_seed(0))
    return steps[:, :1] + 0.1 * steps.cumsum(dim=1)


@cache
def _index(joints: tuple[int, ...], device: torch.device) -> Int64[Tensor, " chosen"]:
    with torch.inference_mode(False):  # it outlives whatever mode it was first needed in
        return torch.tensor(joints, device=device)


def pick(positions: Positions, joints: tuple[int, ...]) -> Float[Tensor, "batch frames chosen 3"]:
    """Some joints, in the order given: what ``positions[:, :, list(joints)]`` is, in a third of the time."""
    return positions.index_select(2, _index(joints, positions.device))


def centre_on_root(positions: Positions, skeleton: Skeleton, centre: Centre) -> Positions:
    """Positions measured from the root joint of each frame, or from its mean over the window."""
    root = positions[:, :, skeleton.root : skeleton.root + 1]
    if centre is Centre.window:
        root = root.mean(dim=1, keepdim=True)
    return positions if centre is Centre.none else positions - root


def body_scale(positions: Positions, skeleton: Skeleton) -> Float[Tensor, "batch 1 1 1"]:
    """The mean length of the scale bone over the window, in metres, at least `SMALLEST_BODY_M`."""
    child, parent = skeleton.scale_bone
    lengths = (positions[:, :, child] - positions[:, :, parent]).norm(dim=-1)  # batch frames
    return lengths.mean(dim=1).clamp(min=SMALLEST_BODY_M)[:, None, None, None]


def face_sensor(positions: Positions, skeleton: Skeleton) -> Positions:
    """Turns each window about the vertical (y) axis until its mean shoulder line is parallel to the sensor's x axis."""
    left, right = skeleton.shoulders
    line = (positions[:, :, right] - positions[:, :, left]).mean(dim=1)  # batch 3
    angle = torch.atan2(line[:, 2], line[:, 0])
    return rotate_vertical(positions, angle)


def rotate_vertical(positions: Positions, angle: Float[Tensor, " batch"]) -> Positions:
    """Turns x and z by an angle in radians about the origin: a point at that angle from x comes to z = 0."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y, z = positions.unbind(dim=-1)
    return torch.stack([cosine * x + sine * z, y, cosine * z - sine * x], dim=-1)
