"""Models on several datasets: each model's accuracy on each, and ranks over the people of all, worked out here."""

import csv
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from scipy.stats import rankdata

from gesturelab.cli.compare import run
from gesturelab.evaluation.cross_validation import FoldRun
from gesturelab.evaluation.pairs import Ranks
from gesturelab.evaluation.predictions import concatenate_predictions
from gesturelab.evaluation.result import Value
from gesturelab.report import comparison, datasets_figure
from gesturelab.report.comparison import compare
from gesturelab.report.console import show
from gesturelab.report.datasets_figure import describe_datasets, draw_datasets
from gesturelab.report.page import pictures
from gesturelab.report.results import Comparison, DatasetsResult, ModelOnDatasets
from gesturelab.report.sections import datasets_table, shown
from predictions_builder import PEOPLE, fold_run, write_fold_run

pytestmark = pytest.mark.usefixtures("few_draws")

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


def write_published(
    dataset: str,
    folder: Path = Path("runs"),
    models: dict[str, int] = MODELS,
    people: Sequence[str] = PEOPLE,
    **changes: object,
) -> None:
    """One run a model whose test people are named, as a published protocol names them."""
    for size, parameters in models.items():
        accuracy = ACCURACIES[dataset][size]
        folds = [fold_run(at, size=size, parameters=parameters, accuracy=accuracy) for at in range(len(people))]
        one = FoldRun(size, folds[0].info, concatenate_predictions([fold.predictions for fold in folds]))
        one.info["data"] |= {"source": dataset, "fingerprint": dataset}
        one.info["split"] |= {"kind": "named", "options": {"test": list(people)}, **changes}  # type: ignore[typeddict-item]
        one.info["split"]["train"]["subjects"], one.info["split"]["validation"]["subjects"] = ["301", "302"], ["303"]
        one.info["split"]["test"]["subjects"] = list(people)
        write_fold_run(folder / f"{dataset}-{size}", one)


