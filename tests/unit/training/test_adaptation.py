"""``gesturelab compare --adapt``: the same later recordings test, whatever calibrates; ``audit`` proves it."""

import csv

import numpy as np
import pytest

from gesturelab.cli.audit import run as audit
from gesturelab.cli.main import main
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.evaluation.adaptation import ONLY, AdaptedRecording, read_adaptation, score_adaptation
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.report import texts
from gesturelab.report.comparison import compare
from trained import train_small

THREE = "data.gestures=[elbow_flexion_left,side_tap_left,side_tap_right]"


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """A run whose test people made each gesture three times."""
    run = train_small(
        tmp_path_factory.mktemp("adapted") / "run", "data.people=6", "data.repetitions=3", THREE, "model.hidden=8",
        "trainer=debug",
    )  # fmt: skip
    assert main(["compare", str(run.path), "--adapt", "2,0,1"]) == 0
    return run


def test_the_earliest_repetitions_calibrate_and_the_others_test(adapted):
    rows = read_adaptation(adapted.adaptation)
    predictions = read_predictions(adapted.predictions)
    assert {row.name for row in rows} == set(predictions.names)
    assert all(row.use == ("test" if int(row.name.split("_")[3]) > 2 else "calibration") for row in rows)
    before = {name: predictions.gestures[at] for name, at in zip(predictions.names, predictions.predicted, strict=True)}
    tests = [row for row in rows if row.use == "test"]
    assert {row.name: row.answers["0"] for row in tests} == {row.name: before[row.name] for row in tests}
    assert list(tests[0].answers) == ["0", "1", "1 only", "1 nearest", "2", "2 only", "2 nearest", "2 without"]


def warped(first, second):
    """The cheapest path through the distances of all pairs of 32 frames, cell by cell."""
    frames = [
        (each.positions - each.positions[:, each.skeleton.root].mean(axis=0))[
            np.linspace(0, len(each.positions) - 1, 32).round().astype(int)
        ]
        for each in (first, second)
    ]
    costs = np.full((33, 33), np.inf)
    costs[0, 0] = 0
    for row, column in np.ndindex(32, 32):
        before = min(costs[row, column], costs[row, column + 1], costs[row + 1, column])
        costs[row + 1, column + 1] = before + np.linalg.norm(frames[0][row] - frames[1][column])
    return costs[32, 32]


def test_the_baseline_answers_the_nearest_of_the_persons_own_recordings(adapted):
    rows = read_adaptation(adapted.adaptation)
    dataset = load(read_config(adapted.config).data)
    recordings = {recording.name: recording for recording in (dataset[at] for at in range(len(dataset)))}
    for row in (row for row in rows if row.use == "test"):
        for most in (1, 2):
            own = [other for other in rows if other.subject == row.subject and other.repetition <= most]
            nearest = min(own, key=lambda other: warped(recordings[row.name], recordings[other.name]))
            assert row.answers[f"{most} nearest"] == nearest.truth


def test_the_audit_passes_and_fails_when_one_recording_is_moved(adapted, capsys):
    assert audit([str(adapted.path)]) == 0
    assert "PASS  no recording or frame both calibrates and tests an adapted model" in capsys.readouterr().out
    whole = adapted.adaptation.read_text()
    lines = whole.splitlines(keepends=True)
    moved = next(place for place, line in enumerate(lines) if ",calibration," in line)
    tested = next(line for line in lines if ",test," in line)
    answers = tested.split(",test,")[1].split(",", 1)[1]
    name, truth = lines[moved].split(",")[0], lines[moved].split(",calibration,")[1].split(",")[0]
    try:
        lines[moved] = lines[moved].split(",calibration,")[0] + f",test,{truth},{answers}"
        adapted.adaptation.write_text("".join(lines))
        assert audit([str(adapted.path)]) == 1
        output = capsys.readouterr().out
        assert f"FAIL  no recording or frame both calibrates and tests an adapted model: {name} is repetition" in output
        assert "1 checks FAILED" in output
    finally:
        adapted.adaptation.write_text(whole)


def test_too_many_repetitions_are_refused_and_nothing_is_written(adapted, capsys):
    whole = adapted.adaptation.read_text()
    assert main(["compare", str(adapted.path), "--adapt", "0,3"]) == 1
    assert "no test person has more than 3 repetitions of a gesture" in capsys.readouterr().err
    assert main(["compare", str(adapted.path), "--adapt", "x"]) == 1
    assert "--adapt x: must be numbers of repetitions" in capsys.readouterr().err
    assert adapted.adaptation.read_text() == whole


def test_scores_are_shares_of_right_answers_by_group_and_correctness(adapted):
    with adapted.adaptation.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == "test"]
    scores = {
        score.part: score.accuracy["value"]
        for score in score_adaptation(read_adaptation(adapted.adaptation))
        if (score.repetitions, score.way) == (2, ONLY)
    }
    for part, chosen in (
        ((), rows),
        (("patient",), [row for row in rows if row["group"] == "patient"]),
        (("patient", "incorrect"), [row for row in rows if row["group"] == "patient" and row["correct"] == "2"]),
    ):
        if chosen:
            right = np.mean([row["2 only"] == row["truth"] for row in chosen])
            assert scores[part] == pytest.approx(right)
    assert {word for part in scores for word in part} <= {"healthy", "patient", *CORRECTNESS.values()}


def test_the_table_says_how_many_people_and_recordings_remain(adapted):
    rows = read_adaptation(adapted.adaptation)
    person = rows[0].subject
    fewer = [row for row in rows if row.subject != person or row.use == "calibration"]
    people = len({row.subject for row in rows})
    recordings = sum(row.use == "test" for row in fewer)
    caption = texts.adapted(compare(adapted.path).groups[0], "tiny", fewer)
    assert f"the {recordings} recordings that {people - 1} of {people} people made after repetition 2" in caption


def test_the_interval_is_over_people():
    """Two people, one always right and one never: drawing people gives 0, 1/2 or 1; drawing recordings would not."""
    rows = [
        AdaptedRecording(f"{person}{number}", person, "", "wave", 1, 2, "test", "wave", {"0": answer})
        for person, answer in (("a", "wave"), ("b", "other"))
        for number in range(200)
    ]
    score = score_adaptation(rows)[0]
    assert score.accuracy == {"value": 0.5, "low": 0, "high": 1}
