"""Runs several jobs at a time on this machine, each in a process of its own.

Plain subprocesses, not a pool of workers: a job that is killed takes nothing with it, the environment (threads, GPUs)
is set before anything is imported, and the exit status shows how a process ended.
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
from gesturelab.runs.signals import defer_signals, kill_group, pass_on, received_signal, sleep
from gesturelab.runs.status import State, complete_status

POLL_S = 0.05
GRACE_S = 60.0
"""How long jobs may take to keep their checkpoint after Ctrl-C."""

Command = Callable[[Path], Sequence[str]]
"""From a run's folder to the command that trains in it."""


KILLED = 9
"""SIGKILL, which Windows does not have."""


@dataclass(frozen=True)
class Task:
    """A job to run: its name, and its folder, which holds ``config.yaml``."""

    name: str
    folder: Path


class Watcher:
    """Follows jobs while they run; this one does nothing."""

    def began(self, task: Task) -> None:
        """A job's process has started."""

    def ended(self, task: Task) -> None:
        """A job's process has ended; its status file holds how."""

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
    """Runs tasks, as many at a time as there are slots; how each ended is in its ``status.json``.

    Each process holds the other end of a pipe as its input, and ends itself when that closes, so none outlives this
    one. Ctrl-C stops all and waits until they have kept what they have; a second one ends them at once.

    Args:
        tasks: Begun in this order.
        slots: The environment variables of each slot.
        watcher: Follows the jobs.
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
            complete_status(task.folder, partial(_describe_exit, process.returncode))
            watcher.ended(task)

    try:
        while waiting or running:
            while waiting and free:
                task, slot = waiting.popleft(), free.pop()
                running[task] = (_start_process(command(task.folder), task.folder, slot), slot)
                watcher.began(task)
            sleep(POLL_S)
            collect()
            watcher.tick(list(running))
    except BaseException:
        _end_processes(running, received_signal() or signal.SIGINT, collect)
        raise
    finally:
        _end_processes(running, None, collect)


def _start_process(command: Sequence[str], folder: Path, slot: Mapping[str, str]) -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    with RunDir(folder).log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **slot, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches this process only, which signals the jobs
        )


def _end_processes(
    running: Mapping[Task, tuple[subprocess.Popen[bytes], Mapping[str, str]]],
    number: signal.Signals | None,
    collect: Callable[[], None],
) -> None:
    for process, _ in running.values():
        with suppress(ProcessLookupError):
            kill_group(process.pid) if number is None else pass_on(process, number)
    until = time.monotonic() + GRACE_S
    while running and time.monotonic() < until:
        time.sleep(POLL_S)
        collect()


def _describe_exit(status: int) -> tuple[State, str]:
    """State and reason of a job whose process wrote neither."""
    if status in (-signal.SIGINT, StoppedError.exit_status):
        return State.stopped, "stopped by Ctrl-C"
    if status == PreemptedError.exit_status:
        return State.stopped, "asked to leave before it began"
    if status == -KILLED:
        return State.failed, "killed by SIGKILL (the system does so when memory runs out)"
    if status < 0:
        return State.failed, f"killed by {signal.Signals(-status).name}"
    return State.failed, f"ended with exit status {status} before it began; see its log"


def end_with_parent() -> None:
    """Makes this process, and what it started, end when the process that started it does, however that ends.

    For the processes of `run_tasks`: their input is a pipe on which nothing ever comes but its end.
    """
    import threading

    def wait() -> None:
        with suppress(OSError):
            while os.read(0, 1):
                pass
        kill_group(os.getpgrp() if hasattr(os, "getpgrp") else os.getpid())

    threading.Thread(target=wait, daemon=True).start()
