"""The nine gestures: which joints they move, and how far along they are when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mirrored_poses import mirrored_pose

from gesturelab.datasets.irds.files import MIRRORED_GESTURES
from gesturelab.datasets.synthetic.kinematics import ANGLES, LEFT, RIGHT, TYPICAL_BONES_M, forward
from gesturelab.datasets.synthetic.movements import (
    GESTURES,
    Execution,
    course,
    endpoints,
    moved_side,
    poses,
    resting,
)
from gesturelab.datasets.synthetic.people import POSTURES
from gesturelab.skeletons.skeleton import KINECT_V2

WELL = Execution(
    reach=1.0, attempts=1, lean_deg=0.0, shrug_deg=0.0, other_side=0.0, towards=0, drift=0.0, tremor_deg=0.0
)


def standing():
    rest = resting("stand", np.random.default_rng(0))
    return (rest + mirrored_pose(rest)) / 2


def done_well(gesture: int, rest):
    times_s = np.arange(61) / 30
    return poses(gesture, rest, np.zeros(ANGLES), WELL, times_s, np.random.default_rng(1), seated=False)


def test_names_and_mirrored_gestures_agree():
    assert len(GESTURES) == len(MIRRORED_GESTURES) == 9
    for name, mirrored in zip(GESTURES, MIRRORED_GESTURES, strict=True):
        swapped = name.replace("left", "#").replace("right", "left").replace("#", "right")
        assert GESTURES[mirrored] == swapped


def test_a_gesture_called_left_moves_the_joints_called_right():
    for gesture, name in enumerate(GESTURES):
        expected = RIGHT if name.endswith("left") else LEFT if name.endswith("right") else None
        assert moved_side(gesture) == expected


@pytest.mark.parametrize("gesture", range(9))
def test_mirrored_gestures_mirror_the_pose(gesture):
    rest = standing()
    start, peak = endpoints(gesture, rest, seated=False)
    other_start, other_peak = endpoints(MIRRORED_GESTURES[gesture], rest, seated=False)
    np.testing.assert_allclose(mirrored_pose(start), other_start)
    np.testing.assert_allclose(mirrored_pose(peak), other_peak)


@pytest.mark.parametrize(
    ("gesture", "joint", "at_least_m"),
    [
        (0, "WristRight", 0.3),
        (1, "WristLeft", 0.3),
        (2, "WristRight", 0.7),
        (3, "WristLeft", 0.7),
        (4, "WristRight", 0.7),
        (5, "WristLeft", 0.7),
        (6, "WristLeft", 0.6),
        (6, "WristRight", 0.6),
    ],
)
def test_arm_gestures_lift_the_wrist(gesture, joint, at_least_m):
    height = forward(TYPICAL_BONES_M, done_well(gesture, standing()))[:, KINECT_V2.index(joint), 1]
    assert np.ptp(height) > at_least_m
    assert abs(height[-1] - height[0]) < 0.05


def test_flexion_passes_in_front_and_abduction_at_the_side():
    wrist, shoulder = KINECT_V2.index("WristRight"), KINECT_V2.index("ShoulderRight")
    in_front = forward(TYPICAL_BONES_M, done_well(2, standing()))
    sideways = forward(TYPICAL_BONES_M, done_well(4, standing()))
    assert (in_front[:, shoulder, 2] - in_front[:, wrist, 2]).max() > 0.35
    assert (sideways[:, wrist, 0] - sideways[:, shoulder, 0]).max() > 0.35


def test_forward_elevation_keeps_the_hands_together():
    positions = forward(TYPICAL_BONES_M, done_well(6, standing()))
    apart = np.linalg.norm(
        positions[:, KINECT_V2.index("HandLeft")] - positions[:, KINECT_V2.index("HandRight")], axis=1
    )
    assert apart.max() < 0.25


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), attempts=st.integers(1, 5))
def test_a_movement_starts_and_ends_at_rest_and_arrives(seed, attempts):
    progress = course(np.linspace(0, 1, 2001), attempts, np.random.default_rng(seed))
    assert progress[0] == progress[-1] == 0
    assert progress.min() >= -1e-12  # rounding
    assert progress.max() == pytest.approx(1)
    assert np.abs(np.diff(progress)).max() < 0.1


def test_faltering_turns_back_on_the_way_up():
    def turns(attempts: int) -> int:
        climbing = np.diff(course(np.linspace(0, 1, 2001), attempts, np.random.default_rng(4))) > 1e-9
        return int(np.count_nonzero(np.diff(climbing.astype(int)) == 1))

    assert turns(1) == 1
    assert turns(3) == 3


@pytest.mark.parametrize("posture", POSTURES)
def test_seated_people_have_bent_hips_and_knees(posture):
    pose = resting(posture, np.random.default_rng(0))
    positions = forward(TYPICAL_BONES_M, pose[None])[0]
    drop = positions[KINECT_V2.index("HipLeft"), 1] - positions[KINECT_V2.index("KneeLeft"), 1]
    assert (drop < 0.2) == (posture in ("chair", "wheelchair", "sit"))
