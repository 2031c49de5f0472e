from pathlib import Path

import numpy as np
import pytest

from gesturelab.errors import RunError
from gesturelab.evaluation.predictions import concatenate_predictions, mean_of, read_predictions
from predictions_builder import predictions_of

HEAD = "recording,subject,gesture,correct,predicted,p_left,p_right\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "predictions_tiny.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_in_order_of_recordings(tmp_path: Path):
    found = read_predictions(written(tmp_path, HEAD + "b,101,left,1,right,0.25,0.75\na,201,right,2,right,0.1,0.9\n"))
    assert found.names == ("a", "b")
    assert found.subjects == ("201", "101")
    assert (found.truth.tolist(), found.predicted.tolist(), found.correctness.tolist()) == ([1, 0], [1, 1], [2, 1])
    assert found.probabilities.tolist() == [[0.1, 0.9], [0.25, 0.75]]
    assert found.right.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name,p\n", "is not a predictions file"),
        ("", "is not a predictions file"),
        (HEAD + "a,101,up,1,left,0.5,0.5\n", "line 2"),
        (HEAD + "a,101,left,1,left,0.5\n", "line 2"),
        (HEAD + "a,101,left,1,left,0.5,0.5\nb,101,left,x,left,0.5,0.5\n", "line 3"),
        (HEAD + "a,101,left,1,left,0.9,0.5\n", "do not sum to 1"),
        (HEAD + "a,101,left,1,left,nan,0.5\n", "do not sum to 1"),
        (HEAD + "a,101,left,1,left,0.5,0.5\n" * 2, "recording a twice"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, text: str, why: str):
    with pytest.raises(RunError, match=why) as caught:
        read_predictions(written(tmp_path, text))
    assert "predictions_tiny.csv" in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path):
    with pytest.raises(RunError, match=r"predictions_tiny.csv is missing"):
        read_predictions(tmp_path / "predictions_tiny.csv")


def test_a_recording_in_two_parts_is_refused():
    one = predictions_of([("101", 0, 0)])
    with pytest.raises(RunError, match="tested in two folds"):
        concatenate_predictions([one, one])


def test_an_ensemble_averages_probabilities():
    sure, unsure = predictions_of([("101", 0, 1)], confidence=0.9), predictions_of([("101", 0, 0)], confidence=0.5)
    both = mean_of([sure, unsure])
    assert both.probabilities[0] == pytest.approx(np.array([(0.05 + 0.5) / 2, (0.9 + 0.25) / 2, (0.05 + 0.25) / 2]))
    assert both.predicted.tolist() == [1]
