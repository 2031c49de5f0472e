"""Runs several jobs at a time on this machine, each in a process of its own.

Plain subprocesses, not a pool of workers: a job that is killed takes nothing with it, the environment (threads, GPUs)
is set before anything is imported, and the exit status tells how a process ended.
"""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gesturelab.errors import PreemptedError, StoppedError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.signals import defer_signals, received_signal, sleep
from gesturelab.runs.status import State, settle_status

POLL_S = 0.05
GRACE_S = 60.0
"""How long jobs may take to keep their checkpoint after Ctrl-C."""

Command = Callable[[Path], Sequence[str]]
"""From a run's folder to the command that trains in it."""


@dataclass(frozen=True)
class Task:
    """A job to run: what to call it, and its folder, which holds ``config.yaml``."""

    name: str
    folder: Path


class Watcher:
    """Is told what happens; this one does nothing with it."""

    def began(self, task: Task) -> None:
        """A job's process has started."""

    def ended(self, task: Task) -> None:
        """A job's process has ended; its status file says how."""

    def tick(self, running: Sequence[Task]) -> None:
        """Some time has passed."""


def train_command(folder: Path) -> list[str]:
    """Trains in a folder in a new process."""
    return [sys.executable, "-m", "gesturelab.cli.job", str(folder)]


@defer_signals()
def run_tasks(
    tasks: Sequence[Task],
    slots: Sequence[Mapping[str, str]],
    watcher: Watcher,
    command: Command = train_command,
) -> None:
    """Runs tasks, as many at a time as there are slots; what became of each is in its ``status.json``.

    Each process holds the other end of a pipe as its input, and ends itself when that closes, so none outlives this
    one. Ctrl-C stops all and waits until they have kept what they have; a second one ends them at once.

    Args:
        tasks: Begun in this order.
        slots: The environment variables of each place.
        watcher: Is told what happens.
        command: What to run for a folder.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when all processes have ended.
    """
    waiting = deque(tasks)
    free = list(reversed(slots))
    running: dict[Task, tuple[subprocess.Popen[bytes], Mapping[str, str]]] = {}

    def collect() -> None:
        for task, (process, slot) in list(running.items()):
            if process.poll() is None:
                continue
            assert process.stdin is not None
            process.stdin.close()
            del running[task]
            free.append(slot)
            settle_status(task.folder, partial(_ending, process.returncode))
            watcher.ended(task)

    try:
        while waiting or running:
            while waiting and free:
                task, slot = waiting.popleft(), free.pop()
                running[task] = (_start(command(task.folder), task.folder, slot), slot)
                watcher.began(task)
            sleep(POLL_S)
            collect()
            watcher.tick(list(running))
    except BaseException:
        _end(running, received_signal() or signal.SIGINT, GRACE_S, collect)
        raise
    finally:
        _end(running, signal.SIGKILL, GRACE_S, collect)


def _start(command: Sequence[str], folder: Path, slot: Mapping[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    with RunDir(folder, "").log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **slot, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches this process only, which then tells the jobs
        )


def _end(
    running: Mapping[Task, tuple[subprocess.Popen[bytes], Mapping[str, str]]],
    how: signal.Signals,
    grace_s: float,
    collect: Callable[[], None],
) -> None:
    for process, _ in running.values():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how) if how == signal.SIGKILL else process.send_signal(how)
    until = time.monotonic() + grace_s
    while running and time.monotonic() < until:
        time.sleep(POLL_S)
        collect()


def _ending(code: int) -> tuple[State, str]:
    """State and reason of a job whose process ended with a status, without a word of its own."""
    if code in (-signal.SIGINT, StoppedError.exit_status):
        return State.stopped, "stopped by Ctrl-C"
    if code == PreemptedError.exit_status:
        return State.stopped, "asked to leave before it began"
    if code == -signal.SIGKILL:
        return State.failed, "killed by SIGKILL (the system does so when memory runs out)"
    if code < 0:
        return State.failed, f"killed by {signal.Signals(-code).name}"
    return State.failed, f"ended with exit status {code} before it began; see its log"


def end_with_parent() -> None:
    """Makes this process, and what it started, end when the process that started it does, however that ends.

    For the processes of `run_tasks`: their input is a pipe on which nothing ever comes but its end.
    """
    import threading

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 1):
                pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
