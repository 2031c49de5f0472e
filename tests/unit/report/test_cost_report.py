import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from gesturelab.cli.compare import run
from gesturelab.evaluation.cost import Latency
from gesturelab.report import cost_figure
from gesturelab.report.collect import collect
from gesturelab.report.comparison import compare
from gesturelab.report.cost import not_comparable
from gesturelab.report.page import render_page
from info_builder import make_info, write_run
from predictions_builder import fold_run, write_fold_run

COST = {"flops_per_window": 31_000_000, "cpu": "AMD EPYC", "cores": 8, "threads": 4, "load": 4.1}


def write_sizes(folder: Path, sizes: dict[str, tuple[int, float, float]], **changes: Any) -> Path:
    """One run a size: parameters, test accuracy and training seconds."""
    for size, (parameters, accuracy, seconds) in sizes.items():
        info = make_info(size, parameters, test=accuracy, validation=accuracy - 0.01)
        info["training"]["seconds"] = seconds
        info["cost"] = {**COST, "flops_per_window": 60 * parameters, **changes}
        write_run(folder / size, info)
    return folder


SIZES = {"tiny": (500_000, 0.90, 60.0), "small": (1_500_000, 0.93, 90.0), "large": (11_000_000, 0.92, 300.0)}


def costs_of(folder: Path, latencies: dict[Path, Latency | str] | None = None) -> dict[str, Any]:
    return compare(folder, measure=lambda _: latencies or {}).to_json()["costs"][0]


def test_the_table_says_what_is_recommended_optimal_and_beaten(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run([str(write_sizes(tmp_path, SIZES)), "--full", "--markdown", str(tmp_path / "c.md")])
    out = " ".join(capsys.readouterr().out.split())
    assert "tiny 90.0 500,000 30.0 1 min 00 s - Pareto-optimal" in out
    assert "small 93.0 1,500,000 90.0 1 min 30 s - recommended; Pareto-optimal" in out
    assert "large 92.0 11,000,000 660.0 5 min 00 s - beaten by small" in out
    assert "NOT COMPARABLE" not in out
    assert "| small | 93.0 | 1,500,000 | 90.0 | 1 min 30 s | - | recommended; Pareto-optimal |" in (
        tmp_path / "c.md"
    ).read_text(encoding="utf-8")


def test_one_size_has_no_table_of_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run([str(write_sizes(tmp_path, {"tiny": SIZES["tiny"]})), "--full"])
    assert "MFLOP" not in capsys.readouterr().out


def test_latencies_stand_in_the_table_with_their_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_sizes(tmp_path, SIZES)
    quick = Latency(2.0, 2.5, 200, 1.0, 7, "AMD EPYC", "2.13")
    measured: dict[Path, Latency | str] = {
        tmp_path / "tiny": quick,
        tmp_path / "small": Latency(9.0, 9.5, 80, 0.5, 7, "AMD EPYC", "2.13"),
        tmp_path / "large": "model_large.pth is missing",
    }
    item = costs_of(tmp_path, measured)
    assert [row["latency_ms"] for row in item["rows"]] == [2.0, 9.0, None]
    assert item["by"] == ["parameters", "flops_per_window"], "a cost that not all sizes have judges none"
    assert item["latency"] == {
        "cpu": "AMD EPYC",
        "torch": "2.13",
        "repeats": 80,
        "disturbed": ["small"],
        "missing": [{"candidate": "large", "reason": "model_large.pth is missing"}],
    }
    monkeypatch.setattr("gesturelab.report.page.pictures", lambda *_: [])
    monkeypatch.setattr("gesturelab.report.page.curves", lambda *_: [])
    page = render_page(compare(tmp_path, measure=lambda _: measured), {})
    assert "Accuracy against cost" in page
    assert "2.00 ms" in page
    assert "DISTURBED the measurement of small" in page
    assert "No latency of large: model_large.pth is missing" in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cpu": "Intel Xeon"}, "processors differ (AMD EPYC; Intel Xeon)"),
        ({"threads": 2, "load": 2.0}, "threads differ (2; 4)"),
        ({"load": 5.9}, "1 of 2 trainings ran beside other work"),
        (None, "1 of 2 runs do not say on which processor"),
        ("NVIDIA H100", "devices differ (NVIDIA H100; cpu)"),
    ],
)
def test_training_times_of_different_conditions_are_said_to_be_not_comparable(
    tmp_path: Path, change: dict[str, Any] | str | None, said: str, capsys: pytest.CaptureFixture[str]
):
    write_sizes(tmp_path, {"tiny": SIZES["tiny"], "large": SIZES["large"]})
    path = tmp_path / "large" / "info_large.json"
    info = json.loads(path.read_text())
    if isinstance(change, str):
        info["training"]["device"] = change
    elif change is None:
        del info["cost"]
    else:
        info["cost"] |= change
    path.write_text(json.dumps(info))
    [reason] = not_comparable(collect([tmp_path])[0])
    assert said in reason
    run([str(tmp_path), "--full"])
    assert f"NOT COMPARABLE: {reason}" in " ".join(capsys.readouterr().out.split())


