import json
from pathlib import Path
from typing import Any

import pytest

from gesturelab.report.collect import Finished, Unread
from gesturelab.report.comparison import compare_groups
from gesturelab.report.groups import group_runs
from gesturelab.report.overfitting import ADVICE, band, gap
from gesturelab.report.results import TRAIN_SAMPLED, Comparison
from gesturelab.report.sections import Table, accuracy_table, overfitting_blocks, run_table
from gesturelab.report.texts import count, duration, findings, notes, percent, recommendation, rest
from gesturelab.runs.info import LEAKY
from info_builder import make_info


def compare_infos(*infos: dict[str, Any], unread: tuple[Unread, ...] = ()) -> Comparison:
    finished = [Finished(Path(f"r/{at}"), str(at), info) for at, info in enumerate(infos)]  # type: ignore[arg-type]
    return compare_groups(group_runs(finished), list(unread))


def compared(*infos: dict[str, Any]) -> dict[str, Any]:
    return compare_infos(*infos).to_json()


@pytest.mark.parametrize(
    ("train", "test", "word"),
    [
        (0.70, 0.95, "well balanced"),
        (0.90, 0.90, "well balanced"),
        (0.90, 0.8501, "well balanced"),
        (0.90, 0.85, "slight"),  # 0.050000000000000044 in floating point
        (0.95, 0.90, "slight"),  # 0.04999999999999993
        (0.95, 0.8501, "slight"),
        (0.90, 0.80, "moderate"),  # 0.09999999999999998
        (0.95, 0.85, "moderate"),
        (0.90, 0.70, "moderate"),  # 0.20000000000000007
        (1.00, 0.80, "moderate"),
        (1.00, 0.7999, "severe"),
        (1.00, 0.00, "severe"),
    ],
)
def test_bands_hold_at_their_bounds(train: float, test: float, word: str):
    assert band(gap(train, test)) == word


def test_only_severe_overfitting_comes_with_advice():
    report = compared(make_info(train=1.0, test=0.7), make_info("small", 2, train=1.0, test=0.85))
    found = {item["run"]: (item["recording_gap"], item["band"], item["advice"]) for item in report["overfitting"]}
    by_model = {row["model"]: found[row["run"]] for row in report["runs"]}
    assert by_model == {"tiny": (0.3, "severe", ADVICE), "small": (0.15, "moderate", None)}


def test_a_row_holds_what_the_info_file_says():
    info = make_info(train=0.9, validation=0.8, test=0.7, kind="loso", options={"fold": 3}, source="synthetic", seed=5)
    (row,) = compared(info)["runs"]
    assert (row["folder"], row["name"], row["model"], row["parameters"], row["seed"]) == (
        "0",
        "trial",
        "tiny",
        500_000,
        5,
    )
    assert (row["split"], row["data"], row["flags"]) == ("loso fold 3", "synthetic", "SYNTHETIC")
    levels = [
        row[f"{side}_{level}_accuracy"] for side in ("train", "validation", "test") for level in ("recording", "window")
    ]
    assert levels == [0.9, 0.85, 0.8, 0.75, 0.7, 0.65]
    losses = [
        row[f"{side}_{level}_loss"] for side in ("train", "validation", "test") for level in ("recording", "window")
    ]
    assert losses == pytest.approx([0.1, 0.11, 0.2, 0.21, 0.3, 0.31])
    assert (row["seconds"], row["epochs"]) == (75.0, 40)


def test_the_table_has_its_columns_without_runs():
    empty = compare_infos().runs_to_frame()
    assert len(empty) == 0
    assert {"model", "test_recording_accuracy", "flags"} <= set(empty.columns)


def test_groups_refer_to_their_runs_and_say_why_they_are_apart():
    report = compared(make_info(kind="random_window"), make_info("small", 600_000), make_info())
    clean, leaky = report["groups"]
    assert (clean["leaky"], clean["runs"], clean["differs"], clean["warnings"]) == (False, [1, 2], [], [])
    assert (leaky["leaky"], leaky["runs"], leaky["warnings"]) == (True, [3], [LEAKY])
    assert leaky["differs"] == ["another split (random_window, not subject_holdout)"]
    assert [item["recommended"]["size"] for item in report["recommendations"]] == ["tiny", "tiny"]
    json.dumps(report, allow_nan=False)


