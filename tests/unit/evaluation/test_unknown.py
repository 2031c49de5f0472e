"""Areas under ROC curves as scikit-learn computes them, over gestures left out in turn, with intervals over people."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gesturelab.errors import RunError
from gesturelab.evaluation.unknown import NONE_OF_THESE, UnknownAnswers, compare_scores, read_unknown


def answers(gesture: str, seed: int, people: str = "abcd", count: int = 60) -> UnknownAnswers:
    rng = np.random.default_rng(seed)
    known = rng.random(count) < 0.8
    return UnknownAnswers(
        gesture,
        tuple(rng.choice(list(people), count)),
        known,
        rng.random(count).round(1),
        (rng.normal(0, 1, count) - known).round(1),
        rng.random(count) < 0.3,
    )


def test_areas_and_shares_are_means_over_gestures():
    runs = [answers("wave", 0), answers("bend", 1), answers("kick", 2)]
    scores = compare_scores(runs)
    areas = [
        [roc_auc_score(~run.known, score) for run in runs for score in (pick(run),)]
        for pick in (lambda run: run.score, lambda run: -run.confidence)
    ]
    assert scores.auroc["value"] == pytest.approx(np.mean(areas[0]))
    assert scores.auroc_confidence["value"] == pytest.approx(np.mean(areas[1]))
    assert scores.above["value"] == pytest.approx(np.mean(areas[0]) - np.mean(areas[1]))
    assert scores.kept["value"] == pytest.approx(np.mean([1 - run.refused[run.known].mean() for run in runs]))
    assert scores.refused["value"] == pytest.approx(np.mean([run.refused[~run.known].mean() for run in runs]))
    assert (scores.gestures, scores.people, scores.trainings) == (3, 4, 3)
    assert scores.auroc["low"] < scores.auroc["value"] < scores.auroc["high"]  # type: ignore[operator]


def test_recordings_are_compared_within_a_training_only():
    """Another fold's scores are on another scale: a known recording there is no wrong answer here."""
    near, far = answers("wave", 0, "ab"), answers("wave", 1, "cd")
    shifted = UnknownAnswers(*(vars(far) | {"score": far.score + 1000}).values())
    assert compare_scores([near, shifted]).auroc == compare_scores([near, far]).auroc


def test_one_person_has_no_interval():
    assert compare_scores([answers("wave", 0, "a")]).auroc["low"] is None


ROWS = ["r1,a,wave,1,0.9,0.5,wave", "r2,b,kick,0,0.4,7,none of these"]


def test_a_file_is_read(tmp_path):
    file = tmp_path / "unknown_tiny.csv"
    file.write_text("\n".join(["recording,subject,gesture,known,confidence,score,answer", *ROWS]))
    read = read_unknown(file)
    assert read is not None
    assert (read.gesture, read.subjects, read.refused.tolist()) == ("kick", ("a", "b"), [False, True])
    assert ROWS[1].endswith(NONE_OF_THESE)
    file.write_text("\n".join(["recording,subject,gesture,known,confidence,score,answer", ROWS[0]]))
    assert read_unknown(file) is None, "no test person made the gesture"


@pytest.mark.parametrize("row", ["r,a,wave,2,0.9,0.5,wave", "r,a,wave,1,nan,0.5,wave", "r,a,wave,1,x,0.5,wave", "r,a"])
def test_a_damaged_file_is_named(tmp_path, row):
    file = tmp_path / "unknown_tiny.csv"
    file.write_text("\n".join(["recording,subject,gesture,known,confidence,score,answer", *ROWS, row]))
    with pytest.raises(RunError, match=r"unknown_tiny\.csv cannot be read: .*; run the training again"):
        read_unknown(file)
    with pytest.raises(RunError, match=r"missing\.csv cannot be read"):
        read_unknown(tmp_path / "missing.csv")
