"""Signals by which a machine asks a process to leave, as a queue does that needs the node; and how we answer them."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from gesturelab.errors import PreemptedError, StoppedError

SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)  # Windows has the first only
)
EXIT_STATUS = PreemptedError.exit_status

_told: signal.Signals | None = None
_patient = False
_listening = False


def listen() -> None:
    """From now on these signals end the process as Ctrl-C would; in a job of our Slurm launcher others answer them."""
    global _listening
    if "SUBMITIT_EXECUTOR" in os.environ or threading.current_thread() is not threading.main_thread():
        return
    _listening = True
    for number in SIGNALS:
        signal.signal(number, _hear)


def listen_again() -> None:
    """Takes the signals back from a library that took them."""
    if _listening:
        listen()


@contextmanager
def defer_signals() -> Generator[None]:
    """In the block the signals are noted only: what is at work looks for them, and leaves when it has kept its work."""
    global _patient
    _patient = _listening
    try:
        yield
    finally:
        _patient = False


def told() -> signal.Signals | None:
    """The signal that asked this process to leave."""
    return _told


def stopped(what: str) -> StoppedError:
    """The error of a training that was stopped: by whom, and then `what`."""
    if _told is not None:
        return PreemptedError(f"left on {_told.name}{what}")
    return StoppedError(f"stopped by Ctrl-C{what}")


def _hear(number: int, _frame: FrameType | None, *_: Any) -> None:
    global _told
    first, _told = _told is None, signal.Signals(number)
    if first and not _patient:
        raise KeyboardInterrupt