def test_a_leaky_recommendation_says_that_it_means_nothing_for_new_people():
    clean, leaky = compare_infos(make_info(), make_info(kind="random_window")).groups
    assert "means nothing for new people" in recommendation(leaky)[0]
    assert "Recommended" not in recommendation(leaky)[0]
    assert "new people" not in recommendation(clean)[0]


def test_the_choice_by_test_accuracy_is_marked_optimistic():
    infos = make_info("tiny", 1, validation=0.9, test=0.8), make_info("small", 2, validation=0.8, test=0.9)
    chosen, optimistic = recommendation(compare_infos(*infos).groups[0])
    (item,) = compared(*infos)["recommendations"]
    assert "tiny" in chosen
    assert "80.0 %" in chosen
    assert "small" in optimistic
    assert "90.0 %" in optimistic
    assert "OPTIMISTIC" in optimistic
    assert item["best_by_test"]["optimistic"] is True


def test_a_warning_of_some_runs_names_them():
    special = make_info("small", 2)
    special["warnings"] = ["trained on 3 people"]
    (one,) = compared(make_info(), special)["groups"]
    numbers = {row["model"]: row["run"] for row in compared(make_info(), special)["runs"]}
    assert one["warnings"] == [f"#{numbers['small']}: trained on 3 people"]


def test_findings_are_counted_and_older_runs_have_none():
    told, twice, damaged = make_info("tiny", 1), make_info("small", 2), make_info("medium", 3)
    told["findings"] = [{"name": "overfits", "text": "", "advice": ""}]
    twice["findings"] = [{"name": name, "text": "", "advice": ""} for name in ("overfits", "not-finished")]
    damaged["findings"] = [{"name": 3}, "overfits", None]
    rows = compare_infos(told, twice, damaged, make_info("large", 4)).runs
    assert [row.findings for row in rows] == ["overfits", "overfits not-finished", "", ""]
    said = findings(rows)
    assert said[:2] == ["overfits: 2 of 4 runs (#1, #2)", "not-finished: 1 of 4 runs (#2)"]
    assert "train.log" in said[2]
    assert findings(rows[2:]) == []


@pytest.mark.parametrize(
    ("fraction", "said"), [(0.8844, "88.4 %"), (1.0, "100.0 %"), (0.0, "0.0 %"), (-1e-9, "0.0 %"), (-0.05, "-5.0 %")]
)
def test_percent_has_one_decimal(fraction: float, said: str):
    assert percent(fraction) == said


@pytest.mark.parametrize(("number", "said"), [(999_499, "999 K"), (999_500, "1.00 M"), (9_999, "9,999")])
def test_parameters_are_readable(number: int, said: str):
    assert count(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (3599.6, "1 h 00 min")]
)
def test_durations_carry(seconds: float, said: str):
    assert duration(seconds) == said


def test_a_sample_of_training_recordings_is_marked_wherever_their_score_stands():
    sampled = make_info(train=0.9)
    sampled["training"]["scored_training_recordings"] = 50
    comparison = compare_infos(sampled, make_info("small", 2_000_000, train=0.91))
    marks = {line.size: line.marks for line in comparison.groups[0].summaries()}
    assert [size for size, own in marks.items() if TRAIN_SAMPLED in own] == ["tiny"]
    for table in (run_table(comparison.runs), accuracy_table(comparison.groups[0]), overfitting_blocks(comparison)[0]):
        assert isinstance(table, Table)
        cells = [str(cell) for row in table.rows for cell in row]
        assert "90.0 % (sample)" in cells
        assert "91.0 %" in cells
    (number,) = (row.run for row in comparison.runs if row.model == "tiny")
    (note,) = [line for line in notes(comparison) if "sample" in line]
    assert f"50 of 500 recordings (#{number})" in note
    assert note in rest(comparison.groups[0])
    assert [row["training_sample"] for row in comparison.to_json()["runs"] if row["run"] == number] == ["50 of 500"]
