"""Models on several datasets: each model's accuracy on each, and ranks over the people of all, worked out here."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from gesturelab.cli.compare import run
from gesturelab.report.comparison import compare
from predictions_builder import PEOPLE, fold_run, write_fold_run

MODELS = {"tiny": 500_000, "small": 1_500_000, "rocket": 100_000}
ACCURACIES = {
    "first": {"tiny": 0.6, "small": 0.9, "rocket": 0.75},
    "second": {"tiny": 0.5, "small": 0.95, "rocket": 0.7},
}


def write_sweep(dataset: str, models: dict[str, int], folds: int = 6, source: str = "", **changes: object) -> None:
    for size, parameters in models.items():
        for fold in range(folds):
            one = fold_run(fold, size=size, parameters=parameters, accuracy=ACCURACIES[dataset][size])
            one.info["data"] |= {"source": source or dataset, "fingerprint": dataset}
            one.info["split"] |= changes  # type: ignore[typeddict-item]
            write_fold_run(Path("runs") / f"{dataset}-{size}-{fold}", one)


@pytest.fixture
def benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three models, six folds, on two datasets whose people have the same names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for dataset in ACCURACIES:
        write_sweep(dataset, MODELS)


def accuracies(dataset: str, size: str) -> list[float]:
    """Of each person, counted in the predictions files."""
    shares: list[float] = []
    for fold in range(6):
        path = Path("runs") / f"{dataset}-{size}-{fold}" / f"predictions_{size}.csv"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        shares.append(sum(row[2] == row[4] for row in rows) / len(rows))
    return shares


@pytest.mark.usefixtures("benchmark")
def test_ranks_are_over_the_people_of_all_datasets():
    across = compare("runs").across
    assert across is not None
    assert set(across.datasets) == set(ACCURACIES)
    assert across.people == (6, 6)
    values = np.array([[*accuracies("first", size), *accuracies("second", size)] for size in MODELS])
    ranks = dict(zip(MODELS, rankdata(-values, axis=0).mean(axis=1), strict=True))
    assert {row.model: row.rank for row in across.rows} == pytest.approx(ranks)
    assert [row.model for row in across.rows] == sorted(ranks, key=ranks.__getitem__)
    for row in across.rows:
        means = {dataset: np.mean(accuracies(dataset, row.model)) for dataset in ACCURACIES}
        shown = dict(zip(across.datasets, (value["value"] for value in row.values), strict=True))
        assert shown == pytest.approx(means)  # everybody has as many recordings
        assert row.mean["value"] == pytest.approx(np.mean(list(means.values())))
        assert row.mean["low"] is not None
        assert row.mean["low"] < row.mean["value"] < row.mean["high"]
    assert {pair.people for pair in across.pairs} == {2 * len(PEOPLE)}
    (pair,) = (pair for pair in across.pairs if {pair.first, pair.second} == {"tiny", "small"})
    sign = 1 if pair.first == "tiny" else -1
    assert pair.difference == pytest.approx(sign * (values[0] - values[1]).mean())


@pytest.mark.usefixtures("benchmark")
def test_the_table_is_on_the_first_screen_and_everywhere_else(capsys: pytest.CaptureFixture[str]):
    assert run(["runs", "--json", "c.json", "--markdown", "c.md"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "model first second mean rank time" in printed or "model second first mean rank time" in printed
    assert printed.startswith("Over 12 people (6 of")
    across = json.loads(Path("c.json").read_text())["across"]
    assert len(across["rows"]) == 3
    assert len(across["pairs"]) == 3
    section = Path("c.md").read_text().split("## All datasets")[1].split("\n## ")[0]
    assert section.count(" minus ") == 3


def test_models_that_were_not_on_every_dataset_or_in_every_fold_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    write_sweep("first", MODELS)
    write_sweep("second", {"tiny": MODELS["tiny"], "small": MODELS["small"]})
    write_sweep("second", {"rocket": MODELS["rocket"]}, folds=4)
    across = compare("runs").across
    assert across is not None
    assert {row.model for row in across.rows} == {"tiny", "small"}


def test_a_leaky_split_is_no_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_sweep("first", MODELS)
    write_sweep("second", MODELS, leaky=True)
    assert compare("runs").across is None


def test_other_recordings_of_the_same_dataset_do_not_count_its_people_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for dataset in ACCURACIES:
        write_sweep(dataset, MODELS, source="irds")
    comparison = compare("runs")
    assert len(comparison.groups) == 2
    assert comparison.across is None
