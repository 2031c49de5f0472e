"""Signals at random moments of short trainings: each training leaves soon, and says truly how.

``GESTURELAB_SIGNALS`` is how many there are in all (16).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

UNMEASURED = True

TESTS = Path(__file__).parents[1]
COUNT = int(os.environ.get("GESTURELAB_SIGNALS", "16"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
TRAIN = (sys.executable, "-m", "gesturelab", "train", "trainer=cpu", "trainer.threads=1", "callbacks=none")
QUICK = ("data.people=8", "data.repetitions=1", "model.hidden=8", "model.layers=1", "trainer.batch_size=16")
LEAVES_S = 60
"""Nothing healthy takes so long to leave, on a machine with much else to do."""


def begin(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    """A training whose process answers signals by now."""
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(
            [*TRAIN, *QUICK, *overrides, "hydra.run.dir=run"],
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}", "PYTHONUNBUFFERED": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's job ignores it
        )
    wait(process, lambda: answers(process.pid, signal.SIGUSR2))
    return process


def wait(process: subprocess.Popen[str], condition) -> None:
    until = time.monotonic() + 120
    while not condition() and process.poll() is None:
        if time.monotonic() > until:
            process.kill()
            pytest.fail("it did not happen")
        time.sleep(0.005)


def answers(pid: int, number: int) -> bool:
    """Whether a process has a handler of its own for a signal."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def leave(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(LEAVES_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"still there {LEAVES_S} s after the signal")


def require_true(folder: Path, number: signal.Signals, code: int) -> None:
    """What the run says of itself agrees with the exit status and the signal."""
    said, run = (folder / "said").read_text(), folder / "run"
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
    epochs = draw.choice((3, 100_000))  # the first mostly ends while it is told to leave, the other never would
    process = begin(tmp_path, f"trainer.max_epochs={epochs}")
    if draw.random() < 0.6:
        wait(process, (tmp_path / "run" / "checkpoints").exists)
    time.sleep(draw.uniform(0, 3))
    process.send_signal(number)
    require_true(tmp_path, number, leave(process))


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_logger_that_swallows_every_exception_holds_nobody_up(tmp_path, number):
    process = begin(tmp_path, "trainer.max_epochs=100000", "logger=none", "+logger.mine._target_=swallowing.Swallowing")
    wait(process, lambda: any((tmp_path / "run").glob("checkpoints/last.ckpt")))
    time.sleep(random.Random(number.name).uniform(0, 0.5))
    process.send_signal(number)
    require_true(tmp_path, number, leave(process))
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "stopped"
    assert "goes on without it" not in (tmp_path / "said").read_text()
