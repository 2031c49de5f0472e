"""``gesturelab.train`` from Python, as in a notebook."""

import os
import signal
import subprocess
import sys

import pytest

import gesturelab
from gesturelab.errors import PreemptedError, RunError
from gesturelab.training import experiment

QUICK = ["trainer=cpu", "trainer.max_epochs=1", "data.people=6", "data.repetitions=1", "model.hidden=8"]


def test_a_training_from_python_is_the_run_of_the_command_line_and_its_scores_are_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = gesturelab.train([*QUICK, "name=notebook"])
    assert result.folder.parent.name == "notebook"
    assert result.run.complete
    frame = result.to_frame()
    assert sorted(zip(frame["subset"], frame["level"], strict=True)) == [
        (subset, level) for subset in ("test", "train", "validation") for level in ("recording", "window")
    ]
    tested = frame[(frame["subset"] == "test") & (frame["level"] == "recording")].iloc[0]
    assert tested["accuracy"] == result.info["metrics"]["test"]["recording"]["accuracy"]
    assert len(result.history()) == 1
    again = subprocess.run(
        [sys.executable, "-m", "gesturelab", "train", *QUICK, "name=notebook", "hydra.run.dir=again"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tiny: test accuracy" in again.stdout
    assert (tmp_path / "again" / "model_tiny.pth").read_bytes() == result.run.weights.read_bytes()
    with pytest.raises(RunError, match="already holds a finished run"):
        gesturelab.train([*QUICK, "name=notebook"], result.folder)


def test_a_training_from_python_leaves_on_a_signal_and_can_be_called_again(tmp_path, monkeypatch):
    real = experiment.make_module

    def preempt(*arguments):
        os.kill(os.getpid(), signal.SIGUSR1)
        return real(*arguments)

    before = signal.getsignal(signal.SIGUSR1)
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "make_module", preempt)
        with pytest.raises(PreemptedError, match=r"left on SIGUSR1; .*gesturelab resume"):
            gesturelab.train(QUICK, tmp_path / "run")
    assert signal.getsignal(signal.SIGUSR1) is before
    assert gesturelab.train(QUICK, tmp_path / "run").run.complete
