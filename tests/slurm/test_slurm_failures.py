"""What goes wrong on a cluster: killed, lost, preempted, out of time; what is told; and that nothing is lost."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gesturelab.runs.folder import RunDir
from processes import running
from slurm_testbed import ONE_CORE, SMALL, command, gesturelab, restarts, slurm, status, tell_to_leave, until

UNMEASURED = True
pytestmark = pytest.mark.slurm

LONG = (*SMALL, "trainer.max_epochs=80", "+callbacks.pace._target_=pace.Pace")
JOBS = ("optimizer.lr=1e-3,1e30", "seed=0,1,2,3")
SWEEP = ("train", "-m", *JOBS, *LONG, *ONE_CORE, "launcher.exclude=node4")


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


def job(root, seed, rate="0.001"):
    return root / f"optimizer.lr={rate},seed={seed}"


@pytest.fixture(scope="module")
def disturbed(testbed, tmp_path_factory):
    """Four good jobs and four that raise, on three nodes; the launcher is killed, then each good job meets a fate."""
    folder = tmp_path_factory.mktemp("disturbed")
    patch = pytest.MonkeyPatch()
    patch.setenv("PACE_S", "0.4")
    patch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}")
    root = folder / "multirun" / "gestures"
    with running(command(*SWEEP), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        until(lambda: all(status(job(root, seed)).get("epoch", 0) >= 3 for seed in (0, 1, 2)))
        first.kill()
    with (
        (folder / "second.log").open("w") as log,
        running(command(*SWEEP), cwd=folder, stdout=log, stderr=subprocess.STDOUT) as second,
    ):
        until(lambda: "waiting for" in (folder / "second.log").read_text())
        os.kill(status(job(root, 0))["pid"], signal.SIGKILL)
        node = status(job(root, 1))["node"]
        slurm("sbatch", "--partition=urgent", f"--nodelist={node}", "--exclusive", "--output=/dev/null", "--wrap=true")
        # Slurm has told it to leave; where it begins again at once, its reason is gone
        until(lambda: "back into the queue" in (now := status(job(root, 1))).get("reason", "") or now["attempt"] > 1)
        lost = status(job(root, 2))["node"]
        testbed("lose", lost.removeprefix("node"))
        until(lambda: status(job(root, 3)).get("epoch", 0) >= 3)
        tell_to_leave(status(job(root, 3))["slurm_job"])
        until(lambda: restarts(status(job(root, 2))["slurm_job"]) == 1)
        testbed("join", lost.removeprefix("node"))
        assert second.wait(timeout=240) == 1
    patch.setenv("PACE_S", "0")
    yield folder, root, (folder / "second.log").read_text()
    patch.undo()


def test_the_same_command_takes_the_sweep_up_and_nothing_runs_twice(disturbed):
    _, root, said = disturbed
    assert "submitted" not in said
    assert len(list(root.glob(".slurm/*/array.json"))) == 1
    for seed in (1, 2, 3):
        log = RunDir(job(root, seed), "tiny").log.read_text()
        assert [f"epoch {epoch:3d} of 80" in log for epoch in range(1, 81)] == [True] * 80
        assert log.count("epoch  80 of 80") == 1


@pytest.mark.parametrize(("seed", "why"), [(1, "preemption"), (2, "lost node"), (3, "time limit")])
def test_requeued_jobs_resume_at_the_epoch_they_left(disturbed, seed, why):
    _, root, said = disturbed
    ended = status(job(root, seed))
    assert ended["state"] == "done", (why, ended)
    assert ended["requeues"] >= 1, (why, ended)
    assert ended["first_epoch"] >= 2
    assert "resuming from" in RunDir(job(root, seed), "tiny").log.read_text()
    assert f"done       optimizer.lr=0.001 seed={seed}" in said


def test_the_killed_one_and_the_ones_that_raise_are_told_truly(disturbed):
    folder, root, said = disturbed
    assert "8 jobs: 3 done, 5 failed" in said, said
    assert "was killed by SIGKILL" in said
    for seed in range(4):
        failed = status(job(root, seed, "1e+30"))
        assert failed["state"] == "failed"
        assert "the loss is not finite" in failed["reason"]
        assert "Traceback" in RunDir(job(root, seed, "1e+30"), "tiny").log.read_text()
    shown = gesturelab("status", "multirun/gestures", folder=folder)
    assert shown.returncode == 1
    assert "8 jobs, 3 done, 5 failed" in shown.stdout.replace("5 failed, 3 done", "3 done, 5 failed")


def test_again_runs_only_what_is_missing_and_weights_are_those_of_undisturbed_runs(disturbed, tmp_path):
    folder, root, _ = disturbed
    good = [part.replace("1e-3,1e30", "1e-3") for part in SWEEP]
    again = gesturelab(*good, folder=folder)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "4 jobs: 1 resumed, 3 skipped" in again.stdout
    assert status(job(root, 0))["first_epoch"] >= 2
    local = ("hydra/launcher=local", "hydra.launcher.n_jobs=2", "hydra.launcher.threads=1")
    whole = gesturelab("train", "-m", "optimizer.lr=1e-3", "seed=0,1,2,3", *LONG, *local, folder=tmp_path)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    for seed in range(4):
        expected = weights(RunDir(tmp_path / "multirun" / "gestures" / f"seed={seed}", "tiny"))
        got = weights(RunDir(job(root, seed), "tiny"))
        assert all(torch.equal(expected[name], got[name]) for name in expected)


APPTAINER = """\
#!/bin/bash
# Records its call, and begins the command where there is no Slurm.
printf '%s\\n' "$*" >> "${0%/*}/calls"
[ "$1" = exec ] && shift || exit 2
while [[ $1 == -* ]]; do
  case $1 in --bind | --pwd) test -d "$2" || exit 255; shift 2 ;; *) exit 2 ;; esac
