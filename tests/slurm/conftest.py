"""A real Slurm on this machine, started once for the tests that ask for it and stopped at the end."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTBED = HERE.parents[1] / "slurm" / "testbed" / "testbed.sh"
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")


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
