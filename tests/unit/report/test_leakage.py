from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from gesturelab.cli.compare import run
from gesturelab.evaluation.cross_validation import FoldRun
from gesturelab.report import leakage as module
from gesturelab.report.comparison import compare
from gesturelab.report.leakage import interval_of_mean, leakage
from info_builder import make_info, write_run
from predictions_builder import GESTURES, PEOPLE, predictions_of, random_predictions, write_fold_run

RATES = {"random_window": 0.99, "random_recording": 0.97, "subject_holdout": 0.85}


def write_dealt(folder: Path, *sizes: str) -> Path:
    """Three seeds of each size and way of dividing; people are as different as their recordings are alike."""
    for number, size in enumerate(sizes):
        for kind, rate in RATES.items():
            for seed in range(3):
                people = PEOPLE[2 * seed : 2 * seed + 2] if kind == "subject_holdout" else PEOPLE
                said = random_predictions(people, 30, rate - 0.05 * number, seed=seed)
                accuracy = float(said.right.mean())
                changes: dict[str, Any] = {"kind": kind, "options": {"seed": seed}, "test": accuracy}
                info = make_info(size, 500_000 * (1 + number), test_people=tuple(people), **changes)
                info["gestures"] = list(GESTURES)
                write_fold_run(folder / f"{size}-{kind}-{seed}", FoldRun("", info, said))  # type: ignore[arg-type]
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    kept: list[Figure] = []
    real = module.save
    monkeypatch.setattr(module, "save", lambda figure, *rest: (real(figure, *rest), kept.append(figure)))
    return kept


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text"))}


def test_random_windows_and_recordings_stand_beside_unseen_people_with_intervals(tmp_path: Path, drawn: list[Figure]):
    write_dealt(tmp_path / "runs", "tiny", "small")
    run([str(tmp_path / "runs"), "--leakage", str(tmp_path / "leakage.png")])
    said = texts(drawn[0])
    assert {"random windows\n(LEAKY)", "random recordings\n(LEAKY)", "unseen people\n(subject_holdout)"} <= said
    assert {"LEAKY", "tiny", "small"} <= said
    assert any(text.startswith("LEAKY: the same people") for text in said)
    lines = [line.get_ydata() for line in drawn[0].axes[0].lines if line.get_gid() == "interval"]
    assert len(lines) == 6
    found = leakage(compare(tmp_path / "runs").runs)
    assert [one.kind for one in found[::2]] == ["random_window", "random_recording", "subject_holdout"]
    for one in found:
        assert len(one.runs) == 3
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.mean < one.high
        assert f"{100 * one.mean:.1f} %" in said


def test_without_predictions_there_is_no_interval(tmp_path: Path, drawn: list[Figure]):
    for kind, accuracy in RATES.items():
        for seed in (0, 1):
            options = {"seed": seed}
            write_run(tmp_path / f"{kind}{seed}", make_info(kind=kind, test=accuracy - seed / 50, options=options))
    run([str(tmp_path), "--leakage", str(tmp_path / "leakage.png")])
    said = texts(drawn[0])
    assert {"98.0 %", "96.0 %", "84.0 %"} <= said
    assert any("no line: no predictions" in text for text in said)
    assert not any(line.get_gid() == "interval" for line in drawn[0].axes[0].lines)


def test_the_interval_draws_people_in_all_runs_at_once():
    # two people, the same two in both runs: right in all of theirs, or in none; so a draw gives 0, 0.5 or 1
    one = predictions_of([("101", 0, 0)] * 4 + [("102", 0, 1)] * 4)
    low, high = interval_of_mean([one, one])
    assert (low, high) == (0.0, 1.0)
    assert np.isnan(interval_of_mean([predictions_of([("101", 0, 0)] * 4)])).all()


def test_a_run_without_a_drawn_person_is_left_out_of_that_draw():
    left = predictions_of([("101", 0, 0)] * 4)
    right = predictions_of([("102", 0, 0)] * 4)
    assert interval_of_mean([left, right]) == (1.0, 1.0)
