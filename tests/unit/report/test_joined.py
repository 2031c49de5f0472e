import csv
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest

from gesturelab.cli.compare import run
from gesturelab.cli.main import main
from gesturelab.evaluation.metrics import read_definitions
from gesturelab.report.comparison import compare
from info_builder import make_info, write_run
from predictions_builder import FoldRun, fold_run, write_fold_run

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sizes, six folds, two seeds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for size, parameters, accuracy in (("tiny", 500_000, 0.7), ("large", 4_500_000, 0.95)):
        for fold in range(6):
            for seed in (0, 1):
                one = fold_run(
                    fold, seed=seed, size=size, parameters=parameters, accuracy=accuracy, validation=accuracy
                )
                write_fold_run(Path("multirun/loso") / f"{size}-{fold}-{seed}", one)
    return Path("multirun/loso")


def result_of(folder: Path) -> dict[str, Any]:
    (only,) = compare(folder).to_json()["joined"]
    return only


def test_a_sweep_is_one_section_within_100_columns(sweep: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["--full"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 100
    out = " ".join(" ".join(lines).split())
    assert out.count("Group") == 1
    assert "tiny: 6 of 6 folds, seeds 0, 1" in out
    assert re.search(r"tiny 6 72 \d+\.\d \(\d+\.\d-\d+\.\d\)", out)
    for text in ("healthy 3 36", "patient 3 36", "mean over people", "ensemble of 2 seeds", "person 203 (patient) 12"):
        assert text in out
    assert "tiny minus large" in out
    assert "#" not in out


def test_json_holds_the_joined_result(sweep: Path):
    run(["--json", "c.json"])
    report = json.loads(Path("c.json").read_text())
    assert len(report["runs"]) == 24
    (item,) = report["joined"]
    tiny, large = item["results"]
    assert (tiny["candidate"], tiny["folds"], tiny["planned_folds"]) == ("tiny", [0, 1, 2, 3, 4, 5], 6)
    assert large["all"]["accuracy"]["low"] < large["all"]["accuracy"]["value"] < large["all"]["accuracy"]["high"]
    (pair,) = item["pairs"]
    assert (pair["first"], pair["second"], pair["people"], pair["recordings"]) == ("tiny", "large", 6, 72)
    assert pair["difference"] == pytest.approx(
        tiny["all"]["person_accuracy"]["value"] - large["all"]["person_accuracy"]["value"]
    )
    assert report["groups"][0]["people"]["test"] == ["101", "102", "103", "201", "202", "203"]


def test_the_joined_table_has_a_row_for_each_part(sweep: Path):
    run(["--joined", "j.csv"])
    with Path("j.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    parts = {(row["candidate"], row["part"], row["value"]) for row in rows}
    assert len(parts) == len(rows)
    for part in (("group", "patient"), ("correctness", "incorrect"), ("posture", "chair"), ("person", "101")):
        assert ("tiny", *part) in parts
    assert all(0 <= float(row["accuracy"]) <= 1 for row in rows)


def test_markdown_carries_intervals_and_verdict(sweep: Path):
    run(["--markdown", "c.md"])
    text = Path("c.md").read_text()
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "| person | 101 | healthy | 12 |" in text
    assert "tiny minus large" in text


def test_missing_folds_mark_the_result_partial(sweep: Path, capsys: pytest.CaptureFixture[str]):
    for seed in (0, 1):
        (sweep / f"tiny-2-{seed}/info_tiny.json").unlink()
    run(["--full"])
    out = " ".join(capsys.readouterr().out.split())
    assert "tiny: 5 of 6 folds" in out
    assert "PARTIAL: not tested yet: 103" in out
    assert "on the 60 recordings of 5 people that all were tested on" in out
    assert "5 people are too few" in out


def test_one_fold_says_that_there_is_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_fold_run(tmp_path / "a", fold_run(0))
    run([str(tmp_path), "--full"])
    out = " ".join(capsys.readouterr().out.split())
    assert "one fold only: no intervals" in out


def test_a_run_without_predictions_is_left_out_by_name(sweep: Path):
    (sweep / "tiny-0-0/predictions_tiny.csv").unlink()
    (sweep / "tiny-1-0/predictions_tiny.csv").write_text("x")
    item = result_of(sweep)
    assert [left["run"] for left in item["left_out"]] == ["tiny-0-0", "tiny-1-0"]
    assert "missing" in item["left_out"][0]["reason"]
    assert item["results"][0]["seeds"][0]["seed"] == 1


def test_predictions_that_the_run_did_not_write_are_left_out(tmp_path: Path):
    one = fold_run(0)
    one.info["files"]["predictions_tiny.csv"] = "0" * 64
    write_fold_run(tmp_path / "a", one)
    assert "SHA-256" in result_of(tmp_path)["left_out"][0]["reason"]


def test_folds_with_other_features_are_not_joined_and_the_key_is_said(tmp_path: Path):
    for fold in range(6):
        one = fold_run(fold)
        if fold == 3:
            one.info["features"]["centre"] = "window"
        write_fold_run(tmp_path / str(fold), one)
    results = result_of(tmp_path)["results"]
    assert sorted(len(one["folds"]) for one in results) == [1, 5]
    assert all(any("features.centre differs" in note for note in one["notes"]) for one in results)


def test_other_data_is_another_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for fold in range(6):
        write_fold_run(tmp_path / str(fold), fold_run(fold, fingerprint="f2" if fold > 3 else "f1"))
    run([str(tmp_path)])
    assert "is not compared with group 1: other recordings (data fingerprint)" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_run_whose_people_overlap_another_fold_is_refused(tmp_path: Path):
    odd = fold_run(1)
    write_fold_run(tmp_path / "0", fold_run(0))
    write_fold_run(tmp_path / "1", FoldRun("odd", odd.info, fold_run(0, seed=5).predictions))
    item = result_of(tmp_path)
    assert item["results"] == []
    assert "subject 101 was tested in folds 0 and 1" in item["left_out"][0]["reason"]


def test_the_verdict_about_sizes_is_the_same_beside_a_peer(sweep: Path, capsys: pytest.CaptureFixture[str]):
    alone = result_of(sweep)
    for fold in range(6):
        one = fold_run(fold, size="rocket", parameters=10 + fold, accuracy=1.0)
        one.info["model"]["peer"] = True
        del one.info["metrics"]["validation"]  # type: ignore[misc]
        write_fold_run(sweep / f"rocket-{fold}", one)
    beside = result_of(sweep)
    assert [one["candidate"] for one in beside["results"]] == ["tiny", "large", "rocket"]
    assert beside["verdict"] == alone["verdict"] != []
    assert beside["pairs"][0] == alone["pairs"][0]
    assert len(beside["pairs"]) == 3
    assert alone["beside_peers"] == []
    (said,) = beside["beside_peers"]
    assert said.startswith("large is not distinguishable from rocket, a peer, on these 6 people: large minus rocket: ")
    assert run(["--json", "c.json", "--csv", "c.csv", "--markdown", "c.md"]) == 0
    report = json.loads(Path("c.json").read_text())
    assert report["recommendations"][0]["recommended"]["size"] == "large"
    assert report["recommendations"][0]["candidates"] == 2
    rows = list(csv.DictReader(Path("c.csv").read_text().splitlines()))
    assert {row["validation_recording_accuracy"] for row in rows if row["peer"] == "True"} == {""}
    assert "rocket is a peer" in Path("c.md").read_text()


def first_share(truth: Any, predicted: Any) -> float:
    """A metric of the user's own."""
    return float((predicted == 0).mean())


OWN = {
    "agreement": {"_target_": "sklearn.metrics.accuracy_score"},
    "first_share": {"_target_": f"{__name__}.first_share"},
}


@pytest.fixture
def own_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three folds whose runs have two metrics of the user's own, and a run that is no fold."""
    monkeypatch.chdir(tmp_path)
    folds = [fold_run(fold) for fold in range(3)]
    single = make_info("tiny", 500_000)
    for info in (*(cast(Any, fold.info) for fold in folds), single):
        info["metric_definitions"] = read_definitions(OWN)
        info["metrics"]["test"]["recording"] |= {"agreement": 0.4321, "first_share": 0.25}
    for fold in folds:
        write_fold_run(Path("sweep") / str(fold.fold), fold)
    write_run(Path("single"), single)
    return tmp_path


def test_metrics_of_the_users_own_stand_in_every_table(own_metrics: Path, capsys: pytest.CaptureFixture[str]):
    files = ["--csv", "runs.csv", "--json", "c.json", "--markdown", "c.md", "--joined", "j.csv"]
    assert main(["compare", "sweep", "single", "--full", *files, "--trust", f"{__name__}.first_share"]) == 0
    assert main(["report", "sweep", "single", "-o", "r.html", "--trust", f"{__name__}.first_share"]) == 0
    for text in (capsys.readouterr().out, Path("c.md").read_text(), Path("r.html").read_text()):
        assert re.search(r"kappa\W.*agreement\W.*first_share", text)
        assert "0.432" in text
    assert {"test_recording_agreement", "test_recording_first_share"} <= set(csv_rows("runs.csv")[0])
    whole = json.loads(Path("c.json").read_text())["joined"][0]["results"][0]["all"]
    assert whole["agreement"]["value"] == pytest.approx(whole["accuracy"]["value"])
    assert whole["first_share"]["low"] <= whole["first_share"]["value"] <= whole["first_share"]["high"]
    assert float(csv_rows("j.csv")[0]["agreement"]) == pytest.approx(whole["agreement"]["value"])


def csv_rows(name: str) -> list[dict[str, str]]:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_metric_that_is_not_trusted_is_left_out_by_one_sentence(
    own_metrics: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["compare", "sweep", "--json", "c.json"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("Metric first_share has no interval") == 1
    assert f"--trust {__name__}.first_share" in out
    whole = json.loads(Path("c.json").read_text())["joined"][0]["results"][0]["all"]
    assert "agreement" in whole
    assert "first_share" not in whole
