"""Methods from elsewhere on the folds of a sweep of ours, from the benchmark's command line to one table."""

import csv
import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import gesturelab

from gesturelab.config.saved import read_data_config
from gesturelab.datasets.load import load

UNMEASURED = True

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MADE_UP = ("data=synthetic", "data.people=6", "data.repetitions=1", "data.max_files=50")
QUICK = ("model.hidden=8", "trainer=debug", "name=sweep")


def peers(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "peers.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def methods() -> Any:
    spec = importlib.util.spec_from_file_location("peer_methods", BENCHMARKS / "peer_methods.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["peer_methods"] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave one subject out over six people; the two quick peers beside it."""
    folder = tmp_path_factory.mktemp("peers")
    done = gesturelab("train", "experiment=irds_loso", *QUICK, *MADE_UP, folder=folder)
    assert done.returncode == 0, done.stderr
    done = peers(folder, "multirun/sweep", "--methods", "majority,nearest")
    assert done.returncode == 0, done.stderr
    assert "[12/12] nearest, fold 5" in done.stdout
    assert "training and validation people together (this favours them)" in done.stdout
    return folder


@pytest.fixture(scope="module")
def comparison(trained: Path) -> dict[str, Any]:
    arguments = (
        "multirun/sweep",
        "multirun/sweep-peers",
        "--full",
        "--json",
        "c.json",
        "--figures",
        "figures",
        "--png",
        "s.png",
    )
    done = gesturelab("compare", *arguments, folder=trained)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "nearest is a peer: a method from elsewhere on the same folds and recordings." in said
    assert "majority, a peer, on these 6 people: tiny minus majority:" in said
    return json.loads((trained / "c.json").read_text())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_peers_stand_in_one_table_with_our_run(comparison: dict[str, Any]):
    (item,) = comparison["joined"]
    results = {result["candidate"]: result for result in item["results"]}
    assert list(results) == ["tiny", "majority", "nearest"]
    assert [result["peer"] for result in results.values()] == [False, True, True]
    assert {result["all"]["recordings"] for result in results.values()} == {50}
    assert {len(result["by_person"]) for result in results.values()} == {6}
    assert len(item["pairs"]) == 3
    assert item["left_out"] == []


def test_peers_tested_the_recordings_that_our_runs_tested(trained: Path):
    for fold in range(6):
        ours = _rows(trained / f"multirun/sweep/split.fold={fold}/predictions_tiny.csv")
        for method in ("majority", "nearest"):
            folder = trained / f"multirun/sweep-peers/method={method},seed=0,split.fold={fold}"
            theirs = _rows(folder / f"predictions_{method}.csv")
            assert [row["recording"] for row in theirs] == [row["recording"] for row in ours]
            info = json.loads((folder / f"info_{method}.json").read_text())
            assert {row["subject"] for row in ours}.isdisjoint(info["split"]["train"]["subjects"])
            assert len(info["split"]["train"]["subjects"]) == 5


def test_majority_says_what_training_people_did_most_often(trained: Path, comparison: dict[str, Any]):
    rows = [row for path in trained.glob("multirun/sweep/*/predictions_tiny.csv") for row in _rows(path)]
    info = json.loads((trained / "multirun/sweep/split.fold=0/info_tiny.json").read_text())
    right = 0
    for person in {row["subject"] for row in rows}:
        counts = Counter(row["gesture"] for row in rows if row["subject"] != person)
        said = max(info["gestures"], key=lambda gesture: counts[gesture])  # of equals the first
        right += sum(row["gesture"] == said for row in rows if row["subject"] == person)
    result = next(one for one in comparison["joined"][0]["results"] if one["candidate"] == "majority")
    assert result["all"]["accuracy"]["value"] == pytest.approx(right / 50)


def test_nearest_agrees_with_scikit_learn(trained: Path, methods: Any):
    from sklearn.neighbors import KNeighborsClassifier

    dataset = load(read_data_config(trained / "multirun/sweep/split.fold=2/config.yaml"))
    motion = methods.whole_recordings(dataset).reshape(len(dataset), -1)
    rows = _rows(trained / "multirun/sweep-peers/method=nearest,seed=0,split.fold=2/predictions_nearest.csv")
    test = np.isin(dataset.subjects, rows[0]["subject"])
    known = KNeighborsClassifier(1).fit(motion[~test], dataset.gestures[~test])
    expected = [dataset.gesture_names[gesture] for gesture in known.predict(motion[test])]
    assert [row["predicted"] for row in rows] == expected


def test_a_peer_is_never_recommended_and_has_no_calibration(comparison: dict[str, Any], trained: Path):
    (recommendation,) = comparison["recommendations"]
    assert recommendation["candidates"] == 1
    assert recommendation["recommended"]["size"] == recommendation["best_by_test"]["size"] == "tiny"
    for result in comparison["joined"][0]["results"][1:]:
        assert result["all"]["calibration_error"]["value"] is None
        assert result["answered"] == result["reliability"] == []
        assert result["validation_accuracy"] is None
    assert sorted(path.name for path in (trained / "figures").iterdir()) == [
        f"{name}.png" for name in ("coverage", "people", "ranks", "reliability", "sizes")
    ]


def test_what_is_done_is_skipped(trained: Path):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("sweep-peers/*/info_*.json")}
    done = peers(trained, "multirun/sweep", "--methods", "majority,nearest")
    assert "majority: 6 folds are done already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_training_people_are_another_result(trained: Path):
    done = peers(trained, "multirun/sweep", "--methods", "majority", "--train-people", "only")
    assert done.returncode == 1
    assert "was made of other people, recordings or settings: remove it, or choose another --to" in done.stderr


def test_folds_can_be_trained_side_by_side(trained: Path):
    more = ("--to", "side", "--train-people", "only", "--jobs", "2")
    done = peers(trained, "multirun/sweep", "--methods", "majority", *more)
    assert done.returncode == 0, done.stderr
    (info,) = trained.glob("side/*split.fold=0/info_majority.json")
    ours = json.loads((trained / "multirun/sweep/split.fold=0/info_tiny.json").read_text())
    said = json.loads(info.read_text())
    assert said["split"]["train"]["subjects"] == ours["split"]["train"]["subjects"]


def test_the_page_shows_peers(trained: Path):
    done = gesturelab("report", "multirun/sweep", "multirun/sweep-peers", "-o", "r.html", folder=trained)
    assert done.returncode == 0, done.stderr
    assert "nearest is a peer" in (trained / "r.html").read_text()


def test_only_peers_are_compared_without_a_recommendation(trained: Path):
    arguments = ("multirun/sweep-peers", "--figures", "only", "--png", "only.png")
    done = gesturelab("compare", *arguments, folder=trained)
    assert done.returncode == 0, done.stderr
    assert "Nothing is recommended: there are only peers here" in done.stdout
    assert sorted(path.name for path in (trained / "only").iterdir()) == ["people.png", "ranks.png"]


def test_a_folder_without_folds_is_one_clear_error(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    done = peers(tmp_path, "empty")
    assert done.returncode == 1
    assert done.stderr.startswith("peers: error: empty holds no finished run of a fold")
    assert "Traceback" not in done.stderr


def test_resampling_is_linear_in_time(methods: Any):
    positions = np.array([0.0, 1.0, 5.0]).reshape(3, 1, 1) * np.ones((3, 2, 3))
    found = methods.resample(positions)[:, 0, 0]
    assert len(found) == 64
    assert found == pytest.approx(np.interp(np.linspace(0, 2, 64), [0, 1, 2], [0, 1, 5]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "package"), [("minirocket", "aeon"), ("multirocket_hydra", "aeon"), ("lstm_fcn", "sktime")]
)
def test_a_peer_of_another_library(trained: Path, method: str, package: str):
    pytest.importorskip(package, reason=f"{method} needs {package}: pip install -e '.[peers]'")
    done = peers(trained, "multirun/sweep", "--methods", method, "--to", "others")
    assert done.returncode == 0, done.stderr
    infos = [json.loads(path.read_text()) for path in trained.glob(f"others/method={method},*/info_{method}.json")]
    assert len(infos) == 6
    assert np.mean([info["metrics"]["test"]["recording"]["accuracy"] for info in infos]) > 0.3  # chance is 0.11


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "classifier"),
    [("minirocket", "MiniRocketClassifier"), ("multirocket_hydra", "MultiRocketHydraClassifier")],
)
def test_our_composition_says_what_the_classifier_of_aeon_says(
    trained: Path, methods: Any, method: str, classifier: str
):
    pytest.importorskip("aeon", reason=f"{method} needs aeon: pip install -e '.[peers]'")
    from aeon.classification import convolution_based

    dataset = load(read_data_config(trained / "multirun/sweep/split.fold=2/config.yaml"))
    motion = methods.whole_recordings(dataset)
    test = np.isin(dataset.subjects, "103")
    ours = methods.METHODS[method].fit(motion[~test], dataset.gestures[~test], len(dataset.gesture_names), 0)
    theirs = getattr(convolution_based, classifier)(random_state=0).fit(motion[~test], dataset.gestures[~test])
    assert ours.scores(motion[test]).argmax(axis=1).tolist() == theirs.predict(motion[test]).tolist()
