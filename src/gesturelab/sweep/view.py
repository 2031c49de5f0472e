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

from gesturelab.sweep.local import Task, Watcher
from gesturelab.sweep.status import State, Status, is_alive, read_status
from gesturelab.sweep.stop import PRUNED

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


def status_table(rows: Sequence[tuple[str, Path]], caption: str = "") -> Table:
    """One line a job: state, epoch, losses, validation accuracy, remaining time."""
    table = Table(box=None, caption=caption, caption_justify="left", pad_edge=False)
    for heading in ("job", "state", "epoch", "loss", "validation", "accuracy", "best", "remaining", ""):
        table.add_column(heading, overflow="fold", justify="left" if heading in ("job", "state", "") else "right")
    for name, folder in rows:
        table.add_row(name, *cells(folder))
    return table


def cells(folder: Path) -> list[str]:
    """What a job's status file says: state, epoch, training and validation loss, accuracy, best, time left, reason."""
    status = read_status(folder) or Status()
    state = status.get("state", "unknown")
    if state == State.running and not is_alive(folder, status):
        state = "died"
    if state == State.stopped and status.get("reason", "").startswith(PRUNED):
        state = "pruned"
    metrics = status.get("metrics", {})
    best = status.get("best_validation_accuracy")
    return [
        state,
        f"{status.get('epoch', 0)}/{status['max_epochs']}" if "max_epochs" in status else "",
        *(f"{metrics[key]:.3f}" if key in metrics else "" for key in ("train_loss", "validation_loss")),
        f"{100 * metrics['validation_accuracy']:.1f} %" if "validation_accuracy" in metrics else "",
        f"{100 * best:.1f} %" if best is not None else "",
        remaining(status) if state == State.running else "",
        status.get("reason", ""),
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
    left = max(left, 0.0)
    return f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min" if left < 5400 else f"{left / 3600:.1f} h"
