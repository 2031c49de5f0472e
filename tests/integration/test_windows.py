"""What Windows does not have is needed for Slurm only. Tried on a system that hides it, not on Windows itself."""

import json
import subprocess
import sys

from command import untraced

HIDE = """\
import os, sys

MODULES = ("fcntl", "grp", "pwd", "pty", "resource", "termios", "tty")
for name in MODULES:
    sys.modules[name] = None

def hide_functions():  # signals stay: Lightning restores each that the system has
    for name in "fork getloadavg getpgrp getuid killpg sched_getaffinity setsid statvfs uname".split():
        delattr(os, name)

from gesturelab.cli.main import main
"""
COMPOSE = "assert main(['--help']) == 0; assert main(['train', '--cfg', 'job']) == 0"
TRAIN = """\
for name in MODULES:
    del sys.modules[name]
import torch, lightning, pandas, matplotlib.pyplot, filelock, multiprocessing.util  # they know which system this is
for name in MODULES:
    sys.modules[name] = None
hide_functions()
assert main(["train", "trainer=debug", "data.people=7", "data.repetitions=1", "model.hidden=16",
    "trainer.refit=false", "hydra.run.dir=run"]) == 0
"""


def finished(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", HIDE + code], cwd=folder, env=untraced(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_help_and_configurations_need_nothing_of_unix(tmp_path):
    assert "max_steps: " in finished(COMPOSE, tmp_path)


def test_a_training_needs_nothing_of_unix(tmp_path):
    finished(TRAIN, tmp_path)
    info = json.loads((tmp_path / "run" / "info_tiny.json").read_text())
    assert info["cost"]["load"] == 0
    assert info["metrics"]["test"]["recording"]["count"] > 0
