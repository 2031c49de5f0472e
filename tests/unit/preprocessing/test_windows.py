import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import dataset_of, walker
from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.errors import DataError
from gesturelab.preprocessing.windows import cut_windows


def config(length=4, stride=2, rate=None, short=Short.pad, span=Span.sliding):
    return WindowConfig(span, length, stride, rate, short)


def test_windows_start_every_stride_and_end_inside_the_recording():
    windows = cut_windows(dataset_of([walker("a", 10)]), config(length=4, stride=3))
    assert windows.start.tolist() == [0, 3, 6]  # 6 + 4 = 10: the last one just fits
    assert windows.step.tolist() == [1, 1, 1]


def test_a_lower_rate_makes_longer_steps():
    # 30 frames a second read at 10: samples at frames 0, 3, 6, 9 of 12 frames are 4 samples, so 3 windows of 2
    windows = cut_windows(dataset_of([walker("a", 12)]), config(length=2, stride=1, rate=10))
    assert windows.start.tolist() == [0, 3, 6]
    assert windows.step.tolist() == [3, 3, 3]


def test_a_whole_recording_fits_one_window_from_first_to_last_frame():
    windows = cut_windows(dataset_of([walker("a", 10), walker("b", 4)]), config(length=4, span=Span.whole))
    assert windows.start.tolist() == [0, 0]
    assert windows.step.tolist() == [3, 1]


def test_short_recordings_are_padded_or_left_out():
    dataset = dataset_of([walker("long", 9), walker("short", 3)])
    assert cut_windows(dataset, config(length=5, stride=4)).recording.tolist() == [0, 0, 1]
    assert cut_windows(dataset, config(length=5, stride=4, short=Short.drop)).recording.tolist() == [0, 0]


def test_no_window_at_all_is_an_error_that_says_how_long_recordings_are():
    with pytest.raises(DataError, match=r"window.length_frames=50.*longest has 9 frames"):
        cut_windows(dataset_of([walker("a", 9)]), config(length=50, short=Short.drop))


@given(
    frames=st.lists(st.integers(1, 80), min_size=1, max_size=6),
    length=st.integers(2, 30),
    stride=st.integers(1, 10),
    rate=st.one_of(st.none(), st.floats(3, 60)),
)
def test_no_window_leaves_its_recording(frames, length, stride, rate):
    dataset = dataset_of([walker(f"r{number}", count) for number, count in enumerate(frames)])
    windows = cut_windows(dataset, config(length, stride, rate))
    last = windows.start + windows.step * (length - 1)
    counts = dataset.frame_counts[windows.recording]
    padded = windows.start == 0
    assert (last[~padded] <= counts[~padded] - 1 + 1e-2).all()
    assert set(windows.recording.tolist()) == set(range(len(frames)))  # each recording is seen
    assert (np.diff(windows.recording) >= 0).all()
