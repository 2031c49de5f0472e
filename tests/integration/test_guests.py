"""The five examples of doors, all at once: a run of theirs keeps every promise that a built-in one keeps."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import Command, gesturelab

from gesturelab import load
from gesturelab.errors import BundleError

UNMEASURED = True
EXAMPLES = Path(__file__).parents[2] / "examples" / "extending"
DOORS = ("network", "dataset", "feature", "split", "metric")
GUESTS = ("model=tcn", "data=npz_folder", "features=mine", "split=by_site", "experiment=least_recall")
QUICK = (
    "trainer=cpu",
    "trainer.max_epochs=3",
    "trainer.batch_size=16",
    "callbacks=none",
    "augment=none",
    "data.cache_dir=cache",
)
MARK = "imported.txt"
TRUST = ("--trust", "tcn_network.TCN", "--trust", "joint_distances.JointDistances")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A user's folder: all examples in one package folder, and recordings for the dataset."""
    folder = tmp_path_factory.mktemp("guests")
    for door in DOORS:
        for path in (EXAMPLES / door).rglob("*"):
            if path.suffix in (".py", ".yaml") and not path.name.startswith("test_"):
                to = folder / "mine" / path.relative_to(EXAMPLES / door)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, to)
    make_recordings(folder / "recordings")
    return folder


def make_recordings(root):
    """Made-up recordings in the form of examples/extending/dataset, of people at two sites, a and b."""
    root.mkdir()
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.3, (25, 3)) + np.array([0, 1, 2.5])
    for number in range(8):
        subject = f"{'ab'[number % 2]}{number}"
        for gesture, joint, axis in (("wave", 10, 1), ("bow", 3, 2)):
            for repetition in range(3):
                positions = np.tile(body, (45, 1, 1)) + rng.normal(0, 0.005, (45, 25, 3))
                positions[:, joint, axis] += 0.3 * np.sin(np.linspace(0, 6, 45) + rng.uniform(0, 0.5))
                name = f"{subject}_{gesture}_{repetition}"
                np.savez(root / name, positions=positions, rate_hz=30.0, subject=subject, gesture=gesture)


def train(folder, *arguments):
    done = gesturelab("train", *command(*arguments), folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def command(*arguments):
    return ("--config-dir", "mine", *GUESTS, "data.root=recordings", *QUICK, *arguments)


def digests(run):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in run.glob("*_tcn.*")
        if "info" not in path.name
    }


@pytest.fixture(scope="module")
def run(place):
    train(place, "hydra.run.dir=whole")
    return place / "whole"


def test_a_run_says_which_class_of_which_file_it_was(run):
    info = json.loads((run / "info_tcn.json").read_text(encoding="utf-8"))
    source = (run.parent / "mine" / "tcn_network.py").read_bytes()
    assert info["classes"]["model"]["sha256"] == hashlib.sha256(source).hexdigest()
    assert {"model", "data", "split"} <= info["classes"].keys()
    assert 0 <= info["metrics"]["test"]["recording"]["least_recall"] <= 1


def test_a_killed_run_resumes_to_the_byte(place, run):
    with Command("train", *command("hydra.run.dir=killed"), folder=place) as training:
        training.wait_for_line("epoch   2")
    killed = place / "killed"
    assert not (killed / "info_tcn.json").exists()
    done = gesturelab("resume", "killed", folder=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert digests(killed) == digests(run)


@pytest.fixture(scope="module")
def sweep(place):
    train(place, "-m", "split.fold=0,1", "name=guests")
    return place / "multirun" / "guests"


def test_a_sweep_is_skipped_when_it_is_done(place, sweep):
    again = train(place, "-m", "split.fold=0,1", "name=guests")
    assert again.count("epoch ") == 0
    assert "2 jobs: 2" in again


def test_compare_has_intervals_of_the_metric(place, sweep):
    done = gesturelab(
        "compare", str(sweep), "--json", "-", "--trust", "least_recall.least_recall", folder=place, PYTHONPATH="mine"
    )
    assert done.returncode == 0, done.stderr
    result = json.dumps(json.loads(done.stdout))
    assert '"least_recall": {"value"' in result


def test_audit_and_report_take_the_run(place, sweep):
    audit = gesturelab("audit", str(sweep), folder=place)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    report = gesturelab("report", str(sweep), "-o", "page.html", folder=place)
    assert report.returncode == 0, report.stdout + report.stderr
    assert "tcn" in (place / "page.html").read_text(encoding="utf-8")


def test_a_bundle_is_refused_without_trust_and_no_code_of_it_runs(place, run, tmp_path, monkeypatch):
    done = gesturelab("export", "whole", "-o", "model.zip", *TRUST, folder=place, PYTHONPATH="mine")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("tcn_network", "joint_distances"):
        (tmp_path / f"{name}.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / MARK)!r}).touch()\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        with pytest.raises(BundleError, match=r"trust"):
            load(place / "model.zip")
    assert not (tmp_path / MARK).exists()
    monkeypatch.syspath_prepend(str(place / "mine"))
    motion = np.random.default_rng(0).normal(0, 0.3, (60, 25, 3)).astype(np.float32)
    bundle, whole = (load(path, trust=list(TRUST[1::2])).predict(motion, 30.0) for path in (place / "model.zip", run))
    np.testing.assert_allclose(bundle.values, whole.values, atol=1e-6)


def test_onnx_answers_as_the_run_does(place, run):
    graph = ("export", "whole", "--format", "onnx", "-o", "model.onnx")  # written only if its answers are the run's
    done = gesturelab(*graph, *TRUST, folder=place, PYTHONPATH="mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (place / "model.onnx").stat().st_size > 0
