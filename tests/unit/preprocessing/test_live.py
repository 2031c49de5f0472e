import dataclasses

import numpy as np
import pytest

from gesturelab.config.composing import compose
from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset
from gesturelab.preprocessing.windows import cut_live


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    chosen = ["data.people=2", "data.repetitions=1", f"data.cache_dir={tmp_path_factory.mktemp('cache')}"]
    return load(compose(["data=synthetic", *chosen]).data)


WINDOW = WindowConfig(span=Span.sliding, length_frames=8, stride_frames=4, rate_hz=10.0, short=Short.pad)


def test_windows_end_every_moment_and_at_the_end_and_never_reach_past_it(dataset: Dataset):
    live = cut_live(dataset, np.array([1, 3]), WINDOW)
    assert set(live.windows.recording.tolist()) == {1, 3}
    for number in (1, 3):
        own = live.windows.recording == number
        rate, end = dataset.rates_hz[number], dataset.frame_counts[number] - 1
        moments = live.last[own]
        assert moments[-1] == end
        assert (np.diff(moments) > 0).all()
        assert moments[0] == int(0.4 * rate + 1e-6)
        lasting = live.windows.start[own] + 7 * live.windows.step[own]
        full = moments >= 7 * rate / 10
        assert lasting[full] == pytest.approx(moments[full]), "a whole window ends at its moment"
        assert (live.windows.start[own][~full] == 0).all(), "before, it is the recording so far"


def test_without_padding_the_first_answer_waits_for_a_whole_window(dataset: Dataset):
    live = cut_live(dataset, np.array([0]), dataclasses.replace(WINDOW, short=Short.drop))
    assert live.last[0] >= 7 * dataset.rates_hz[0] / 10 - 1e-6
    assert (live.windows.start >= -1e-6).all()


def test_a_window_of_the_whole_recording_holds_what_has_passed(dataset: Dataset):
    live = cut_live(dataset, np.array([0]), dataclasses.replace(WINDOW, span=Span.whole))
    assert (live.windows.start == 0).all()
    assert 7 * live.windows.step == pytest.approx(live.last)


def test_no_recordings_have_no_windows(dataset: Dataset):
    assert len(cut_live(dataset, np.array([], dtype=np.int64), WINDOW).windows) == 0
