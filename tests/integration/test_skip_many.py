"""A sweep of 200 finished runs is skipped in seconds, without torch."""

import resource
import subprocess
import sys

import pytest
from command import untraced

from gesturelab.runs.folder import find_runs
from processes import on_this_machine

PREPARE = """
from gesturelab.cli.main import main
from gesturelab.runs.folder import RunDir
from gesturelab.sweeps import local

def quick(tasks, slots, watcher):
    for task in tasks:
        for path in RunDir(task.folder, task.folder.name.split(",")[0].removeprefix("model=")).artefacts:
            path.touch()

local.run_tasks = quick
main(["train", "-m", "model=tiny,small", "seed=range(100)", "hydra.sweep.dir=there", "hydra/launcher=local"])
"""
SKIP = """
import sys
from gesturelab.cli.main import main
try:
    main(["train", "-m", "model=tiny,small", "seed=range(100)", "hydra.sweep.dir=there"])
finally:
    print("torch" in sys.modules)
"""


@pytest.mark.slow
def test_two_hundred_finished_runs_are_skipped_in_ten_seconds(tmp_path):
    subprocess.run([sys.executable, "-c", PREPARE], cwd=tmp_path, env=untraced(), check=False, capture_output=True)
    assert len(find_runs(tmp_path)) == 200
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-c", SKIP]
    skipped = subprocess.run(command, cwd=tmp_path, env=untraced(), check=True, capture_output=True, text=True)
    assert skipped.stdout.splitlines()[-2:] == ["200 jobs: 200 skipped", "False"]
    # computing time: what others do on this machine does not count
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < on_this_machine(10)
