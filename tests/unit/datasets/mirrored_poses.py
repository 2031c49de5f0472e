"""Poses seen in a mirror."""

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.synthetic.kinematics import LEFT, RIGHT, Limb, Trunk, column


def mirrored_pose(pose: Float64[np.ndarray, "*frames angles"]) -> Float64[np.ndarray, "*frames angles"]:
    """The pose seen in a mirror: left and right limbs change places, lean and twist change sign."""
    trunk, left, right = np.split(pose, [column(LEFT, Limb.PLANE), column(RIGHT, Limb.PLANE)], axis=-1)
    signs = np.ones(len(Trunk))
    signs[[Trunk.LEAN, Trunk.TWIST]] = -1
    return np.concatenate([trunk * signs, right, left], axis=-1)
