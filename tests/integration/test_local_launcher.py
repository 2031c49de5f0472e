"""Real trainings through ``hydra/launcher=local``, killed and taken up again."""

import os
import signal
import time

import pytest
import torch
from command import Command, gesturelab

from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import read_status

UNMEASURED = True

QUICK = (
    "trainer=debug",
    "data.people=7",
    "data.repetitions=1",
    "model.hidden=16",
    "trainer.max_epochs=50",
    "trainer.refit=false",
    "callbacks=none",
)
TRAIN = ("train", *QUICK)
SWEEP = (*TRAIN, "-m", "hydra/launcher=local", "hydra.launcher.n_jobs=2", "seed=0,1")


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


def epochs(folder):
    return read_status(folder).get("epoch", 0)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was_and_ends_as_if_undisturbed(tmp_path):
    root = tmp_path / "multirun" / "gestures"
    with Command(*SWEEP, folder=tmp_path) as first:
        end = time.monotonic() + 300
        while epochs(root / "seed=0") < 2:
            assert time.monotonic() < end
            assert first.poll() is None
            time.sleep(0.02)
        os.kill(read_status(root / "seed=0")["pid"], signal.SIGKILL)  # one job alone
        while epochs(root / "seed=1") < 2:
            assert time.monotonic() < end
            time.sleep(0.02)
    again = gesturelab(*SWEEP, folder=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "2 jobs: 2 resumed" in again.stdout
    for seed in (0, 1):
        assert read_status(root / f"seed={seed}")["first_epoch"] >= 1
    log = (root / "seed=0" / "train.log").read_text()
    assert "resuming from" in log
    assert log.count("epoch  50 of 50") == 1
    whole = tmp_path / "whole"
    assert gesturelab(*TRAIN, f"hydra.run.dir={whole}", "seed=0", folder=tmp_path).returncode == 0
    expected, got = weights(RunDir(whole, "tiny")), weights(RunDir(root / "seed=0", "tiny"))
    assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize(
    ("option", "message"),
    [("hydra.launcher.n_jobs=0", "n_jobs=0: must be at least 1"), ("hydra.launcher.njobs=2", "njobs")],
)
def test_a_wrong_option_of_the_launcher_is_told_before_anything_is_written(tmp_path, option, message):
    done = gesturelab(*SWEEP, option, folder=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "multirun").exists()
