"""A body of rigid bones: from joint angles to the 25 joint positions of a Kinect v2."""

from enum import IntEnum

import numpy as np
from jaxtyping import Float64

from gesturelab.data.skeleton import KINECT_V2


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


_JOINT = {joint: index for index, joint in enumerate(KINECT_V2.joints)}
_FROM_THE_ROOT = sorted(range(len(KINECT_V2.joints)), key=_depth)[1:]
_CLAVICLE_DROOP = np.radians(10.0)
_CLAVICLE_RISE = np.radians(30.0)
_THUMB_SPREAD = np.radians(50.0)


def column(side: int, angle: Limb) -> int:
    """The column of a limb's angle in a pose.

    >>> column(LEFT, Limb.PLANE), column(RIGHT, Limb.PLANE)
    (3, 11)
    """
    return len(Trunk) + side * len(Limb) + angle


def mirrored_pose(pose: Float64[np.ndarray, "*frames angles"]) -> Float64[np.ndarray, "*frames angles"]:
    """The pose seen in a mirror: left and right limbs change places, lean and twist change sign."""
    trunk, left, right = np.split(pose, [column(LEFT, Limb.PLANE), column(RIGHT, Limb.PLANE)], axis=-1)
    signs = np.ones(len(Trunk))
    signs[[Trunk.LEAN, Trunk.TWIST]] = -1
    return np.concatenate([trunk * signs, right, left], axis=-1)


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
    directions = np.zeros((len(poses), len(KINECT_V2.joints), 3))
    trunk = _turn(angles[:, : len(Trunk)])
    directions[:, _JOINT["SpineMid"]] = _turn(angles[:, : len(Trunk)] / 2)[:, :, 1]
    for joint in ("SpineShoulder", "Neck", "Head"):
        directions[:, _JOINT[joint]] = trunk[:, :, 1]
    for side, name in ((LEFT, "Left"), (RIGHT, "Right")):
        limb = angles[:, column(side, Limb.PLANE) : column(side, Limb.PLANE) + len(Limb)].T
        for joint, on_the_right in {**_arm(limb), **_leg(limb)}.items():
            direction = on_the_right * [1 if side == RIGHT else -1, 1, 1]
            if joint not in ("Hip", "Knee", "Ankle", "Foot"):  # the pelvis does not bend with the trunk
                direction = (trunk @ direction[:, :, None])[:, :, 0]
            directions[:, _JOINT[joint + name]] = direction
    positions = directions * bones_m[:, None]
    for joint in _FROM_THE_ROOT:
        positions[:, joint] += positions[:, KINECT_V2.parents[joint]]
    return positions


def _turn(trunk: Float64[np.ndarray, "frames 3"]) -> Float64[np.ndarray, "frames 3 3"]:
    """Rotation matrices: twist, then bend, then lean."""
    sin, cos = np.sin(trunk).T, np.cos(trunk).T
    (sb, sl, st), (cb, cl, ct) = sin, cos
    return np.stack(
        [
            np.stack([cl * ct - sl * sb * st, sl * cb, cl * st + sl * sb * ct], axis=-1),
            np.stack([-sl * ct - cl * sb * st, cl * cb, -sl * st + cl * sb * ct], axis=-1),
            np.stack([-cb * st, -sb, cb * ct], axis=-1),
        ],
        axis=1,
    )


def _arm(limb: Float64[np.ndarray, "limb frames"]) -> dict[str, Float64[np.ndarray, "frames 3"]]:
    """Unit vectors of a right arm's bones, in the trunk's frame."""
    plane, elevation, rotation, shrug, elbow = limb[: Limb.ELBOW + 1]
    clavicle = shrug - _CLAVICLE_DROOP + _CLAVICLE_RISE * np.sin(elevation / 2) ** 2
    sin_p, cos_p, sin_e, cos_e = np.sin(plane), np.cos(plane), np.sin(elevation), np.cos(elevation)
    upper = _vectors(sin_e * cos_p, -cos_e, -sin_e * sin_p)
    # where "forward" of a hanging arm points once the arm is raised within its plane, and the same for "inwards"
    ahead = _vectors(sin_p * cos_p * (cos_e - 1), sin_p * sin_e, -(cos_p**2 + sin_p**2 * cos_e))
    inwards = np.cross(ahead, upper)
    bend = np.cos(rotation)[:, None] * ahead + np.sin(rotation)[:, None] * inwards
    fore = np.cos(elbow)[:, None] * upper + np.sin(elbow)[:, None] * bend
    across = np.cross(bend, upper)
    return {
        "Shoulder": _vectors(np.cos(clavicle), np.sin(clavicle), np.zeros_like(clavicle)),
        "Elbow": upper,
        "Wrist": fore,
        "Hand": fore,
        "HandTip": fore,
        "Thumb": np.cos(_THUMB_SPREAD) * fore + np.sin(_THUMB_SPREAD) * across,
    }


def _leg(limb: Float64[np.ndarray, "limb frames"]) -> dict[str, Float64[np.ndarray, "frames 3"]]:
    """Unit vectors of a right leg's bones, in the pelvis's frame."""
    hip, abduction, knee = limb[Limb.HIP :]
    outwards, along, shank = np.sin(abduction), np.cos(abduction), hip - knee
    still = np.ones_like(hip)
    return {
        "Hip": _vectors(0.87 * still, -0.45 * still, -np.sqrt(1 - 0.87**2 - 0.45**2) * still),
        "Knee": _vectors(outwards, -along * np.cos(hip), -along * np.sin(hip)),
        "Ankle": _vectors(outwards, -along * np.cos(shank), -along * np.sin(shank)),
        "Foot": _vectors(0.28 * still, -0.55 * still, -np.sqrt(1 - 0.28**2 - 0.55**2) * still),
    }


def _vectors(
    x: Float64[np.ndarray, " frames"], y: Float64[np.ndarray, " frames"], z: Float64[np.ndarray, " frames"]
) -> Float64[np.ndarray, "frames 3"]:
    return np.stack([x, y, z], axis=-1)