def test_a_published_half_counts_beside_folds_person_by_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_sweep("first", MODELS)
    write_published("second")
    compared = compare("runs")
    across = compared.across
    assert across is not None
    assert dict(zip(across.datasets, across.people, strict=True)) == {"first": 6, "second": 6}
    of_person = {}
    for size in MODELS:
        with Path("runs", f"second-{size}", f"predictions_{size}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        right = [[row["gesture"] == row["predicted"] for row in rows if row["subject"] == person] for person in PEOPLE]
        of_person[size] = np.mean(right, axis=1)
    place = across.datasets.index("second")
    for row in across.rows:
        value = row.values[place]
        assert value["value"] == pytest.approx(of_person[row.model].mean())
        low, high = value["low"], value["high"]
        assert low is not None
        assert high is not None
        assert min(of_person[row.model]) <= low < of_person[row.model].mean() < high <= max(of_person[row.model])
    (group,) = (group for group in compared.groups if group.group.data == "second")
    assert {result.candidate for result in group.results} == set(MODELS)
    assert group.cross_validation is not None
    (pair,) = (one for one in group.cross_validation.pairs if {one.first, one.second} == {"tiny", "small"})
    sign = 1 if pair.first == "tiny" else -1
    assert pair.difference == pytest.approx(sign * (of_person["tiny"] - of_person["small"]).mean())


def test_a_quick_run_of_named_people_takes_nothing_from_a_benchmark(benchmark: None):
    before = compare("runs").across
    write_published("first", Path("a"), {"tiny": MODELS["tiny"]})
    write_published("second", Path("a"), people=PEOPLE[:1])
    after = compare(["a", "runs"]).across
    assert after is not None
    assert before is not None
    assert dict(zip(after.datasets, after.people, strict=True)) == {"first": 6, "second": 6}
    assert {row.model: row.rank for row in after.rows} == {row.model: row.rank for row in before.rows}


def test_named_people_have_tables_of_runs_and_of_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    write_published("first")
    assert run(["runs", "--full"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in ("the named test people, seed 0", "loss", "epochs", "Overfitting"):
        assert part in shown
    assert " of 1 folds" not in shown


@pytest.mark.parametrize("columns", [100, 60])
def test_no_word_is_cut_and_lines_of_several_datasets_fit_100_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setitem(MODELS, "multirocket_hydra", 1_090_000)
    for dataset in ACCURACIES:
        monkeypatch.setitem(ACCURACIES[dataset], "multirocket_hydra", 0.7)
        write_published(dataset)
    assert run(["runs"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert sum(line.endswith("  recommended") for line in lines) == 2
    if columns == 100:
        assert max(map(len, lines)) <= columns
        assert sum("  multirocket_hydra  " in line for line in lines) == 2


def test_a_leaky_half_is_no_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    write_sweep("first", MODELS)
    write_published("second", leaky=True)
    compared = compare("runs")
    assert compared.across is None
    assert not next(group for group in compared.groups if group.group.data == "second").results


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
    several = compare("runs")
    assert len(several.groups) == 2
    assert several.across is None


def matrix(datasets: int = 3, devices: tuple[str, ...] = ("cpu",)) -> Comparison:
    """Seven models with long intervals; the second device, if there is one, trained the last model."""
    names = ["minirocket", "small", "inception", "gru", "tiny", "stgcn", "transformer"]
    rows = tuple(
        ModelOnDatasets(
            model=name,
            peer=False,
            values=tuple(Value(value=0.9 - 0.02 * at, low=0.8 - 0.02 * at, high=0.95) for _ in range(datasets)),
            mean=Value(value=0.9 - 0.02 * at, low=0.85 - 0.02 * at, high=0.93),
            rank=1.0 + at,
            parameters=100_000 * (at + 1),
            seconds=8.0 * 2.6**at,
            devices=(devices[-1] if at == 6 else devices[0],),
        )
        for at, name in enumerate(names)
    )
    ranks = Ranks(30, {row.model: row.rank for row in rows}, 0.01, 1.5, [names[:3]])
    across = DatasetsResult(
        datasets=tuple(f"msr_action{at}d" for at in range(datasets)),
        groups=(),
        people=(10,) * datasets,
        rows=rows,
        pairs=(),
        ranks=ranks,
        alike=tuple(names[:3]),
        recommendation="Take minirocket.",
        recommended="minirocket",
        seconds_differ=("devices differ",) * (len(devices) - 1),
    )
    return Comparison((), across=across)


@pytest.mark.parametrize("datasets", [2, 3, 4])
def test_the_table_of_the_first_screen_fits_100_columns(datasets: int):
    several = matrix(datasets)
    assert several.across is not None
    table = datasets_table(several.across, narrow=True)
    width = sum(max(map(len, map(shown, cells))) + 2
                for cells in zip(table.columns, *table.rows, strict=True))  # fmt: skip
    assert width <= 102, "without the space after the last column"
    assert any("(" in shown(cell) for cell in table.rows[0]) == (datasets < 4)
    full = datasets_table(several.across)
    assert str(full.rows[0]).count("(80.0-95.0)") == datasets


def test_one_recommendation_over_all_datasets_comes_first():
    console = Console(width=100, highlight=False)
    with console.capture() as screen:
        show(matrix(), console)
    assert screen.get().startswith("Take minirocket.")


def test_another_device_is_named_and_its_time_is_not_compared_in_silence(drawn: list[Figure], tmp_path: Path):
    several = matrix(devices=("cpu", "H100"))
    assert several.across is not None
    table = datasets_table(several.across, narrow=True)
    assert [row[-1] for row in table.rows] == ["cpu"] * 6 + ["H100"]
    draw_datasets(several, tmp_path / "d.png")
    times = drawn[0].axes[1]
    assert "NOT COMPARABLE" in times.get_xlabel()
    assert "* H100" in times.get_xlabel()
    assert [text.get_text() for text in times.texts if text.get_text().endswith("*")] == ["7*"]
    assert not any(line.get_gid() == "front" for line in times.lines)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []
    real = datasets_figure.save

    def remember(figure: Figure, *rest: Any, **options: Any) -> None:
        real(figure, *rest, **options)
        kept.append(figure)

    monkeypatch.setattr(datasets_figure, "save", remember)
    return kept


def test_the_figure_is_as_wide_as_two_columns_and_readable_in_print(drawn: list[Figure], tmp_path: Path):
    draw_datasets(matrix(), tmp_path / "d.png")
    assert matplotlib.image.imread(tmp_path / "d.png").shape[1] == 7 * 300
    figure = drawn[0]
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in figure.findobj(match=lambda artist: hasattr(artist, "get_fontsize")) if text.get_text()]  # type: ignore[attr-defined]
    assert min(text.get_fontsize() for text in texts) >= 7  # type: ignore[attr-defined]
    for axes in figure.axes:
        boxes = [text.get_window_extent(canvas.get_renderer()) for text in axes.texts if text.get_text()]
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    dots = [line for line in figure.axes[0].lines if line.get_gid() == "interval"]
    assert [list(line.get_xdata()) for line in dots[:3]] == [[0.8, 0.95]] * 3  # type: ignore[call-overload]
    markers = [handle.get_marker() for handle in figure.axes[0].get_legend().legend_handles]  # type: ignore[union-attr]
    assert len(set(markers)) == 4, "datasets differ in grey too"


def test_compare_writes_the_figure_as_pdf_and_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(comparison, "compare", lambda *_, **__: matrix(2))
    run([str(tmp_path), "--figures", str(tmp_path / "figures")])
    assert (tmp_path / "figures/datasets.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "figures/datasets.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_shows_the_figure_and_says_in_words_what_it_shows():
    several = matrix()
    assert several.across is not None
    (picture,) = pictures(several)
    assert picture.caption == describe_datasets(several.across)
    assert several.across.recommendation in picture.caption
    assert picture.svg.startswith(b"<?xml")
