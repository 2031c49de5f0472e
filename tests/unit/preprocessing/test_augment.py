from dataclasses import fields

import numpy as np
import pytest
import torch

from gesturelab.config.data import AugmentConfig
from gesturelab.config.options import read_free
from gesturelab.preprocessing.augmentation import Augment, mirror
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.skeletons.skeleton import KINECT_V2 as K


def augment(classes=(1, 0, 2), **changes):
    off = {each.name: 0.0 for each in fields(AugmentConfig) if each.name not in ("mirror_at_test", "guests")}
    return Augment(read_free(AugmentConfig, off | changes, "augment"), K, classes)


@pytest.fixture
def batch():
    motion = torch.randn(64, 5, 25, 3, generator=torch.Generator().manual_seed(1)) + torch.tensor([0.0, 0.0, 3.0])
    return Batch(motion, torch.arange(64) % 3, torch.arange(64))


def generator():
    return torch.Generator().manual_seed(7)


def test_nothing_switched_on_changes_nothing(batch):
    changed = augment()(batch, generator())
    assert torch.allclose(changed.positions, batch.positions, atol=1e-5)
    assert torch.equal(changed.classes, batch.classes)
    assert augment().speeds(4, generator()) is None


def test_mirrored_windows_get_the_mirrored_label(batch):
    changed = augment(mirror_probability=1)(batch, generator())
    assert changed.classes.tolist() == [(1, 0, 2)[gesture] for gesture in batch.classes.tolist()]
    root = batch.positions[:, :, :1].mean(dim=1, keepdim=True)
    assert torch.allclose(changed.positions - root, mirror(batch.positions - root, K), atol=1e-5)


def test_windows_of_a_gesture_that_is_the_mirror_image_of_none_are_never_mirrored(batch):
    changed = augment((1, 0, -2), mirror_probability=1)(batch, generator())
    alone = batch.classes == 2
    assert torch.allclose(changed.positions[alone], batch.positions[alone], atol=1e-5)
    assert torch.equal(changed.classes[alone], batch.classes[alone])
    assert (changed.classes[~alone] == 1 - batch.classes[~alone]).all()


def test_half_of_the_windows_are_mirrored(batch):
    changed = augment(mirror_probability=0.5)(batch, generator())
    same = (changed.positions - batch.positions).abs().amax(dim=(1, 2, 3)) < 1e-4
    assert 16 < int(same.sum()) < 48
    assert torch.equal(changed.classes[same], batch.classes[same])


def test_turns_stay_within_the_bound_and_keep_heights(batch):
    changed = augment(rotation_deg=10)(batch, generator())
    assert torch.allclose(changed.positions[..., 1], batch.positions[..., 1], atol=1e-5)
    root = batch.positions[:, :, :1].mean(dim=1, keepdim=True)
    before, after = batch.positions - root, changed.positions - root
    cosine = (before * after).sum(-1) / (before.norm(dim=-1) * after.norm(dim=-1))
    assert cosine.min() > 0.98  # cos 10 degrees is 0.985


def test_size_noise_and_lost_joints(batch):
    root = batch.positions[:, :, :1].mean(dim=1, keepdim=True)
    ratio = (augment(scale=0.1)(batch, generator()).positions - root).norm(dim=-1) / (batch.positions - root).norm(
        dim=-1
    )
    assert ratio.min() >= 0.9 - 1e-4
    assert ratio.max() <= 1.1 + 1e-4
    noise = augment(noise_m=0.02)(batch, generator()).positions - batch.positions
    assert noise.std().item() == pytest.approx(0.02, rel=0.05)
    lost = augment(joint_dropout=0.3)(batch, generator()).positions - root
    share = (lost == 0).all(dim=-1).all(dim=1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.05)


def test_a_lean_keeps_lengths_and_turns_no_joint_farther_than_both_angles(batch):
    root = batch.positions[:, :, :1].mean(dim=1, keepdim=True)
    before, after = batch.positions - root, augment(tilt_deg=10)(batch, generator()).positions - root
    assert torch.allclose(after.norm(dim=-1), before.norm(dim=-1), atol=1e-4)
    cosine = (before * after).sum(-1) / (before.norm(dim=-1) * after.norm(dim=-1))
    assert 0.9 < cosine.min() < 0.999  # two turns by at most 10 degrees: cos 20 degrees is 0.94
    assert not torch.allclose(after[..., 1], before[..., 1], atol=0.01)


def test_proportions_change_by_axis_and_stay_over_a_window(batch):
    root = batch.positions[:, :, :1].mean(dim=1, keepdim=True)
    ratio = (augment(stretch=0.1)(batch, generator()).positions - root) / (batch.positions - root)
    each = ratio.flatten(1, 2).median(dim=1).values  # window axis
    assert torch.allclose(ratio, each[:, None, None], atol=0.02)
    assert 0.9 <= each.min() < 0.92
    assert 1.08 < each.max() <= 1.1
    assert (each.amax(dim=1) - each.amin(dim=1)).max() > 0.1


def test_an_offset_is_each_joints_own_and_stays_over_a_window(batch):
    offset = augment(joint_offset_m=0.02)(batch, generator()).positions - batch.positions
    assert torch.allclose(offset, offset[:, :1].expand_as(offset), atol=1e-5)
    assert offset[:, 0].std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("crop", "warp"), [(0.1, 0.0), (0.0, 0.3), (0.1, 0.3)])
def test_another_pace_shows_the_same_movement_in_another_time(crop, warp):
    frames = 64
    time = torch.linspace(0, 1, frames)
    straight = torch.stack([time, 2 * time, -time], dim=-1)[None, :, None].expand(32, -1, 25, -1)
    still = straight - straight.mean(dim=1, keepdim=True)  # its root stays where the movement is taken from
    batch = Batch(
        torch.cat([torch.zeros_like(still[:, :, :1]), still[:, :, 1:]], dim=2), torch.zeros(32), torch.arange(32)
    )
    played = augment(crop=crop, time_warp=warp)(batch, generator()).positions[:, :, 1, 0].double().numpy() + 0.5
    assert (np.diff(played, axis=1) > 0).all()  # never back
    assert (played[:, 0] <= crop + 1e-5).all()
    assert (played[:, -1] >= 1 - crop - 1e-5).all()
    assert played[:, 0].max() == pytest.approx(crop, abs=0.02)
    pace = np.diff(played, axis=1) * (frames - 1) / (played[:, -1:] - played[:, :1])
    assert 1 - 2 * warp - 0.01 <= pace.min() <= 1 + 0.01 >= pace.max() - 2 * warp
    assert (pace.max() > 1.1) == (warp > 0)
    assert not np.allclose(played[0], played[1])


def test_speeds_stay_within_the_bound():
    speeds = augment(speed=0.2).speeds(1000, generator())
    assert 0.8 <= speeds.min() < 0.82
    assert 1.18 < speeds.max() <= 1.2


def test_the_same_generator_makes_the_same_batch(batch):
    everything = augment(mirror_probability=0.5, rotation_deg=15, noise_m=0.01, scale=0.1, joint_dropout=0.1)
    assert torch.equal(everything(batch, generator()).positions, everything(batch, generator()).positions)
