"""What tests on a real Slurm share; the cluster itself is the fixture `testbed` in slurm/conftest.py."""

import subprocess
import sys
import time

from gesturelab.sweep.status import read_status

SMALL = ("trainer=debug", "data.people=7", "data.repetitions=1", "model.hidden=16", "callbacks=none")
ONE_CORE = ("hydra/launcher=slurm", "launcher.poll_s=0.5", "launcher.cpus_per_task=1", "launcher.gpus_per_node=1")


def command(*arguments):
    """A gesturelab command."""
    return [sys.executable, "-m", "gesturelab", *arguments]


def gesturelab(*arguments, folder):
    """The finished command, whatever its exit status."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def slurm(*arguments):
    """What a command of Slurm prints."""
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


def until(condition, seconds=120):
    """Waits for another process; fails after a time that nothing healthy takes."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
    return found


def status(folder):
    """What a job says of itself."""
    return read_status(folder) or {}
