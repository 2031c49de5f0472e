"""A feature and an augmentation of the user's own: killed and resumed, exported. See also test_guests.py."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command import gesturelab

from gesturelab.export.load import load

UNMEASURED = True
EXAMPLE = Path(__file__).parents[2] / "examples" / "extending" / "feature"
SHIFT = """
import os
import torch

class Shift:
    calls = 0  # two of them look whether it fits

    def __call__(self, positions, generator):
        self.calls += 1
        if self.calls == int(os.environ.get("KILLED_AT", 0)):
            os.kill(os.getpid(), 9)
        return positions + 0.05 * torch.randn(len(positions), 1, 1, 3, generator=generator)
"""
QUICK = ("data.people=8", "data.repetitions=1", "trainer=cpu", "trainer.max_epochs=2", "model.hidden=8")
OWN = ("experiment=live", "features=mine", "augment=mine", "trainer.batch_size=16", "trainer.checkpoint_minutes=1e-9")
OWN = (*OWN, *QUICK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where options of the user's own are, and where runs go."""
    folder = tmp_path_factory.mktemp("guest")
    shutil.copytree(EXAMPLE, folder / "conf")
    (folder / "conf" / "shifts.py").write_text(SHIFT)
    (folder / "conf" / "augment").mkdir()
    option = "defaults: [default, _self_]\nshift: {_target_: shifts.Shift}\n"
    (folder / "conf" / "augment" / "mine.yaml").write_text(option)
    return folder


def run(folder, *arguments, status=0, **environment):
    done = gesturelab(*arguments, folder=folder, **environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def whole(folder) -> Path:
    """A run that nobody disturbed."""
    run(folder, "train", "--config-dir", "conf", *OWN, "hydra.run.dir=whole")
    return folder / "whole"


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(folder, whole):
    run(folder, "train", "--config-dir", "conf", *OWN, "hydra.run.dir=killed", status=-9, KILLED_AT="5")
    assert (folder / "killed" / "checkpoints" / "within.ckpt").exists()
    run(folder, "resume", "killed")
    expected, killed = (torch.load(each / "model_tiny.pth", weights_only=True) for each in (whole, folder / "killed"))
    assert expected["features"] == killed["features"]
    for name, value in expected["state_dict"].items():
        assert torch.equal(value, killed["state_dict"][name])
    for name in ("predictions_tiny.csv", "scaler_tiny.json"):
        assert (whole / name).read_bytes() == (folder / "killed" / name).read_bytes()


def test_a_run_says_which_classes_they_were(whole):
    info = json.loads((whole / "info_tiny.json").read_text())
    feature, change = info["classes"]["features"]["distances"], info["classes"]["augment"]["shift"]
    assert (feature["class"], change["class"]) == ("joint_distances.JointDistances", "shifts.Shift")
    assert len(feature["sha256"]) == 64
    assert info["features"]["distances"]["_target_"] == "joint_distances.JointDistances"


def test_graphs_and_the_model_file_answer_as_the_network(folder, whole, monkeypatch):
    graph = ("--format", "onnx")
    trust = ("--trust", "joint_distances.JointDistances")
    for name, arguments in (("model.onnx", graph), ("steps.onnx", (*graph, "--stateful")), ("model.zip", ())):
        # compares the answers before it writes; the feature looks at one frame, so that there is a state
        run(folder, "export", str(whole), "-o", name, *arguments, *trust, PYTHONPATH="conf")
        assert (folder / name).exists()
    monkeypatch.syspath_prepend(str(folder / "conf"))
    motion = np.random.default_rng(0).normal(size=(60, 25, 3)).cumsum(axis=0).astype(np.float32) * 0.05
    models = (load(path, trust=[trust[1]]) for path in (folder / "model.zip", whole))
    answers = (model.predict(motion, rate_hz=10.0) for model in models)
    bundle, network = (answer.values for answer in answers)
    np.testing.assert_array_equal(bundle, network)
