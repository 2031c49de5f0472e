"""Landmarks of pose trackers, brought onto the 25 joints of the Kinect v2."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.data.skeleton import Skeleton

Points = Float64[np.ndarray, "frames landmarks 3"]


@dataclass(frozen=True)
class Landmarks:
    """What a tracker gives, and which skeleton it becomes.

    Attributes:
        name: As in ``data.skeleton``.
        joints: Names of its landmarks, in its own order.
        skeleton: What the landmarks are brought onto.
        onto_skeleton: From landmarks to the skeleton's joints, in metres with y up.
        zero_is_missing: Whether a landmark at exactly 0, 0, 0 was not seen.
    """

    name: str
    joints: tuple[str, ...]
    skeleton: Skeleton
    onto_skeleton: Callable[[Points], Points]
    zero_is_missing: bool = False


Layout = Skeleton | Landmarks
"""Whose joints a file names: a skeleton's own, or a tracker's."""


def skeleton_of(layout: Layout) -> Skeleton:
    """The skeleton that recordings have in the end."""
    return layout if isinstance(layout, Skeleton) else layout.skeleton
