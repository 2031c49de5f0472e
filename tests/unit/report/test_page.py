import base64
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.evaluation.explanation import Explanation
from gesturelab.report.collect import collect
from gesturelab.report.comparison import compare
from gesturelab.report.groups import group_runs
from gesturelab.report.page import MOST_BYTES, render_page, render_table
from gesturelab.report.player import Motion, build_player, downsample, encode, encode_explanation
from gesturelab.report.sections import Table
from info_builder import make_info, write_run
from predictions_builder import fold_run, write_fold_run, write_windows_of

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def motion(name: str, frames: int = 60) -> Motion:
    positions = np.zeros((frames, 2, 3), dtype=np.float32)
    positions[:, 1, 0] = np.arange(frames) / 100
    return Motion(positions, 30.0, ("SpineBase", "HandLeft"), (0, 0), HOSTILE, "chair")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take a second each, and have tests of their own."""
    for name in ("pictures", "curves"):
        monkeypatch.setattr(f"gesturelab.report.page.{name}", lambda *_: [])


def write_folds(folder: Path, folds: int = 6, **changes: Any) -> Path:
    for fold in range(folds):
        write_fold_run(folder / f"{fold}", fold_run(fold, **changes))
    return folder


def made(folder: Path, motions: Any = motion) -> str:
    comparison = compare(folder)
    return render_page(comparison, {one.group.basis.fingerprint: motions for one in comparison.groups})


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="motion">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_nothing_that_a_run_says_becomes_markup(tmp_path: Path):
    write_folds(tmp_path / "<b>", folds=2, name=HOSTILE)
    (tmp_path / "<b>" / "0" / "config.yaml").write_text(HOSTILE, encoding="utf-8")
    said = made(tmp_path)
    assert "<img src=x" not in said
    assert said.count("<script") == 2, "the data and the page's own code"
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in said
    assert data_of(said)["recordings"][0]["group"] == HOSTILE


def test_page_needs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    said = made(write_folds(tmp_path, folds=2))
    assert said.count("<img ") == 6, "people, reliability, coverage, confusion and two curves"
    for address in re.findall(r'(?:src|href)="([^"]*)"', said):
        assert address.startswith(("data:", "#")), address
    assert "default-src 'none'" in said
    assert "@import" not in said
    assert "url(" not in said


def test_verdict_and_warnings_come_first(tmp_path: Path):
    write_folds(tmp_path, folds=5, source="synthetic")
    write_run(tmp_path / "leaky", make_info(kind="random_window"))
    said = made(tmp_path)
    before = said[: said.index('id="tables"')]
    report = compare(tmp_path).to_json()
    accuracy = report["joined"][0]["results"][0]["all"]["accuracy"]["value"]
    assert f"<strong>{100 * accuracy:.1f} %</strong>" in before
    warned = re.findall(r'<p class="warning">(.*?)</p>', before)
    assert [any(mark in one for one in warned) for mark in ("SYNTHETIC", "LEAKY", "PARTIAL")] == [True] * 3
    assert any("203" in one for one in warned), "who was not tested"


def test_every_configuration_is_there_and_unfinished_runs_are_named(tmp_path: Path):
    write_folds(tmp_path, folds=2)
    for fold in range(2):
        (tmp_path / str(fold) / "config.yaml").write_text(f"fold: {fold}  # mine\n", encoding="utf-8")
    write_run(tmp_path / "late", make_info())
    (tmp_path / "late" / "info_tiny.json").unlink()
    said = made(tmp_path)
    assert said.count("<details><summary>") == 3, "two runs and the training curves"
    assert "fold: 0  # mine" in said
    assert "fold: 1  # mine" in said
    assert "Not compared" in said


def test_damaged_info_files_lose_only_their_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    info = make_info()
    del info["confusion"], info["training"]["history"], info["finished"]
    write_run(tmp_path / "a", info)
    assert "88.0 %" in made(tmp_path)


def test_player_has_misclassified_recordings_first_with_their_probabilities(tmp_path: Path):
    write_folds(tmp_path)
    data = data_of(made(tmp_path))
    assert data["models"] == ["tiny"]
    wrong = [int(np.argmax(one["said"]["0"])) != one["truth"] for one in data["recordings"]]
    assert wrong == sorted(wrong, reverse=True)
    rows = [line for file in tmp_path.rglob("predictions_*.csv") for line in file.read_text().splitlines()[1:]]
    assert sum(wrong) == sum(row.split(",")[2] != row.split(",")[4] for row in rows)
    shown = {one["name"]: one for one in data["recordings"]}
    cells = next(row.split(",") for row in rows if row.split(",")[0] in shown)
    assert shown[cells[0]]["said"]["0"] == [round(float(cell), 3) for cell in cells[5:]]


def test_seeds_are_averaged(tmp_path: Path):
    for seed in (0, 1):
        write_folds(tmp_path / f"s{seed}", seed=seed)
    found = build_player(group_runs(collect([tmp_path])[0]), {"f1": motion}, 10**6)
    assert {tuple(one["runs"].items()) for one in found.data["recordings"]} == {(("0", 2),)}
    assert found.tested == 72


def test_budget_is_kept_and_what_is_left_out_is_counted(tmp_path: Path):
    groups = group_runs(collect([write_folds(tmp_path, accuracy=0.3)])[0])
    whole = build_player(groups, {"f1": motion}, 10**7)
    size = len(whole.data["recordings"][0]["motion"])
    few = build_player(groups, {"f1": motion}, 3 * size)
    assert few.shown == few.shown_wrong == 3
    assert (few.tested, few.wrong) == (whole.tested, whole.wrong) == (72, whole.shown_wrong)


def test_explanations_keep_to_their_budget_and_without_them_the_page_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    groups = group_runs(collect([write_folds(tmp_path)])[0])
    one, two = np.ones(1), np.ones(2)
    explanation = Explanation("left", 0.5, ("SpineBase", "HandLeft"), two, two, one, one, one, one)
    monkeypatch.setattr(
        "gesturelab.report.player.EXPLANATION_BYTES", 3 * len(json.dumps(encode_explanation(explanation)))
    )
    found = build_player(
        groups, {"f1": motion}, 10**7, explain=lambda _, names: (dict.fromkeys(names, explanation), "")
    )
    assert ["why" in entry for entry in found.data["recordings"]].count(True) == 3
    without = build_player(groups, {"f1": motion}, 10**7)
    assert not any("why" in entry for entry in without.data["recordings"])
    assert "report --explain" in without.data["unexplained"]["0"]


def test_long_recordings_leave_the_page_under_five_megabytes(tmp_path: Path):
    said = made(write_folds(tmp_path), lambda name: motion(name, 60_000))
    assert len(said.encode()) < MOST_BYTES < 5_000_000
    shown = len(data_of(said)["recordings"])
    assert 0 < shown < 20
    assert f"Shown: {shown} of the" in said


def test_windows_are_averaged_over_seeds_and_old_runs_say_that_they_have_none(tmp_path: Path):
    for seed in (0, 1):
        write_folds(tmp_path / f"s{seed}", seed=seed)
        for fold in range(6):
            write_windows_of(tmp_path / f"s{seed}" / str(fold), fold_run(fold, seed=seed))
    write_folds(tmp_path / "old", size="large", parameters=9_000_000)
    found = build_player(group_runs(collect([tmp_path])[0]), {"f1": motion}, 10**6)
    assert found.evolving
    assert list(found.data["still"]) == ["1"]
    assert "have no windows_<size>.csv" in found.data["still"]["1"]
    for one in found.data["recordings"]:
        assert list(one["windows"]) == ["0"]
        series = one["windows"]["0"]
        assert series["ends"] == [1.0, 1.8, 2.6, 3.4, 4.2, 5.0]
        shares = np.frombuffer(base64.b64decode(series["said"]), dtype=np.uint8).reshape(6, 3)
        assert shares[0].tolist() == [33, 33, 33]
        assert shares[-1] == pytest.approx(100 * np.array(one["said"]["0"]), abs=0.6), "the mean of both seeds"


def test_windows_keep_their_budget_and_changed_files_are_not_shown(tmp_path: Path):
    write_folds(tmp_path, folds=2)
    for fold in range(2):
        write_windows_of(tmp_path / str(fold), fold_run(fold))
    groups = group_runs(collect([tmp_path])[0])
    whole = build_player(groups, {"f1": motion}, 10**6).data["recordings"]
    size = len(json.dumps(whole[0]["windows"]["0"]))
    few = build_player(groups, {"f1": motion}, 10**6, 2 * size).data["recordings"]
    assert sum(bool(one["windows"]) for one in few) == 2
    for fold in range(2):
        path = tmp_path / str(fold) / "info_tiny.json"
        info = json.loads(path.read_text())
        info["files"]["windows_tiny.csv"] = "0" * 64
        path.write_text(json.dumps(info))
    changed = build_player(group_runs(collect([tmp_path])[0]), {"f1": motion}, 10**6)
    assert not changed.evolving
    assert "SHA-256" in changed.data["still"]["0"]


@given(frames=st.integers(1, 90), rate=st.sampled_from([10.0, 25.0, 30.0]), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_motion_is_ten_frames_a_second_to_half_a_millimetre(frames: int, rate: float, seed: int):
    positions = np.random.default_rng(seed).uniform(-4, 4, (frames, 2, 3)).astype(np.float32)
    found = np.frombuffer(base64.b64decode(encode(downsample(positions, rate))), dtype="<i2").reshape(-1, 2, 3)
    assert len(found) == int((frames - 1) / rate * 10 + 1e-6) + 1
    for joint, axis in np.ndindex(2, 3):
        expected = np.interp(np.arange(len(found)) / 10, np.arange(frames) / rate, positions[:, joint, axis])
        assert np.abs(found[:, joint, axis] / 1000 - expected).max() <= 0.00051


def test_cells_sort_by_the_number_they_begin_with():
    rows = (("x", "91.2 (85.0-95.5)"), ("10", "1,234"), ("9", ""), ("8", "-"), ("", ("2 M", 2e6)))
    said = render_table(Table("t", ("a", "b"), rows))
    assert re.findall(r'data-sort="(.*?)"', said) == ["91.2", "1234", "2000000"]


def test_without_data_the_page_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_folds(tmp_path / "sweep", folds=2)
    assert main(["report", str(tmp_path / "sweep"), "-o", str(tmp_path / "r.html")]) == 0
    said = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "The player is left out" in said
    assert "does not say which data" in said
    assert "<canvas" not in said
    assert "no player" in capsys.readouterr().out


def test_changed_data_are_not_shown(tmp_path: Path):
    write_folds(tmp_path / "sweep", folds=2)
    chosen = compose(["data=synthetic", "data.people=6", "data.repetitions=1"]).data
    config = {"data": {**dataclasses.asdict(chosen), "cache_dir": str(tmp_path / "cache")}}
    (tmp_path / "sweep" / "0" / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    assert main(["report", str(tmp_path / "sweep"), "-o", str(tmp_path / "r.html")]) == 0
    assert "the fingerprint differs" in (tmp_path / "r.html").read_text(encoding="utf-8")


def searched(folder: Path, **changes: Any) -> str:
    write_folds(folder, folds=2)
    trial = {"number": 3, "state": "completed", "value": 0.25, "params": {"optimizer.lr": 0.00123456}, "folders": ["0"],
             "epochs": [7], "reason": ""}  # fmt: skip
    pruned = trial | {"number": 4, "state": "pruned", "value": None, "reason": HOSTILE}
    search = {
        "schema": 1, "name": "mine", "objective": "validation_loss", "maximise": False, "n_trials": 2,
        "average_over": [], "sampler": "tpe", "pruner": "median", "space": {"optimizer.lr": "numbers"},
        "best": trial, "command": f"gesturelab train {HOSTILE}", "importances": {"optimizer.lr": 1.0},
        "importances_missing": "", "trials": [trial, pruned],
    }  # fmt: skip
    (folder / "search.json").write_text(json.dumps(search | changes), encoding="utf-8")
    return made(folder)


def test_a_search_has_a_part_of_its_own(tmp_path: Path):
    said = searched(tmp_path)
    part = said[said.index('<section id="search">') :].split("</section>")[0]
    assert "2 trials: 1 completed, 1 pruned" in part
    assert "Best: trial 3, validation loss 0.2500." in part
    assert "<td>optimizer.lr</td><td" in part
    assert "100.0 %" in part
    assert ">0.001235</td>" in part
    assert "<img src=x" not in part
    assert '<a href="#search">' in said


@pytest.mark.parametrize("changes", [{"schema": 2}, {"trials": [{}]}, {"best": {"number": 1}}, {"trials": None}])
def test_a_search_that_cannot_be_read_is_left_out(tmp_path: Path, changes: dict[str, Any]):
    assert 'id="search"' not in searched(tmp_path, **changes)
    assert "#search" not in made(tmp_path)


def test_without_a_finished_run_there_is_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "r.html")]) == 1
    assert "no finished run" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
