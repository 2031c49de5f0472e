"""Signals at random moments of short trainings: each training leaves soon, and says truly how.

``GESTURELAB_SIGNALS`` is how many there are in all (16).
"""

import json
import os
import random
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import Command, Process

UNMEASURED = True

PATHS = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
COUNT = int(os.environ.get("GESTURELAB_SIGNALS", "16"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
TRAIN = ("train", "trainer=cpu", "trainer.threads=1", "callbacks=none")
QUICK = ("data.people=8", "data.repetitions=1", "model.hidden=8", "model.layers=1", "trainer.batch_size=16")
LEAVES_S = 60
"""Nothing healthy takes so long to leave, on a machine with much else to do."""


@contextmanager
def begun(kind: type[Command], folder: Path, *overrides: str) -> Generator[Command]:
    """A training whose process answers signals by now."""
    options = (*TRAIN, *QUICK, *overrides, "hydra.run.dir=run")
    with kind(*options, folder=folder, PYTHONPATH=PATHS, PYTHONUNBUFFERED="1") as command:
        wait(command, lambda: answers(command.pid, signal.SIGUSR2))
        yield command


def wait(command: Command, condition) -> None:
    until = time.monotonic() + 120
    while not condition() and command.poll() is None:
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.005)


def answers(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def require_true(folder: Path, number: signal.Signals, command: Command) -> None:
    """It leaves soon, and what the run says of itself agrees with the exit status and the signal."""
    code = command.wait(LEAVES_S)
    said, run = command.stdout + command.stderr, folder / "run"
    status = json.loads((run / "status.json").read_text()) if (run / "status.json").exists() else None
    assert "Traceback" not in said, said
    if code == 0:  # it was quicker
        assert status is not None
        assert status["state"] == "done"
        assert (run / "info_tiny.json").exists()
        return
    assert code == (130 if number is signal.SIGINT else 75), said
    reason = "stopped by Ctrl-C" if number is signal.SIGINT else f"left on {number.name}"
    assert reason in said
    assert not (run / "info_tiny.json").exists()
    if status is not None:
        assert status["state"] == "stopped", status
        assert reason in status["reason"]
    elif number is signal.SIGINT:
        assert not run.exists(), "of a run that never began nothing is left"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
@pytest.mark.parametrize("moment", range(COUNT))
def test_a_training_leaves_soon_after_a_signal_at_any_moment(tmp_path, moment):
    draw, number = random.Random(f"moment {moment}"), SIGNALS[moment % len(SIGNALS)]
    kind = Process if moment < len(SIGNALS) else Command  # the first are met while they import torch, or later
    epochs = draw.choice((3, 100_000))  # the first mostly ends while it is told to leave, the other never would
    with begun(kind, tmp_path, f"trainer.max_epochs={epochs}") as command:
        if draw.random() < 0.6:
            wait(command, (tmp_path / "run" / "checkpoints").exists)
        time.sleep(draw.uniform(0, 3 if kind is Process else 1))
        command.signal(number)
        require_true(tmp_path, number, command)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_logger_that_swallows_every_exception_holds_nobody_up(tmp_path, number):
    options = ("trainer.max_epochs=100000", "logger=none", "+logger.mine._target_=swallowing.Swallowing")
    with begun(Command, tmp_path, *options) as command:
        wait(command, lambda: any((tmp_path / "run").glob("checkpoints/last.ckpt")))
        time.sleep(random.Random(number.name).uniform(0, 0.5))
        command.signal(number)
        require_true(tmp_path, number, command)
        assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "stopped"
        assert "goes on without it" not in command.stdout + command.stderr
