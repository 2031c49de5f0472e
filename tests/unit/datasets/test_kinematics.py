"""Anatomy worked out by hand, and properties that no body may break."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mirrored_poses import mirrored_pose

from gesturelab.datasets.synthetic.kinematics import (
    ANGLES,
    LEFT,
    RIGHT,
    TYPICAL_BONES_M,
    Limb,
    Trunk,
    column,
    forward,
)
from gesturelab.skeletons.skeleton import KINECT_V2

SIDES = [(LEFT, "Left", -1), (RIGHT, "Right", 1)]


def body(**angles_deg: float):
    """Joint name to position, for one pose; keys are ``trunk_<angle>``, ``left_<angle>`` and ``right_<angle>``."""
    pose = np.zeros((1, ANGLES))
    for key, degrees in angles_deg.items():
        part, angle = key.split("_")
        where = Trunk[angle] if part == "trunk" else column(LEFT if part == "left" else RIGHT, Limb[angle])
        pose[0, where] = degrees
    return dict(zip(KINECT_V2.joints, forward(TYPICAL_BONES_M, pose)[0], strict=True))


def length(joint: str) -> float:
    return float(TYPICAL_BONES_M[KINECT_V2.index(joint)])


def random_poses(seed: int, frames: int = 4):
    return np.random.default_rng(seed).uniform(-180, 180, (frames, ANGLES))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    bones=st.lists(st.floats(0.02, 0.6), min_size=25, max_size=25),
)
def test_bones_keep_their_length_in_every_pose(seed, bones):
    positions = forward(np.array(bones), random_poses(seed))
    lengths = np.linalg.norm(positions - positions[:, list(KINECT_V2.parents)], axis=2)
    expected = np.array(bones)
    expected[KINECT_V2.root] = 0
    np.testing.assert_allclose(lengths, np.tile(expected, (len(positions), 1)), atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_mirrored_pose_is_the_mirror_image(seed):
    poses = random_poses(seed)
    image = forward(TYPICAL_BONES_M, poses)[:, list(KINECT_V2.mirrored)] * [-1, 1, 1]
    np.testing.assert_allclose(forward(TYPICAL_BONES_M, mirrored_pose(poses)), image, atol=1e-12)
    np.testing.assert_array_equal(mirrored_pose(mirrored_pose(poses)), poses)


def test_standing_upright_is_in_the_order_head_to_foot():
    joints = body()
    heights = [joints[name][1] for name in ("Head", "Neck", "SpineShoulder", "SpineMid", "SpineBase")]
    assert heights == sorted(heights, reverse=True)
    assert joints["Head"] == pytest.approx([0, 0.288 + 0.211 + 0.069 + 0.136, 0])
    for name in ("Left", "Right"):
        down = [joints[joint + name][1] for joint in ("Shoulder", "Elbow", "Wrist", "Hand", "HandTip")]
        assert down == sorted(down, reverse=True)
        assert joints["Foot" + name][1] < joints["Ankle" + name][1] < joints["Knee" + name][1] < 0


@pytest.mark.parametrize(("side", "name", "outwards"), SIDES)
def test_an_arm_abducted_90_degrees_is_level_and_points_sideways(side, name, outwards):
    joints = body(**{f"{name.lower()}_PLANE": 0, f"{name.lower()}_ELEVATION": 90})
    reach = joints["Wrist" + name] - joints["Shoulder" + name]
    assert reach == pytest.approx([outwards * (length("Elbow" + name) + length("Wrist" + name)), 0, 0])


@pytest.mark.parametrize(("side", "name", "outwards"), SIDES)
def test_an_arm_flexed_90_degrees_is_level_and_points_at_the_sensor(side, name, outwards):
    joints = body(**{f"{name.lower()}_PLANE": 90, f"{name.lower()}_ELEVATION": 90})
    reach = joints["Wrist" + name] - joints["Shoulder" + name]
    assert reach == pytest.approx([0, 0, -length("Elbow" + name) - length("Wrist" + name)])


@pytest.mark.parametrize(("side", "name", "outwards"), SIDES)
def test_a_bent_elbow_brings_the_forearm_forward_and_rotation_brings_it_inwards(side, name, outwards):
    forearm = length("Wrist" + name)
    bent = body(**{f"{name.lower()}_ELBOW": 90})
    assert bent["Wrist" + name] - bent["Elbow" + name] == pytest.approx([0, 0, -forearm])
    turned = body(**{f"{name.lower()}_ELBOW": 90, f"{name.lower()}_ROTATION": 90})
    assert turned["Wrist" + name] - turned["Elbow" + name] == pytest.approx([-outwards * forearm, 0, 0])


def test_elbow_angle_is_the_angle_between_the_bones():
    joints = body(right_PLANE=40, right_ELEVATION=70, right_ROTATION=25, right_ELBOW=65, trunk_LEAN=10, trunk_TWIST=20)
    upper = joints["ElbowRight"] - joints["ShoulderRight"]
    fore = joints["WristRight"] - joints["ElbowRight"]
    cosine = upper @ fore / np.linalg.norm(upper) / np.linalg.norm(fore)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(65)


def test_raising_the_arm_lifts_the_shoulder():
    assert body(right_ELEVATION=160)["ShoulderRight"][1] > body()["ShoulderRight"][1] + 0.05


def test_a_seated_leg_has_a_level_thigh_and_an_upright_shank():
    joints = body(right_HIP=90, right_KNEE=90)
    assert joints["KneeRight"] - joints["HipRight"] == pytest.approx([0, 0, -length("KneeRight")])
    assert joints["AnkleRight"] - joints["KneeRight"] == pytest.approx([0, -length("AnkleRight"), 0])


def test_an_abducted_leg_goes_outwards():
    joints = body(left_ABDUCTION=30)
    leg = length("KneeLeft") + length("AnkleLeft")
    assert joints["AnkleLeft"] - joints["HipLeft"] == pytest.approx([-leg / 2, -leg * np.sqrt(3) / 2, 0])


def test_the_trunk_bends_forward_leans_to_the_right_and_twists():
    assert body(trunk_BEND=30)["Head"][2] < -0.2
    assert body(trunk_LEAN=30)["Head"][0] > 0.2
    twisted = body(trunk_TWIST=30)
    assert twisted["ShoulderRight"][2] < 0 < twisted["ShoulderLeft"][2]
    assert body(trunk_BEND=30, trunk_LEAN=30)["KneeLeft"] == pytest.approx(body()["KneeLeft"])
