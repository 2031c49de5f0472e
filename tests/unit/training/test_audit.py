import numpy as np

from conftest import dataset_of, walker
from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.preprocessing.windows import cut_windows
from gesturelab.training.audit import covered_frames, frame_marks


def two() -> Dataset:
    return dataset_of([walker("a", 10), walker("b", 6, subject="201")])


def test_equal_frames_have_equal_marks_and_others_do_not():
    marks = frame_marks(two())
    assert marks[:6].tolist() == marks[10:].tolist()
    assert len(set(marks.tolist())) == 10


def test_a_change_in_one_joint_changes_the_mark():
    dataset = two()
    before = frame_marks(dataset)
    dataset.positions[3, 24, 2] += 1e-6
    after = frame_marks(dataset)
    assert np.flatnonzero(before != after).tolist() == [3]


def test_frames_of_windows_that_take_each_frame():
    dataset = two()
    windows = cut_windows(dataset, WindowConfig(Span.sliding, 4, 3, None, Short.pad))
    assert [(int(r), int(s)) for r, s in zip(windows.recording, windows.start, strict=True)] == [
        (0, 0),
        (0, 3),
        (0, 6),
        (1, 0),
    ]
    assert np.flatnonzero(covered_frames(dataset, windows, np.array([0, 3]))).tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    assert np.flatnonzero(covered_frames(dataset, windows, np.array([2]))).tolist() == [6, 7, 8, 9]


def test_frames_that_are_mixed_count_and_padding_stays_inside():
    dataset = two()  # 30 frames a second, read at 20: samples at 0, 1.5, 3, 4.5 and so on
    windows = cut_windows(dataset, WindowConfig(Span.sliding, 4, 1, 20.0, Short.pad))
    assert np.flatnonzero(covered_frames(dataset, windows, np.array([0]))).tolist() == [0, 1, 2, 3, 4, 5]
    last = np.flatnonzero(windows.recording == 1)
    assert np.flatnonzero(covered_frames(dataset, windows, last)).tolist() == list(range(10, 16))
