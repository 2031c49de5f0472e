import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesturelab.config.data import Centre, FeaturesConfig
from gesturelab.config.options import read_free
from gesturelab.errors import ConfigError
from gesturelab.preprocessing.augmentation import mirror
from gesturelab.preprocessing.features import Features, Velocities
from gesturelab.preprocessing.geometry import body_scale, face_sensor, rotate_vertical
from gesturelab.skeletons.skeleton import KINECT_V2 as K


def options(**changes):
    """What is fed: nothing but the changes."""
    off = dict.fromkeys(("body_scale", "face_sensor", "positions", "velocities", "displacements", "scaler"), False)
    return read_free(FeaturesConfig, {"centre": Centre.none} | off | changes, "features")


@pytest.fixture
def motion():
    return torch.randn(2, 6, 25, 3, generator=torch.Generator().manual_seed(1))


def test_raw_positions_come_out_as_they_went_in(motion):
    features = Features(options(positions=True), K)
    assert torch.equal(features(motion), motion.flatten(2))
    assert features.names[:4] == (
        "position:SpineBase:x",
        "position:SpineBase:y",
        "position:SpineBase:z",
        "position:SpineMid:x",
    )


def test_names_match_columns(motion):
    features = Features(options(positions=True, velocities=True, bones=True), K)
    table = features(motion)
    assert table.shape[2] == len(features.names) == 225
    column = features.names.index("bone:HandLeft:y")
    hand, wrist = K.index("HandLeft"), K.index("WristLeft")
    assert torch.allclose(table[:, :, column], motion[:, :, hand, 1] - motion[:, :, wrist, 1])
    column = features.names.index("velocity:Head:z")
    assert torch.allclose(table[:, 2, column], motion[:, 2, 3, 2] - motion[:, 1, 3, 2])


def test_velocity_of_the_first_frame_is_zero(motion):
    assert not Velocities(K, tuple(range(25)))(motion)[:, 0].any()


def test_centred_on_each_frame_the_root_never_moves(motion):
    features = Features(options(positions=True, centre=Centre.frame), K)(motion)
    assert not features[:, :, 3 * K.root : 3 * K.root + 3].any()


def test_centred_on_the_window_the_root_still_moves_about_zero(motion):
    root = Features(options(positions=True, centre=Centre.window), K)(motion)[:, :, 3 * K.root : 3 * K.root + 3]
    assert torch.allclose(root.mean(dim=1), torch.zeros(2, 3), atol=1e-6)
    assert root.abs().max() > 0.1


def test_a_body_twice_as_large_looks_the_same(motion):
    features = Features(options(positions=True, velocities=True, centre=Centre.frame, body_scale=True), K)
    assert torch.allclose(features(motion), features(2 * motion), atol=1e-5)


def test_body_scale_is_the_spine_and_never_tiny():
    still = torch.zeros(1, 3, 25, 3)
    still[:, :, K.index("SpineShoulder"), 1] = 0.5
    assert body_scale(still, K).item() == pytest.approx(0.5)
    assert body_scale(torch.zeros(1, 3, 25, 3), K).item() == pytest.approx(0.1)


def test_whoever_is_turned_faces_the_sensor_afterwards(motion):
    turned = rotate_vertical(motion, torch.tensor([0.7, -2.0]))
    assert torch.allclose(face_sensor(motion, K), face_sensor(turned, K), atol=1e-4)
    left, right = K.shoulders
    line = (face_sensor(motion, K)[:, :, right] - face_sensor(motion, K)[:, :, left]).mean(dim=1)
    assert torch.allclose(line[:, 2], torch.zeros(2), atol=1e-5)
    assert (line[:, 0] > 0).all()


@given(st.floats(-math.pi, math.pi))
def test_turning_keeps_heights_and_distances(angle):
    motion = torch.randn(1, 3, 25, 3, generator=torch.Generator().manual_seed(2))
    turned = rotate_vertical(motion, torch.tensor([angle]))
    assert torch.allclose(turned[..., 1], motion[..., 1])
    assert torch.allclose(turned.norm(dim=-1), motion.norm(dim=-1), atol=1e-5)


def test_features_look_at_one_window_only(motion):
    features = Features(
        options(positions=True, velocities=True, bones=True, centre=Centre.window, body_scale=True, face_sensor=True), K
    )
    alone = torch.cat([features(motion[:1]), features(motion[1:])])
    assert torch.allclose(features(motion), alone, atol=1e-6)


def test_a_mirror_twice_is_no_mirror(motion):
    assert torch.equal(mirror(mirror(motion, K), K), motion)
    left, right = K.index("HandLeft"), K.index("HandRight")
    assert torch.equal(mirror(motion, K)[:, :, left, 0], -motion[:, :, right, 0])
    assert torch.equal(mirror(motion, K)[:, :, left, 1], motion[:, :, right, 1])


def test_a_small_movement_looks_like_a_large_one_of_the_same_shape():
    still = torch.randn(1, 1, 25, 3, generator=torch.Generator().manual_seed(3)).expand(1, 30, 25, 3)
    raising = torch.zeros(1, 30, 25, 3)
    raising[0, :, K.index("HandLeft"), 1] = torch.linspace(0, 1, 30)
    features = Features(options(displacements=True), K)
    column = features.names.index("displacement:HandLeft:y")
    large, small = features(still + raising), features(still + 0.3 * raising)
    assert large[0, -1, column] == pytest.approx(1, abs=0.05)
    assert torch.allclose(large, small, atol=1e-4)
    tremor = features(still + 0.01 * raising)
    assert tremor.abs().max() < 0.1


def test_a_straight_arm_a_right_angle_and_a_folded_one():
    still = torch.zeros(1, 3, 25, 3)
    still[:, :, K.index("ShoulderLeft"), 1] = 1.0  # 1 m above the elbow, which is at the origin
    still[0, 0, K.index("WristLeft"), 1] = -1.0
    still[0, 1, K.index("WristLeft"), 2] = 1.0
    still[0, 2, K.index("WristLeft"), 1] = 1.0
    features = Features(options(angles=True), K)
    column = features.names.index("angle:ShoulderLeft:ElbowLeft:WristLeft")
    assert features(still)[0, :, column].tolist() == pytest.approx([-1, 0, 1], abs=1e-6)
    assert torch.isfinite(features(torch.zeros(1, 3, 25, 3))).all()


def test_only_the_named_joints_are_fed(motion):
    features = Features(options(positions=True, centre=Centre.frame, joints=["Head", "HandLeft"]), K)
    assert features.names[::3] == ("position:Head:x", "position:HandLeft:x")
    expected = motion[:, :, [3, 7]] - motion[:, :, :1]
    assert torch.allclose(features(motion), expected.flatten(2))
    with pytest.raises(ConfigError, match=r"kinect_v2 has no Tail, but SpineBase"):
        Features(options(positions=True, joints=["Tail"]), K)


def test_what_falls_has_the_acceleration_of_falling():
    seconds = torch.arange(6) / 10
    falling = torch.zeros(1, 6, 25, 3)
    falling[0, :, K.index("HandLeft"), 1] = 2 - 9.81 * seconds**2 / 2
    features = Features(options(positions=True, acceleration=True), K)
    column = features.names.index("acceleration:HandLeft:y")
    assert features(falling)[0, :, column].tolist() == pytest.approx([0, 0, *[-0.0981] * 4], abs=1e-6)  # in 0.1 s twice
    assert features(falling[:, :1])[0, :, column].tolist() == [0], "a window of one frame"
