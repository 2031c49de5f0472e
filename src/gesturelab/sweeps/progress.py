"""Shows a sweep as it goes: a table of its jobs, and one line each time something happens."""

import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from gesturelab.progress import rough_duration
from gesturelab.runs.slurm import SlurmTask, ended_tasks, my_tasks
from gesturelab.runs.status import PRUNED, State, Status, find_slurm_task, is_alive, read_status
from gesturelab.sweeps.local import Task, Watcher
from gesturelab.sweeps.slurm import describe_ending, find_job_id

log = logging.getLogger(__name__)

REFRESH_S = 1.0
HEADINGS = ("job", "state", "epoch", "loss", "validation", "accuracy", "best", "time", "remaining")
SLURM_HEADINGS = ("node", "requeues", "Slurm job")


class LiveTable:
    """A table of the running jobs that refreshes itself on a terminal; nothing where the output goes elsewhere."""

    def __init__(self) -> None:
        self.on_terminal = sys.stdout.isatty()
        self._live = Live(console=Console(), auto_refresh=False, transient=True)
        self._next = 0.0

    def show(self, running: Sequence[Task], caption: str = "") -> None:
        """Shows the table, or refreshes it every second."""
        if not self.on_terminal or not running or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + REFRESH_S
        self._live.start()
        self._live.update(status_table(running, caption), refresh=True)

    def hide(self) -> None:
        """Removes the table until it is shown again, so that lines can be printed."""
        self._live.stop()
        self._next = 0.0


class ProgressView(Watcher):
    """A line when a job ends, and one when it begins or, on a terminal, a table of the running ones."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0
        self._table = LiveTable()

    def began(self, task: Task) -> None:
        """Names the job."""
        if not self._table.on_terminal:
            log.info("began   %s", task.name)

    def ended(self, task: Task) -> None:
        """Prints how it ended."""
        self._ended += 1
        self._table.hide()
        status = read_status(task.folder)
        details = status.get("reason") or describe_progress(status)
        log.info("%-7s %s  %s  (%d of %d)", status.get("state", "failed"), task.name, details, self._ended, self._total)

    def tick(self, running: Sequence[Task]) -> None:
        """Refreshes the table."""
        self._table.show(running, f"{self._ended} of {self._total} ended")


def status_table(tasks: Sequence[Task], caption: str = "", states: Sequence[tuple[str, str]] | None = None) -> Table:
    """One line a job: state, epoch, losses, validation accuracy, remaining time; under Slurm node, requeues, job.

    Args:
        tasks: The jobs.
        caption: Stands below.
        states: Their `job_states`, if these have been read already.
    """
    statuses = [read_status(task.folder) for task in tasks]
    states = job_states([task.folder for task in tasks]) if states is None else states
    in_slurm = any("slurm_name" in status for status in statuses)
    headings = [*HEADINGS, *(SLURM_HEADINGS if in_slurm else ()), ""]
    table = Table(box=None, caption=caption, caption_justify="left", pad_edge=False)
    for heading in headings:
        left = heading in ("job", "state", "", *SLURM_HEADINGS)
        table.add_column(heading, overflow="fold", justify="left" if left else "right")
    for task, status, (state, reason) in zip(tasks, statuses, states, strict=True):
        slurm = [status.get("node", ""), str(status.get("requeues", "")), find_job_id(task.folder, status) or ""]
        table.add_row(task.name, state, *_cells(status, state), *(slurm if in_slurm else ()), reason)
    return table


def job_states(folders: Sequence[Path]) -> list[tuple[str, str]]:
    """For each job its state and the reason: what its status file says, corrected by Slurm and by whether it lives.

    The state is one of `State`, or pending (Slurm has it, and will begin it), pruned (a search gave it up), or died (it
    could not write how it ended).
    """
    statuses = {folder: read_status(folder) for folder in folders}
    alive = {folder: is_alive(folder, status) for folder, status in statuses.items()}
    lost = {
        folder: find_job_id(folder, status)
        for folder, status in statuses.items()
        if "slurm_name" in status and status.get("state") in (State.running, State.queued) and not alive[folder]
    }
    ended = ended_tasks([job for job in lost.values() if job is not None])
    return [_state(status, alive[folder], ended.get(lost.get(folder) or "")) for folder, status in statuses.items()]


def _state(status: Status, alive: bool, ended: SlurmTask | None) -> tuple[str, str]:
    state, reason = status.get("state", "unknown"), status.get("reason", "")
    if ended is not None:
        return describe_ending(ended)
    if alive and "slurm_name" in status:
        task = find_slurm_task(status, my_tasks() or [])
        if task is not None and task.state in ("PENDING", "REQUEUED", "CONFIGURING"):
            return "pending", reason or (task.reason if task.reason not in ("None", "") else "")
    if state == State.running and not alive:
        return "died", reason
    if state == State.stopped and reason.startswith(PRUNED):
        return "pruned", reason
    if state == State.queued and not alive and "slurm_name" in status:
        return "died", "Slurm does not have it; the same command begins it again"
    return state, reason


def _cells(status: Status, state: str) -> list[str]:
    """Epoch, training and validation loss, accuracy, best accuracy, time of this attempt, time left."""
    metrics = status.get("metrics", {})
    best = status.get("best_validation_accuracy")
    return [
        _shown_epoch(status, state),
        *(f"{metrics[key]:.3f}" if key in metrics else "" for key in ("train_loss", "validation_loss")),
        f"{100 * metrics['validation_accuracy']:.1f} %" if "validation_accuracy" in metrics else "",
        f"{100 * best:.1f} %" if best is not None else "",
        _elapsed_time(status),
        remaining_time(status) if state == State.running else "",
    ]


def _shown_epoch(status: Status, state: str) -> str:
    if "max_epochs" not in status:
        return ""
    if state == State.running and "refit_max_epochs" in status:
        return f"refit {status.get('refit_epoch', 0)}/{status['refit_max_epochs']}"
    return f"{status.get('epoch', 0)}/{status['max_epochs']}"


def describe_progress(status: Status) -> str:
    """How far a run came, in words."""
    accuracy = status.get("metrics", {}).get("validation_accuracy")
    shown = f", validation accuracy {100 * accuracy:.1f} %" if accuracy is not None else ""
    return f"{status.get('epoch', 0)} of {status.get('max_epochs', '?')} epochs{shown}"


def remaining_time(status: Status) -> str:
    """The time left if all epochs are trained, those of a refit too, at the mean pace so far.

    >>> remaining_time({"epoch": 2, "max_epochs": 5, "epoch_s": 40.0})
    '2 min'
    >>> remaining_time({"epoch": 2, "max_epochs": 5, "refit_epoch": 0, "epoch_s": 60.0})
    '8 min'
    """
    if "epoch_s" not in status or "max_epochs" not in status:
        return ""
    epochs = status["max_epochs"] - status.get("epoch", 0)
    if "refit_max_epochs" in status:  # the training before it may have stopped early
        epochs = status["refit_max_epochs"] - status.get("refit_epoch", 0)
    elif "refit_epoch" in status:
        epochs += status["max_epochs"]
    return rough_duration(max(epochs * status["epoch_s"], 0.0))


def _elapsed_time(status: Status) -> str:
    """How long this attempt took, or has been at work."""
    if "started" not in status or status.get("state") == State.queued:
        return ""
    finished = status.get("finished")
    until = datetime.fromisoformat(finished) if finished else datetime.now(UTC)
    return rough_duration((until - datetime.fromisoformat(status["started"])).total_seconds())
