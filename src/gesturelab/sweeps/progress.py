"""Shows a sweep as it goes: one line a job on a terminal, else one line each time something happens."""

import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gesturelab.runs.slurm import SlurmTask, ended_tasks, my_tasks
from gesturelab.runs.status import State, Status, is_alive, read_status
from gesturelab.runs.stop_request import PRUNED
from gesturelab.sweeps.local import Task, Watcher
from gesturelab.sweeps.slurm.submission import job_id
from gesturelab.sweeps.slurm.watch import in_queue, in_words

log = logging.getLogger(__name__)

REFRESH_S = 1.0


def watcher(total: int) -> Watcher:
    """The view that fits where the output goes."""
    return LiveView(total) if sys.stdout.isatty() else PlainView(total)


class PlainView(Watcher):
    """A line when a job begins, and one when it ends."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    def began(self, task: Task) -> None:
        """Names the job."""
        log.info("began   %s", task.name)

    def ended(self, task: Task) -> None:
        """Says how it ended."""
        self._ended += 1
        status = read_status(task.folder) or Status()
        said = status.get("reason") or progress(status)
        log.info("%-7s %s  %s  (%d of %d)", status.get("state", "failed"), task.name, said, self._ended, self._total)


class LiveView(Watcher):
    """A table of the running jobs that refreshes itself; ended ones leave a line above it."""

    def __init__(self, total: int) -> None:
        self._plain = PlainView(total)
        self._total = total
        self._ended = 0
        self._next = 0.0
        self._live = Live(console=Console(), auto_refresh=False, transient=True)

    def began(self, task: Task) -> None:
        """Opens the table."""
        self._live.start()

    def ended(self, task: Task) -> None:
        """Leaves a line above the table."""
        self._ended += 1
        self._live.stop()
        self._plain.ended(task)
        if self._ended < self._total:
            self._live.start()

    def tick(self, running: Sequence[Task]) -> None:
        """Refreshes the table every second."""
        if time.monotonic() < self._next or not running:
            return
        self._next = time.monotonic() + REFRESH_S
        rows = [(task.name, task.folder) for task in running]
        self._live.update(status_table(rows, f"{self._ended} of {self._total} ended"), refresh=True)


HEADINGS = ("job", "state", "epoch", "loss", "validation", "accuracy", "best", "time", "remaining")
SLURM_HEADINGS = ("node", "requeues", "Slurm job")


def status_table(
    rows: Sequence[tuple[str, Path]], caption: str = "", states: Sequence[tuple[str, str]] | None = None
) -> Table:
    """One line a job: state, epoch, losses, validation accuracy, remaining time; under Slurm node, requeues, job.

    Args:
        rows: Each job's name and folder.
        caption: Stands below.
        states: What `job_states` says of them, if it was asked already.
    """
    statuses = [read_status(folder) or Status() for _, folder in rows]
    states = job_states([folder for _, folder in rows]) if states is None else states
    in_slurm = any("slurm_name" in status for status in statuses)
    headings = [*HEADINGS, *(SLURM_HEADINGS if in_slurm else ()), ""]
    table = Table(box=None, caption=caption, caption_justify="left", pad_edge=False)
    for heading in headings:
        left = heading in ("job", "state", "", *SLURM_HEADINGS)
        table.add_column(heading, overflow="fold", justify="left" if left else "right")
    for (name, folder), status, (state, reason) in zip(rows, statuses, states, strict=True):
        slurm = [status.get("node", ""), str(status.get("requeues", "")), job_id(folder, status) or ""]
        table.add_row(name, state, *cells(status, state), *(slurm if in_slurm else ()), reason)
    return table


def job_states(folders: Sequence[Path]) -> list[tuple[str, str]]:
    """For each job its state and the reason: its status file's word, corrected by Slurm's and by whether it lives.

    The state is one of `State`, or pending (Slurm has it, and will begin it), or died (it never said how it ended).
    """
    statuses = [read_status(folder) or Status() for folder in folders]
    alive = [is_alive(folder, status) for folder, status in zip(folders, statuses, strict=True)]
    over = [
        status.get("state") in (State.running, State.queued) and not living and "slurm_name" in status
        for status, living in zip(statuses, alive, strict=True)
    ]
    ids = [
        job_id(folder, status) if dead else None for folder, status, dead in zip(folders, statuses, over, strict=True)
    ]
    ended = ended_tasks([each for each in ids if each is not None])
    return [
        _state(status, living, ended.get(number or ""))
        for status, living, number in zip(statuses, alive, ids, strict=True)
    ]


def _state(status: Status, alive: bool, ended: SlurmTask | None) -> tuple[str, str]:
    state, reason = status.get("state", "unknown"), status.get("reason", "")
    if ended is not None:
        return in_words(ended)
    if alive and "slurm_name" in status:
        task = in_queue(status, my_tasks() or [])
        if task is not None and task.state in ("PENDING", "REQUEUED", "CONFIGURING"):
            return "pending", reason or (task.reason if task.reason not in ("None", "") else "")
    if state == State.running and not alive:
        return "died", reason
    if state == State.stopped and reason.startswith(PRUNED):
        return "pruned", reason
    if state == State.queued and not alive and "slurm_name" in status:
        return "died", "Slurm does not have it; the same command begins it again"
    return state, reason


def cells(status: Status, state: str) -> list[str]:
    """Epoch, training and validation loss, accuracy, best accuracy, time of this attempt, time left."""
    metrics = status.get("metrics", {})
    best = status.get("best_validation_accuracy")
    return [
        f"{status.get('epoch', 0)}/{status['max_epochs']}" if "max_epochs" in status else "",
        *(f"{metrics[key]:.3f}" if key in metrics else "" for key in ("train_loss", "validation_loss")),
        f"{100 * metrics['validation_accuracy']:.1f} %" if "validation_accuracy" in metrics else "",
        f"{100 * best:.1f} %" if best is not None else "",
        _taken(status),
        remaining(status) if state == State.running else "",
    ]


def progress(status: Status) -> str:
    """How far a run came, in words."""
    accuracy = status.get("metrics", {}).get("validation_accuracy")
    shown = f", validation accuracy {100 * accuracy:.1f} %" if accuracy is not None else ""
    return f"{status.get('epoch', 0)} of {status.get('max_epochs', '?')} epochs{shown}"


def remaining(status: Status, now: datetime | None = None) -> str:
    """The time left if all epochs are trained, at the mean pace so far.

    >>> remaining({"epoch": 2, "max_epochs": 5, "epoch_s": 40.0})
    '2 min'
    """
    if "epoch_s" not in status or "max_epochs" not in status:
        return ""
    left = (status["max_epochs"] - status.get("epoch", 0)) * status["epoch_s"]
    if "heartbeat" in status and now is not None:
        left -= (now.astimezone(UTC) - datetime.fromisoformat(status["heartbeat"])).total_seconds()
    return _in_words(max(left, 0.0))


def _taken(status: Status) -> str:
    """How long this attempt took, or has been at work."""
    if "started" not in status or status.get("state") == State.queued:
        return ""
    until = status.get("finished") or datetime.now(UTC).isoformat()
    return _in_words((datetime.fromisoformat(until) - datetime.fromisoformat(status["started"])).total_seconds())


def _in_words(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