def test_sizes_that_were_tested_on_other_people_are_not_judged(tmp_path: Path):
    for size, parameters, folds in (("tiny", 500_000, 2), ("small", 1_500_000, 6), ("large", 9_000_000, 6)):
        for fold in range(folds):
            write_fold_run(tmp_path / f"{size}{fold}", fold_run(fold, size=size, parameters=parameters))
    rows = {row["candidate"]: row for row in costs_of(tmp_path)["rows"]}
    assert rows["tiny"]["apart"]
    assert rows["tiny"]["partial"]
    assert rows["tiny"]["beaten_by"] is None
    assert not rows["small"]["apart"]
    assert rows["small"]["accuracy"]["low"] is not None


def test_runs_from_before_are_compared_without_what_they_lack(tmp_path: Path):
    for size, parameters in (("tiny", 500_000), ("large", 9_000_000)):
        write_run(tmp_path / size, make_info(size, parameters))
    item = costs_of(tmp_path)
    assert item["by"] == ["parameters"]
    assert [row["flops_per_window"] for row in item["rows"]] == [None, None]
    assert item["latency"] is None


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []
    real = cost_figure.save
    monkeypatch.setattr(cost_figure, "save", lambda figure, *rest: (real(figure, *rest), kept.append(figure)))
    return kept


def test_the_figure_joins_the_pareto_set_and_names_every_size(tmp_path: Path, drawn: list[Figure]):
    run([str(write_sizes(tmp_path, SIZES)), "--figures", str(tmp_path / "figures")])
    assert (tmp_path / "figures" / "cost.png").stat().st_size > 10_000
    parameters, seconds = drawn[0].axes
    for axes, expected in ((parameters, [500_000, 1_500_000]), (seconds, [60, 90])):
        (front,) = [line for line in axes.lines if line.get_gid() == "front"]
        assert list(front.get_xdata()) == pytest.approx(expected)  # type: ignore[call-overload]
        assert list(front.get_ydata()) == [0.90, 0.93]  # type: ignore[call-overload]
        assert {text.get_text() for text in axes.texts if text.get_gid() == "name"} == set(SIZES)


def test_times_that_cannot_be_compared_have_no_pareto_set(tmp_path: Path, drawn: list[Figure]):
    write_sizes(tmp_path, SIZES, load=9.0)
    run([str(tmp_path), "--figures", str(tmp_path / "figures")])
    parameters, seconds = drawn[0].axes
    assert any(line.get_gid() == "front" for line in parameters.lines)
    assert not any(line.get_gid() == "front" for line in seconds.lines)
    assert "NOT COMPARABLE" in seconds.get_xlabel()
