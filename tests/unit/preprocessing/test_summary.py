"""A summary of a window, worked out by hand on one arm that rises sideways."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturelab.preprocessing.augmentation import mirror
from gesturelab.preprocessing.features import Summary
from gesturelab.skeletons.skeleton import KINECT_V2 as K

SUMMARY = Summary(K)
NAMES = SUMMARY.names


def standing(frames=30):
    """Both arms hang: shoulders 0.4 m apart at a height of 1.4 m, upper arms 0.3 m long, forearms 0.25 m."""
    positions = torch.zeros(1, frames, 25, 3)
    for side, (shoulder, elbow, wrist) in zip((-0.2, 0.2), K.arms, strict=True):
        for joint, height in ((shoulder, 1.4), (elbow, 1.1), (wrist, 0.85)):
            positions[:, :, joint] = torch.tensor([side, height, 0.0])
    return positions


def raised(degrees, frames=30):
    """The right arm, straight, rises sideways; it rests at both ends for three frames."""
    positions = standing(frames)
    shoulder, elbow, wrist = K.arms[1]
    course = torch.cat(
        [torch.zeros(3), torch.linspace(0, math.radians(degrees), frames - 6), torch.full((3,), math.radians(degrees))]
    )
    for joint, length in ((elbow, 0.3), (wrist, 0.55)):
        positions[0, :, joint, 0] = positions[0, :, shoulder, 0] + length * course.sin()
        positions[0, :, joint, 1] = positions[0, :, shoulder, 1] - length * course.cos()
    return positions


def summary(positions):
    return dict(zip(NAMES, SUMMARY(positions)[0, 0].tolist(), strict=True))


def test_an_arm_that_rises_sideways():
    numbers = summary(raised(90))
    assert numbers["summary:rise:ElbowRight:range"] == pytest.approx(math.pi / 2, abs=2e-3)
    assert numbers["summary:reach:ElbowRight:max"] == pytest.approx(math.pi / 2, abs=2e-3)
    assert numbers["summary:bend:ElbowRight:max"] == pytest.approx(0, abs=2e-3)
    assert numbers["summary:travel:WristRight:x"] == pytest.approx(0.55, abs=1e-3)
    assert numbers["summary:travel:ElbowRight:y"] == pytest.approx(0.3, abs=1e-3)
    assert numbers["summary:travel:WristRight:z"] == pytest.approx(0, abs=1e-6)
    assert numbers["summary:hands:min"] == pytest.approx(0.4, abs=1e-3)
    assert numbers["summary:hands:max"] == pytest.approx(math.hypot(0.4 + 0.55, 0.55), abs=1e-3)
    still = [name for name in NAMES if "Left" in name and ("travel" in name or "range" in name)]
    assert [numbers[name] for name in still] == pytest.approx([0.0] * len(still), abs=2e-3)


def test_one_wild_frame_counts_a_third():
    jump = standing()
    jump[0, 15, K.index("WristLeft"), 2] = 3.0
    assert summary(jump)["summary:travel:WristLeft:z"] == pytest.approx(1.0)


@given(st.floats(10, 170))
def test_in_the_mirror_left_and_right_change_places(degrees):
    positions = raised(degrees)
    own, image = summary(positions), summary(mirror(positions, K))
    for name in NAMES:
        other = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        assert image[other] == pytest.approx(own[name], abs=1e-4)


def test_joints_on_one_spot_give_numbers():
    assert torch.isfinite(SUMMARY(torch.zeros(2, 5, 25, 3))).all()
