"""What tests on a real Slurm share: the cluster, commands, and looking until something has happened."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gesturelab.runs.status import read_status

TESTBED = Path(__file__).parents[1] / "slurm" / "testbed" / "testbed.sh"
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")
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


def restarts(task):
    """How often a job went back into the queue."""
    return int(slurm("scontrol", "show", "job", task).split("Restarts=")[1].split()[0])


def tell_to_leave(task, *options):
    """The signal that Slurm sends near the time limit; again while the task is between two states, or not begun.

    A command that fails may have sent it all the same: a job that went back is not told twice.
    """
    tell, before = ("scancel", "--signal=USR2", *options, task), restarts(task)
    until(lambda: subprocess.run(tell, capture_output=True, check=False).returncode == 0 or restarts(task) > before)


def until(condition, seconds=120):
    """Waits for another process; fails after a time that nothing healthy takes."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
    return found


def status(folder):
    """What a job says of itself."""
    return read_status(folder)


@pytest.fixture(scope="session")
def testbed():
    """Runs a command of the testbed; SLURM_CONF in the environment points to it."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [program for program in PROGRAMS if shutil.which(program, path=path) is None]:
        pytest.skip(f"a Slurm for tests needs {', '.join(missing)} (apt: slurm-wlm munge slurmdbd mariadb-server)")
    folder = Path("/tmp") / f"gesturelab-testbed-{os.getpid()}"  # a socket's path must be short
    port = str(28000 + 20 * (os.getpid() % 100))  # a testbed takes 15 of them
    environment = os.environ | {"GESTURELAB_TESTBED": str(folder), "GESTURELAB_TESTBED_PORT": port}

    def testbed(*arguments):
        done = subprocess.run([TESTBED, *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    guard = subprocess.Popen(  # of an interrupted worker nobody cleans up
        [TESTBED, "guard", str(os.getpid())],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        try:
            testbed("start")
            patch.setenv("SLURM_CONF", str(folder / "etc" / "slurm.conf"))
            yield testbed
        finally:
            guard.terminate()
            guard.wait()
            testbed("stop")
