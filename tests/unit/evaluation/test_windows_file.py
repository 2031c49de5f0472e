from pathlib import Path

import numpy as np
import pytest

from gesturelab.errors import RunError
from gesturelab.evaluation.windows import WindowSeries, mean_series, read_windows, write_windows

ROWS = [("a", 0.0, 0.4, (0.25, 0.75)), ("b", 0.0, 0.5, (1.0, 0.0)), ("a", 0.2, 0.8, (0.5, 0.5))]


def test_what_was_written_is_read_recording_by_recording(tmp_path: Path):
    write_windows(tmp_path / "w.csv", ("left", "right"), ROWS)
    found = read_windows(tmp_path / "w.csv", ("left", "right"), {"a", "c"})
    assert list(found) == ["a"]
    assert found["a"].starts.tolist() == [0.0, 0.2]
    assert found["a"].ends.tolist() == [0.4, 0.8]
    assert found["a"].probabilities.tolist() == [[0.25, 0.75], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n", "should begin with recording,start_s,end_s,p_left,p_right"),
        ("recording,start_s,end_s,p_left,p_right\na,0,1,0.5,half\n", "line 2, cannot be read"),
        ("recording,start_s,end_s,p_left,p_right\na,0,1,0.5,0.5\na,0,1,0.5\n", "line 3, cannot be read"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, text: str, message: str):
    (tmp_path / "w.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=message):
        read_windows(tmp_path / "w.csv", ("left", "right"), {"a"})


def test_trainings_are_averaged_window_by_window():
    ends = np.array([0.4, 0.8])
    one = WindowSeries(ends - 0.4, ends, np.array([[0.2, 0.8], [0.4, 0.6]]))
    two = WindowSeries(ends - 0.4, ends, np.array([[0.6, 0.4], [0.0, 1.0]]))
    other = WindowSeries(ends, ends + 1, np.ones((2, 2)))
    assert mean_series([one, two, other]).probabilities == pytest.approx(np.array([[0.4, 0.6], [0.2, 0.8]]))
