"""A body of rigid bones: from joint angles to the 25 joint positions of a Kinect v2."""

from enum import IntEnum

import numpy as np
from jaxtyping import Float64

from gesturelab.skeletons.skeleton import KINECT_V2


class Trunk(IntEnum):
    """Columns of the trunk's angles, in degrees; 0 is upright and facing the sensor."""

    BEND = 0
    """Forward, towards the sensor."""
    LEAN = 1
    """Towards the side of the joints named Right."""
    TWIST = 2
    """The side of the joints named Right goes forward."""


class Limb(IntEnum):
    """Columns of one side's angles within its block, in degrees; 0 is an arm or leg that hangs straight down."""

    PLANE = 0
    """The upright plane that the upper arm moves in: 0 sideways (abduction), 90 forward (flexion)."""
    ELEVATION = 1
    """How far the upper arm is raised within its plane: 90 is level, 180 straight up."""
    ROTATION = 2
    """Turn of the upper arm about itself, forearm inwards."""
    SHRUG = 3
    """Shoulder girdle upwards, besides what raising the arm brings with it."""
    ELBOW = 4
    """Elbow flexion: 0 is a straight arm."""
    HIP = 5
    """Hip flexion: 90 is a thigh that points forward."""
    ABDUCTION = 6
    """The whole leg outwards."""
    KNEE = 7
    """Knee flexion: 0 is a straight leg."""


LEFT, RIGHT = 0, 1
"""Sides, as the sensor names the joints; Left has negative x."""

ANGLES = len(Trunk) + 2 * len(Limb)
"""Columns of a pose: the trunk's, then the left limbs', then the right limbs'."""

_TYPICAL_BONES_M = {
    "SpineMid": 0.288,
    "SpineShoulder": 0.211,
    "Neck": 0.069,
    "Head": 0.136,
    "Shoulder": 0.175,
    "Elbow": 0.241,
    "Wrist": 0.225,
    "Hand": 0.068,
    "HandTip": 0.074,
    "Thumb": 0.050,
    "Hip": 0.085,
    "Knee": 0.347,
    "Ankle": 0.349,
    "Foot": 0.108,
}

TYPICAL_BONES_M: Float64[np.ndarray, " joints"] = np.array(
    [_TYPICAL_BONES_M.get(joint.removesuffix("Left").removesuffix("Right"), 0.0) for joint in KINECT_V2.joints]
)
"""Length of the bone from each joint's parent to the joint, in metres (0 for the root): medians over IntelliRehabDS."""


def _depth(joint: int) -> int:
    return 0 if joint == KINECT_V2.root else 1 + _depth(KINECT_V2.parents[joint])


_PELVIS = ("Hip", "Kne", "Ank", "Foo")
_JOINT = {joint: index for index, joint in enumerate(KINECT_V2.joints)}
_FROM_THE_ROOT = sorted(range(len(KINECT_V2.joints)), key=_depth)[1:]
_SPINE = [_JOINT[joint] for joint in ("SpineShoulder", "Neck", "Head")]
_UPPER = [i for joint, i in _JOINT.items() if joint not in ("SpineBase", "SpineMid") and joint[:3] not in _PELVIS]
_CLAVICLE_DROOP = np.radians(10.0)
_CLAVICLE_RISE = np.radians(30.0)
_THUMB_SPREAD = np.radians(50.0)


def column(side: int, angle: Limb) -> int:
    """The column of a limb's angle in a pose.

    >>> column(LEFT, Limb.PLANE), column(RIGHT, Limb.PLANE)
    (3, 11)
    """
    return len(Trunk) + side * len(Limb) + angle


def forward(
    bones_m: Float64[np.ndarray, " joints"], poses: Float64[np.ndarray, "frames angles"]
) -> Float64[np.ndarray, "frames joints 3"]:
    """Forward kinematics: where the joints are.

    The upper arm is described by plane of elevation, elevation and axial rotation, as Wu et al., *ISB recommendation
    on definitions of joint coordinate systems, part II*, J. Biomech. 38 (2005) do. Raising an arm lifts the shoulder
    too.

    Args:
        bones_m: Length of the bone to each joint from its parent.
        poses: Joint angles in degrees, columns as in `Trunk` and `column`.

    Returns:
        Positions in metres from the root, for a person who faces the sensor: x towards the joints named Right, y up,
        z away from the sensor.
    """
    angles = np.radians(poses)
    bones = np.zeros((len(KINECT_V2.joints), len(poses), 3))  # joints first: several times as fast
    bones[_SPINE, :, 1] = 1
    limbs = angles[:, len(Trunk) :].reshape(-1, len(Limb)).T
    for joint, on_the_right in {**_arms(limbs), **_legs(limbs)}.items():
        left, right = on_the_right.reshape(len(poses), 2, 3).swapaxes(0, 1)
        bones[_JOINT[joint + "Left"]] = left * [-1, 1, 1]
        bones[_JOINT[joint + "Right"]] = right
    trunk = angles[:, : len(Trunk)]
    turns, upper = _turns(trunk), bones[_UPPER]
    bones[_UPPER] = sum(turns[:, :, axis] * upper[:, :, axis, None] for axis in range(3))
    bones[_JOINT["SpineMid"]] = _turns(trunk / 2)[:, :, 1]
    bones *= bones_m[:, None, None]
    for joint in _FROM_THE_ROOT:
        bones[joint] += bones[KINECT_V2.parents[joint]]  # from here on a position
    return np.ascontiguousarray(bones.swapaxes(0, 1))


