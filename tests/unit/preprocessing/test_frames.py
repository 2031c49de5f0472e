import torch

from conftest import dataset_of, walker
from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.windows import cut_windows


def store(recordings, length, stride, rate=None):
    dataset = dataset_of(recordings)
    windows = cut_windows(dataset, WindowConfig(Span.sliding, length, stride, rate, Short.pad))
    return FrameStore(dataset, windows, torch.device("cpu"))


def frames_of(batch):
    """Which frame each sample shows: x is the frame's number over 100."""
    return (batch.positions[:, :, 0, 0] * 100).round(decimals=3).tolist()


def test_windows_show_the_frames_of_their_own_recording():
    batch = store([walker("a", 5), walker("b", 4, gesture=1)], length=3, stride=2).gather(torch.arange(3))
    assert frames_of(batch) == [[0, 1, 2], [2, 3, 4], [0, 1, 2]]
    assert batch.classes.tolist() == [0, 0, 1]
    assert batch.recordings.tolist() == [0, 0, 1]


def test_between_frames_positions_are_mixed():
    # 30 frames a second read at 20: every 1.5 frames
    batch = store([walker("a", 10)], length=3, stride=3, rate=20).gather(torch.tensor([0, 1]))
    assert frames_of(batch) == [[0, 1.5, 3], [4.5, 6, 7.5]]


def test_padding_repeats_the_last_frame_and_not_the_next_recording():
    batch = store([walker("a", 2), walker("b", 9)], length=4, stride=4).gather(torch.tensor([0]))
    assert frames_of(batch) == [[0, 1, 1, 1]]


def test_speed_plays_about_the_middle_and_stays_inside():
    one = store([walker("a", 9)], length=5, stride=4)
    assert frames_of(one.gather(torch.tensor([0]), torch.tensor([0.5]))) == [[1, 1.5, 2, 2.5, 3]]
    assert frames_of(one.gather(torch.tensor([0]), torch.tensor([2.0]))) == [[0, 0, 2, 4, 6]]


def test_windows_hold_frames_once():
    recordings = [walker("a", 1500)]
    many = store(recordings, length=20, stride=1)
    assert len(many.start) == 1481
    assert many.frames.numel() == 1500 * 75
