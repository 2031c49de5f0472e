"""A sweep over the number of training people becomes one curve, whose points are counted here."""

import csv
import json
import shutil
from pathlib import Path

import matplotlib.image
import pytest

from gesturelab.cli.compare import run
from gesturelab.report.comparison import compare
from gesturelab.report.page import render_markdown
from predictions_builder import PEOPLE, fold_run, write_fold_run

COUNTS = {2: 0.4, 3: 0.6, 4: 0.7}


def write_point(folder: Path, size: str, accuracy: float, **options: int) -> None:
    for fold in range(len(PEOPLE)):
        one = fold_run(fold, size=size, accuracy=accuracy, seed=options.get("draw", 0))
        one.info["seed"] = 0
        one.info["split"]["options"] |= options | {"people": [[person] for person in PEOPLE]} if options else {}
        name = "-".join(f"{key}{value}" for key, value in options.items())
        write_fold_run(folder / f"{size}-{fold}-{name}", one)


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for count, accuracy in COUNTS.items():
        for draw in (0, 1):
            for size in ("tiny", "small"):
                write_point(Path("runs"), size, accuracy + 0.1 * (size == "tiny"), training_people=count, draw=draw)
    write_point(Path("runs"), "tiny", 0.9)
    return Path("runs")


def recognised(pattern: str) -> float:
    """The share of recordings that the predictions files of some runs have right."""
    texts = [path.read_text("utf-8").splitlines()[1:] for path in Path("runs").glob(pattern)]
    rows = [row for text in texts for row in csv.reader(text)]
    return sum(row[2] == row[4] for row in rows) / len(rows)


def test_each_point_is_the_mean_of_its_draws_and_runs_without_a_limit_are_the_last(sweep: Path):
    (curve,) = compare(sweep).curves
    tiny, small = sorted(curve.models, key=lambda model: -len(model.points))
    assert (tiny.model, [point.count for point in tiny.points]) == ("tiny", [2, 3, 4, 5])
    assert [point.count for point in small.points] == [2, 3, 4]
    for point in tiny.points[:-1]:
        assert point.trainings == 2
        counted = recognised(f"tiny-*-training_people{point.count:.0f}-*/predictions*.csv")
        assert point.accuracy["value"] == pytest.approx(counted)
    assert tiny.points[-1].accuracy["value"] == pytest.approx(recognised("tiny-?-/predictions*.csv"))
    assert tiny.law is not None
    assert tiny.law.checked is not None
    assert small.law is not None


def test_what_compare_prints_writes_and_draws(sweep: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["runs", "--figures", "figures", "--json", "c.json", "--markdown", "c.md"]) == 0
    printed = capsys.readouterr().out
    assert "with 20 more about +" in printed
    assert "training_people" not in printed
    assert len(printed.splitlines()) < 25
    (curve,) = json.loads(Path("c.json").read_text())["learning_curves"]
    assert curve["axis"] == "training_people"
    assert curve["people"] == len(PEOPLE)
    assert "the points up to 4 predict" in Path("c.md").read_text()
    assert matplotlib.image.imread("figures/learning_curve.png").shape[1] > 1500
    assert Path("figures/learning_curve.pdf").read_bytes().startswith(b"%PDF")


def test_recordings_of_a_gesture_are_a_curve_of_their_own_and_sizes_alone_are_none(tmp_path: Path):
    for count in (1, 2, 3):
        write_point(tmp_path / "some", "tiny", 0.3 + 0.2 * count, training_repetitions=count, draw=0)
    comparison = compare(tmp_path / "some")
    (curve,) = comparison.curves
    assert (curve.axis, [point.count for point in curve.models[0].points]) == ("training_repetitions", [1, 2, 3])
    assert "with 2 more about" in render_markdown(comparison)
    write_point(tmp_path / "sizes", "tiny", 0.5)
    write_point(tmp_path / "sizes", "small", 0.5)
    assert compare(tmp_path / "sizes").curves == ()


def test_a_number_whose_folds_are_not_all_there_is_no_point_and_is_named(
    sweep: Path, capsys: pytest.CaptureFixture[str]
):
    for path in sweep.glob("*-0-training_people2-*"):
        shutil.rmtree(path)
    assert [point.count for model in compare(sweep).curves[0].models for point in model.points] == [3, 4, 3, 4, 5]
    assert run(["runs"]) == 0
    assert "PARTIAL: tiny, 2 training people, was not tested on 101." in capsys.readouterr().out
    for path in sweep.glob("*-1-*"):
        shutil.rmtree(path)
    assert compare(sweep).curves == ()
    assert run(["runs"]) == 0
