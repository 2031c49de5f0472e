"""Ready sweeps from the command line to a joined result, on made-up people."""

import json
from pathlib import Path

import pytest
from command import gesturelab

UNMEASURED = True

SYNTHETIC = (
    "data=synthetic",
    "data.people=5",
    "data.repetitions=1",
    "trainer=debug",
    "trainer.refit=false",
    "model.hidden=8",
    "name=sweep",
)

NOISE = """
import numpy as np
from gesturelab import Recording
from gesturelab.skeletons.skeleton import KINECT_V2

def noise():
    draw = np.random.default_rng(0)
    for person in range(6):
        for gesture in ("left", "right"):
            positions = draw.normal(0, 0.1, (40, 25, 3)).cumsum(axis=0).astype(np.float32) + [0, 0, 3]
            yield Recording(
                name=f"{person}_{gesture}", positions=positions.astype(np.float32), rate_hz=30.0,
                subject=str(person), gesture=gesture, skeleton=KINECT_V2,
            )
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave one subject out over five people, without -m."""
    folder = tmp_path_factory.mktemp("sweep")
    done = gesturelab("train", "experiment=irds_loso", *SYNTHETIC, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_leave_one_subject_out_has_as_many_folds_as_there_are_people(sweep: Path):
    runs = sorted(path.name for path in (sweep / "multirun/sweep").iterdir() if path.is_dir())
    assert runs == [f"split.fold={fold}" for fold in range(5)]
    tested = [json.loads(path.read_text())["split"]["test"]["subjects"] for path in sweep.rglob("info_tiny.json")]
    assert sorted(tested) == [["101"], ["102"], ["103"], ["201"], ["202"]]


def test_the_folds_are_saved(sweep: Path):
    for path in sweep.rglob("folds.json"):
        assert json.loads(path.read_text()) == [["101"], ["102"], ["103"], ["201"], ["202"]]
    assert len(list(sweep.rglob("folds.json"))) == 5


def test_compare_joins_what_the_sweep_wrote(sweep: Path):
    done = gesturelab("compare", "--full", "--json", "c.json", folder=sweep, COLUMNS="100")
    assert done.returncode == 0, done.stderr
    assert "tiny: 5 of 5 folds, seed 0" in " ".join(done.stdout.split())
    assert max(len(line.rstrip()) for line in done.stdout.splitlines()) <= 100
    (item,) = json.loads((sweep / "c.json").read_text())["joined"]
    (result,) = item["results"]
    assert result["all"]["recordings"] == 45
    assert list(result["by_group"]) == ["healthy", "patient"]
    assert result["by_posture"]
    score = result["all"]["accuracy"]
    assert score["low"] - 1e-9 <= score["value"] <= score["high"] + 1e-9


def test_folds_of_a_file_are_joined_too(sweep: Path, tmp_path: Path):
    (tmp_path / "mine.json").write_text('[["101", "201"], ["102", "202"]]')
    options = ("split=folds_file", "split.file=mine.json", "split.fold=0,1")
    done = gesturelab("train", "-m", *options, *SYNTHETIC, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    done = gesturelab("compare", "--json", "c.json", folder=tmp_path)
    (item,) = json.loads((tmp_path / "c.json").read_text())["joined"]
    assert (item["results"][0]["planned_folds"], item["results"][0]["partial"]) == (2, False)
    assert list(item["results"][0]["by_person"]) == ["101", "102", "201", "202"]
    assert "mine.json" not in (next(tmp_path.rglob("info_tiny.json"))).read_text()


def test_data_that_are_not_there_are_one_clear_error(tmp_path: Path):
    done = gesturelab("train", "experiment=irds_loso", "data.root=nowhere", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("gesturelab: error: data.root=nowhere does not exist")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("experiment", "jobs"),
    [("irds_5fold", 5), ("irds_correctness", 5), ("irds_holdout", 3), ("irds_leakage", 9), ("learning_curve", 75)],
)
def test_the_other_ready_sweeps_begin(experiment: str, jobs: int):
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    from gesturelab.config.store import conf_dir

    loaded = OmegaConf.load(conf_dir() / "experiment" / f"{experiment}.yaml")
    params = loaded.hydra.sweeper.params
    count = 1
    for key in params:
        override = OverridesParser.create().parse_override(f"{key}={params[key]}")
        assert override.is_sweep_override()
        count *= len(list(override.sweep_iterator()))
    assert count == jobs
    assert loaded.hydra.mode == "MULTIRUN"


def test_the_benchmark_is_every_model_in_five_folds_of_every_public_dataset(tmp_path: Path):
    planned = gesturelab("train", "-m", "experiment=benchmark", "--dry-run", folder=tmp_path).stdout.splitlines()
    folders = [line.split()[1] for line in planned if line.startswith("start ")]
    models = {folder.split("model=")[1].split(",")[0] for folder in folders}
    assert len(folders) == 3 * len(models) * 5 == len(set(folders))
    assert {"tiny", "minirocket"} <= models
    (tmp_path / "my" / "data").mkdir(parents=True)
    (tmp_path / "my" / "data" / "noise.yaml").write_text(
        "defaults: [/schema/dataset@_here_, _self_]\n_target_: noise.noise\n"
    )
    (tmp_path / "my" / "noise.py").write_text(NOISE)
    quick = ("--config-dir=my", "data=synthetic,noise", "data.max_files=108", "model=minirocket,transformer")
    options = ("experiment=benchmark", *quick, "split.folds=2", "trainer.max_steps=2", "trainer=debug", "name=sweep")
    done = gesturelab("train", "-m", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 jobs: 8 done" in done.stdout
    done = gesturelab("compare", "--json", "c.json", folder=tmp_path)
    across = json.loads((tmp_path / "c.json").read_text())["across"]
    assert dict(zip(across["datasets"], across["people"], strict=True)) == {"noise": 6, "synthetic SYNTHETIC": 16}
    assert {row["model"] for row in across["rows"]} == {"minirocket", "transformer"}
    assert "Over 22 people (" in done.stdout