def _turns(trunk: Float64[np.ndarray, "frames 3"]) -> Float64[np.ndarray, "frames 3 3"]:
    """Rotation matrices: twist, then bend, then lean."""
    (sb, sl, st), (cb, cl, ct) = np.sin(trunk).T, np.cos(trunk).T
    turns = np.empty((len(trunk), 3, 3))
    turns[:, 0] = _vectors(cl * ct - sl * sb * st, sl * cb, cl * st + sl * sb * ct)
    turns[:, 1] = _vectors(-sl * ct - cl * sb * st, cl * cb, -sl * st + cl * sb * ct)
    turns[:, 2] = _vectors(-cb * st, -sb, cb * ct)
    return turns


def _arms(limbs: Float64[np.ndarray, "angles limbs"]) -> dict[str, Float64[np.ndarray, "limbs 3"]]:
    """Unit vectors of right arms' bones, in the trunk's frame."""
    plane, elevation, rotation, shrug, elbow = limbs[: Limb.ELBOW + 1]
    clavicle = shrug - _CLAVICLE_DROOP + _CLAVICLE_RISE * np.sin(elevation / 2) ** 2
    sin_p, cos_p, sin_e, cos_e = np.sin(plane), np.cos(plane), np.sin(elevation), np.cos(elevation)
    upper = _vectors(sin_e * cos_p, -cos_e, -sin_e * sin_p)
    # where "forward" of a hanging arm points once the arm is raised within its plane, and the same for "inwards"
    ahead = _vectors(sin_p * cos_p * (cos_e - 1), sin_p * sin_e, -(cos_p**2 + sin_p**2 * cos_e))
    inwards = _cross(ahead, upper)
    bend = np.cos(rotation)[:, None] * ahead + np.sin(rotation)[:, None] * inwards
    fore = np.cos(elbow)[:, None] * upper + np.sin(elbow)[:, None] * bend
    across = _cross(bend, upper)
    return {
        "Shoulder": _vectors(np.cos(clavicle), np.sin(clavicle), np.zeros_like(clavicle)),
        "Elbow": upper,
        "Wrist": fore,
        "Hand": fore,
        "HandTip": fore,
        "Thumb": np.cos(_THUMB_SPREAD) * fore + np.sin(_THUMB_SPREAD) * across,
    }


def _legs(limbs: Float64[np.ndarray, "angles limbs"]) -> dict[str, Float64[np.ndarray, "limbs 3"]]:
    """Unit vectors of right legs' bones, in the pelvis's frame."""
    hip, abduction, knee = limbs[Limb.HIP :]
    outwards, along, shank = np.sin(abduction), np.cos(abduction), hip - knee
    still = np.ones_like(hip)
    return {
        "Hip": _vectors(0.87 * still, -0.45 * still, -np.sqrt(1 - 0.87**2 - 0.45**2) * still),
        "Knee": _vectors(outwards, -along * np.cos(hip), -along * np.sin(hip)),
        "Ankle": _vectors(outwards, -along * np.cos(shank), -along * np.sin(shank)),
        "Foot": _vectors(0.28 * still, -0.55 * still, -np.sqrt(1 - 0.28**2 - 0.55**2) * still),
    }


def _vectors(
    x: Float64[np.ndarray, " limbs"], y: Float64[np.ndarray, " limbs"], z: Float64[np.ndarray, " limbs"]
) -> Float64[np.ndarray, "limbs 3"]:
    vectors = np.empty((len(x), 3))
    vectors[:, 0], vectors[:, 1], vectors[:, 2] = x, y, z
    return vectors


def _cross(a: Float64[np.ndarray, "limbs 3"], b: Float64[np.ndarray, "limbs 3"]) -> Float64[np.ndarray, "limbs 3"]:
    """``np.cross``, which spends most of its time elsewhere on arrays this small."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return _vectors(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