done
test -e "$1" && shift || exit 255
exec /usr/bin/env PATH="${0%/*}" "$@"
"""


def test_in_a_container_jobs_are_requeued_and_resumed_and_have_the_same_weights(testbed, tmp_path, monkeypatch):
    """One job is near its time limit, one is killed; a stand-in for Apptainer hides Slurm's commands from them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").write_text(APPTAINER)
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    (tmp_path / "lab.sif").touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("PACE_S", "1")
    sweep = ("train", "-m", "seed=0,1", *LONG, "trainer.max_epochs=12")
    inside = (*ONE_CORE, "launcher.container=lab.sif", f"launcher.python={sys.executable}")
    folders = [tmp_path / "multirun" / "gestures" / f"seed={seed}" for seed in range(2)]
    with running(command(*sweep, *inside), cwd=tmp_path, stdout=subprocess.DEVNULL) as launcher:
        until(lambda: status(folders[0]).get("epoch", 0) >= 2)
        tell_to_leave(status(folders[0])["slurm_job"])
        until(lambda: status(folders[1]).get("epoch", 0) >= 2)
        os.kill(status(folders[1])["pid"], signal.SIGKILL)
        assert launcher.wait(timeout=240) == 1
    assert status(folders[1])["state"] == "failed"
    requeued = status(folders[0])
    assert (requeued["state"], requeued["requeues"]) == ("done", 1), requeued
    assert requeued["first_epoch"] >= 2
    monkeypatch.setenv("PACE_S", "0")
    again = gesturelab(*sweep, *inside, folder=tmp_path)
    assert "2 jobs: 1 resumed, 1 skipped" in again.stdout, again.stdout + again.stderr
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert len(calls) == 4  # two jobs, one of them requeued, one begun again
    assert all(f" --bind {tmp_path} " in call for call in calls)
    assert all(f" --pwd {tmp_path} {tmp_path}/lab.sif {sys.executable} -u -m submitit" in call for call in calls)
    whole = gesturelab(*sweep, "hydra.sweep.dir=whole", folder=tmp_path)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    for folder in folders:
        expected = weights(RunDir(tmp_path / "whole" / folder.name, "tiny"))
        got = weights(RunDir(folder, "tiny"))
        assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize("logger", ["csv", "swallowing"])
def test_requeues_are_limited(testbed, tmp_path, monkeypatch, logger):
    """Also while a logger is at work that takes every exception for its own."""
    options = ("trainer.max_epochs=10000", "launcher.max_requeues=0")
    if logger == "swallowing":
        monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}")
        options += ("logger=none", "+logger.mine._target_=swallowing.Swallowing")
    with running(
        command("train", "-m", "seed=0", *SMALL, *ONE_CORE, *options), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as launcher:
        folder = tmp_path / "multirun" / "gestures" / "job"
        until(lambda: status(folder).get("epoch"))
        tell_to_leave(status(folder)["slurm_job"])
        said, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 1
    assert "1 jobs: 1 failed" in said
    assert "max_requeues=0)" in status(folder)["reason"]
    log = RunDir(folder, "tiny").log.read_text()
    assert "goes on without it" not in log


def test_a_job_goes_back_into_the_queue_from_wherever_the_signal_meets_it(testbed, tmp_path):
    """Three times at random moments: also before its first epoch, and while it waits for its data."""
    options = ("trainer.max_epochs=10000", "launcher.max_requeues=2", "trainer.batch_size=16")
    draw = random.Random("requeue")
    with running(
        command("train", "-m", "seed=0", *SMALL, *ONE_CORE, *options), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as launcher:
        folder = tmp_path / "multirun" / "gestures" / "job"
        for attempt in range(3):
            until(lambda number=attempt: status(folder).get("requeues") == number)
            until(lambda: status(folder).get("state") == "running")
            time.sleep(draw.uniform(0, 4))
            tell_to_leave(status(folder)["slurm_job"])
        said, _ = launcher.communicate(timeout=120)
    assert "1 jobs: 1 failed" in said
    assert "for the last time (hydra.launcher.max_requeues=2)" in status(folder)["reason"]
