"""Trackers' landmarks on the Kinect's joints: a person in a T-pose, worked out by hand, in the camera's axes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesturelab.datasets.formats.files import read_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.errors import DataError
from gesturelab.skeletons.landmarks import AZURE_KINECT, LANDMARKS, MEDIAPIPE_POSE, OPENPOSE_25
from gesturelab.skeletons.skeleton import KINECT_V2

# Metres from the hips' middle; x to the right of the picture, where a person who faces the camera has the left hand;
# y down; z away from the camera. The left side; the right one has the other x.
MEDIAPIPE_LEFT = {
    "ear": (0.08, -0.66, 0),
    "shoulder": (0.2, -0.5, 0),
    "elbow": (0.5, -0.5, 0),
    "wrist": (0.75, -0.5, 0),
    "index": (0.85, -0.5, -0.03),
    "pinky": (0.83, -0.5, 0.03),
    "thumb": (0.8, -0.5, -0.06),
    "hip": (0.1, 0, 0),
    "knee": (0.1, 0.45, 0),
    "ankle": (0.1, 0.9, 0.05),
    "foot_index": (0.12, 0.95, -0.15),
}
# What the Kinect would see: x to the camera's left, y up
KINECT_LEFT = {
    "ShoulderLeft": (-0.2, 0.5, 0),
    "ElbowLeft": (-0.5, 0.5, 0),
    "WristLeft": (-0.75, 0.5, 0),
    "HandLeft": (-0.81, 0.5, 0),
    "HandTipLeft": (-0.885, 0.5, 0),
    "ThumbLeft": (-0.8, 0.5, -0.06),
    "HipLeft": (-0.1, 0, 0),
    "KneeLeft": (-0.1, -0.45, 0),
    "AnkleLeft": (-0.1, -0.9, 0.05),
    "FootLeft": (-0.12, -0.95, -0.15),
}
KINECT_MIDDLE = {
    "SpineBase": (0, 0, 0),
    "SpineMid": (0, 0.25, 0),
    "SpineShoulder": (0, 0.5, 0),
    "Neck": (0, 0.5 + 0.16 / 3, 0),
    "Head": (0, 0.66, 0),
}
OPENPOSE_HANDS = {"HandLeft": (-0.825, 0.5, 0), "HandTipLeft": (-0.9, 0.5, 0), "ThumbLeft": (-0.825, 0.5, 0)}


def both_sides(left: dict, middle: dict, other_side) -> dict:
    return left | middle | {other_side(name): (-x, y, z) for name, (x, y, z) in left.items()}


def kinect(**hands) -> dict:
    return both_sides(KINECT_LEFT | hands, KINECT_MIDDLE, lambda name: name.replace("Left", "Right"))


def t_pose(tracker) -> np.ndarray:
    if tracker is MEDIAPIPE_POSE:
        left = {f"left_{name}": place for name, place in MEDIAPIPE_LEFT.items()}
        points = both_sides(left, {}, lambda name: name.replace("left", "right"))
    else:
        left = {f"L{name.capitalize()}": place for name, place in MEDIAPIPE_LEFT.items()}
        left |= {"LBigToe": (0.1, 0.95, -0.15), "LSmallToe": (0.14, 0.95, -0.15)}
        points = both_sides(left, {}, lambda name: "R" + name[1:])
    nowhere = (9.0, 9.0, 9.0)  # eyes, mouth, heels ...: nothing follows from them
    return np.array([points.get(name, nowhere) for name in tracker.joints])


@pytest.mark.parametrize(
    ("tracker", "expected"),
    [(MEDIAPIPE_POSE, kinect()), (OPENPOSE_25, kinect(**OPENPOSE_HANDS))],
    ids=["mediapipe", "openpose"],
)
def test_t_pose(tracker, expected):
    moved = tracker.onto_skeleton(np.stack([t_pose(tracker), t_pose(tracker) + np.array([0, 0, 2.0])]))
    for at, joint in enumerate(KINECT_V2.joints):
        np.testing.assert_allclose(moved[0, at], expected[joint], atol=1e-9, err_msg=joint)
        np.testing.assert_allclose(moved[1, at], np.add(expected[joint], (0, 0, 2)), atol=1e-9, err_msg=joint)


@given(st.sampled_from(list(LANDMARKS.values())), st.integers(0, 2**32 - 1))
def test_bodies_of_any_shape_are_moved_and_mirrored_as_a_whole(tracker, seed):
    rng = np.random.default_rng(seed)
    points, shift = rng.normal(size=(3, len(tracker.joints), 3)), rng.normal(size=3)
    here, there = tracker.onto_skeleton(points), tracker.onto_skeleton(points + shift)
    np.testing.assert_allclose(there, here + shift * [-1, -1, 1], atol=1e-9)
    if tracker is MEDIAPIPE_POSE:
        swap = {"left": "right", "right": "left"}
        names = ["_".join(swap.get(word, word) for word in name.split("_")) for name in tracker.joints]
    elif tracker is AZURE_KINECT:
        swap = {"LEFT": "RIGHT", "RIGHT": "LEFT"}
        names = ["_".join(swap.get(word, word) for word in name.split("_")) for name in tracker.joints]
    else:
        swap = {"L": "R", "R": "L"}
        names = [swap.get(name[0], name[0]) + name[1:] for name in tracker.joints]
    mirrored = points[:, [tracker.joints.index(name) for name in names]] * [-1, 1, 1]
    np.testing.assert_allclose(tracker.onto_skeleton(mirrored), here[:, list(KINECT_V2.mirrored)] * [-1, 1, 1])


def test_their_order_is_that_of_their_documentation():
    assert [MEDIAPIPE_POSE.joints[at] for at in (0, 11, 16, 24, 32)] == [
        "nose", "left_shoulder", "right_wrist", "right_hip", "right_foot_index",
    ]  # fmt: skip
    assert [OPENPOSE_25.joints[at] for at in (0, 2, 8, 14, 19, 24)] == [
        "Nose", "RShoulder", "MidHip", "LAnkle", "LBigToe", "RHeel",
    ]  # fmt: skip
    assert (len(MEDIAPIPE_POSE.joints), len(OPENPOSE_25.joints)) == (33, 25)


def test_a_file_of_landmarks_becomes_a_kinect_recording(tmp_path):
    names = ",".join(f"{name}_{axis}" for name in MEDIAPIPE_POSE.joints for axis in "xyz")
    row = ",".join(map(str, t_pose(MEDIAPIPE_POSE).ravel()))
    (tmp_path / "one.csv").write_text(f"{names},time_s\n{row},0\n{row},0.05\n")
    motion = read_motion(tmp_path / "one.csv", Reading(MEDIAPIPE_POSE))
    assert motion.positions.shape == (2, 25, 3)
    assert motion.rate_hz == pytest.approx(20)
    np.testing.assert_allclose(motion.positions[0, KINECT_V2.index("HandTipRight")], (0.885, 0.5, 0), atol=1e-6)


def test_points_that_openpose_did_not_see(tmp_path):
    points = np.stack([t_pose(OPENPOSE_25)] * 3)
    points[1, OPENPOSE_25.joints.index("REar")] = 0
    np.save(tmp_path / "one.npy", points)
    with pytest.raises(DataError, match="frame 2: REar is missing"):
        read_motion(tmp_path / "one.npy", Reading(OPENPOSE_25, rate_hz=30))
    whole = read_motion(tmp_path / "one.npy", Reading(OPENPOSE_25, rate_hz=30, fill_frames=1))
    np.testing.assert_allclose(whole.positions[1], whole.positions[0], atol=1e-6)
