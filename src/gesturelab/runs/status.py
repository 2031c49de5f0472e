"""``status.json`` of a run: what it is doing now, or how it ended, written by the run itself.

Beside it ``stop.txt``, a small file that asks a run to stop at the end of its epoch, whatever launched it.
"""

import os
import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict, cast

from gesturelab.errors import GesturelabError
from gesturelab.files import read_json, read_text, write_json, write_text
from gesturelab.json_types import odd_value
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.locking import is_locked
from gesturelab.runs.slurm import SlurmTask, my_tasks

STATUS_SCHEMA = 1
HEARTBEAT_S = 15.0
NOT_FINITE = "the loss is not finite"
"""How the reason begins when a training diverged."""
GRADIENT_NOT_FINITE = "the gradient is not finite"
"""The same, where the loss was finite still."""
SILENT_S = 8 * HEARTBEAT_S
"""A run on another machine that has not been heard of for so long is taken for dead."""


class State(StrEnum):
    """What a run is doing, or how it ended."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    stopped = "stopped"


OVER = (State.done, State.failed, State.stopped)
"""How a run can have ended."""


class Status(TypedDict, total=False):
    """The layout of ``status.json``, schema 1. Dates are ISO 8601, UTC."""

    schema: int
    state: str
    attempt: int
    """How often the run was begun."""
    pid: int
    host: str
    slurm_job: str | None
    """The Slurm job that this attempt runs in."""
    slurm_name: str
    """The name of the array that `hydra/launcher=slurm` gave the run to."""
    slurm_index: int | None
    """Its number in that array; None if it was the only job."""
    requeues: int
    """How often Slurm put the job back into its queue."""
    node: str
    """Slurm's name of the node."""
    started: str
    """When this attempt began."""
    heartbeat: str
    """When the file was last written."""
    first_epoch: int
    """The first epoch that this attempt trained, from 0; more than 0 after a resume."""
    epoch: int
    """Epochs finished, over all attempts."""
    max_epochs: int
    metrics: dict[str, float]
    """The last finished epoch's losses and accuracies."""
    validation_losses: list[float | None]
    """Of every finished epoch, over all attempts; null where it was not finite or is not known."""
    best_validation_accuracy: float
    """The best of all epochs (windows)."""
    refit_epoch: int
    """Epochs of the refit finished, over all attempts; only of a run with a refit."""
    refit_max_epochs: int
    """How many they will be; known when it has begun."""
    epoch_s: float
    """Mean seconds an epoch took in this attempt."""
    finished: str
    reason: str
    """Why the run failed or stopped, in one line."""
    traceback: str


def read_status(folder: Path) -> Status:
    """What a run's status file says; empty if there is none, or none that can be read. Invalid values are left out."""
    try:
        values = read_json(RunDir(folder).status)
    except (OSError, ValueError):
        return Status()
    if not isinstance(values, dict) or values.get("state") not in [*State]:
        return Status()
    return drop_invalid_values(cast(dict[str, Any], values))


def drop_invalid_values(values: dict[str, Any]) -> Status:
    """A status file's keys whose values are what they should be.

    >>> drop_invalid_values({"state": "done", "epoch": "3", "heartbeat": "noon", "pid": 7})
    {'state': 'done', 'pid': 7}
    """
    return cast(
        Status,
        {
            key: value
            for key, value in values.items()
            if key in Status.__annotations__
            and not odd_value({key: value}, Status)
            and (key not in ("started", "heartbeat", "finished") or _is_date(value))
        },
    )


def _is_date(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def write_status(folder: Path, status: Status) -> None:
    """Writes a run's status file whole or not at all, with the time.

    Raises:
        RunError: If the folder cannot be written.
    """
    write_json(RunDir(folder).status, {**status, "schema": STATUS_SCHEMA, "heartbeat": now()})


def mark_queued(folder: Path, slurm_name: str | None = None, slurm_index: int | None = None) -> None:
    """Writes that a run waits to begin; what earlier attempts came to is kept.

    Args:
        folder: The run's.
        slurm_name: The name of the Slurm array that it waits in.
        slurm_index: Its number there.

    Raises:
        RunError: If the folder cannot be written.
    """
    before = read_status(folder)
    keys = ("attempt", "epoch", "max_epochs", "validation_losses", "best_validation_accuracy", "epoch_s")
    status = {key: value for key, value in before.items() if key in keys}
    slurm = {} if slurm_name is None else {"slurm_name": slurm_name, "slurm_index": slurm_index}
    write_status(folder, cast(Status, {**status, **slurm, "state": State.queued}))


def is_alive(folder: Path, status: Status | None = None) -> bool:
    """Whether some process is working on the run now, or Slurm will begin one.

    Args:
        folder: The run's.
        status: Its status, if it has been read already.
    """
    status = read_status(folder) if status is None else status
    if status.get("state") not in (State.running, State.queued):
        return False
    if "slurm_name" in status and (tasks := my_tasks()) is not None:
        return find_slurm_task(status, tasks) is not None
    if status.get("state") == State.queued:
        return False
    if is_locked(folder):
        return True
    return status.get("host") != socket.gethostname() and seconds_since_heartbeat(status) < SILENT_S


def seconds_since_heartbeat(status: Status) -> float:
    """How long ago a run wrote its status file; many years where it never did."""
    heartbeat = datetime.fromisoformat(status.get("heartbeat", "1970-01-01T00:00:00+00:00"))
    return (datetime.now(UTC) - heartbeat).total_seconds()


def find_slurm_task(status: Status, tasks: Iterable[SlurmTask]) -> SlurmTask | None:
    """The one among Slurm's jobs that a run was given to."""
    key = (status.get("slurm_name"), status.get("slurm_index"))
    return next((task for task in tasks if (task.name, task.index) == key), None)


def end_status(folder: Path, state: State, reason: str) -> None:
    """Writes how a run ended that was killed before it could do so itself."""
    write_status(folder, {**read_status(folder), "state": state, "reason": reason, "finished": now()})


def complete_status(folder: Path, ending: Callable[[], tuple[State, str]]) -> None:
    """Completes the status file of a run whose process was killed before it could write how it ended.

    Args:
        folder: Of the run.
        ending: State and reason of a run that neither wrote them nor left all its files.
    """
    if read_status(folder).get("state") not in OVER:
        end_status(folder, *((State.done, "") if is_finished(folder) else ending()))


def reason_of(error: BaseException) -> str:
    """An exception in one line; our own errors need no name."""
    text = str(error).encode("utf-8", "backslashreplace").decode()  # half a character cannot be written
    first = next(iter(text.strip().splitlines()), "")
    if isinstance(error, GesturelabError):
        return first
    return f"{type(error).__name__}: {first}".removesuffix(": ")


def is_first_process() -> bool:
    """Whether this is the process that writes files, in a run on several devices."""
    return not any(int(os.environ.get(name) or 0) for name in ("LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"))


def slurm_job() -> str | None:
    """The Slurm job that this process is part of, as Slurm's commands name it; None outside of one."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def now() -> str:
    """The current time, as status files hold it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


PRUNED = "pruned: "
"""How the reason begins when a search gave a run up because others do better."""


def ask_to_stop(folder: Path, reason: str) -> None:
    """Leaves the request; the run looks for it before each epoch.

    Raises:
        RunError: If the folder cannot be written.
    """
    write_text(RunDir(folder).stop, reason + "\n")


def asked_to_stop(folder: Path) -> str:
    """The reason that the run was asked to stop for; empty when it was not asked."""
    try:
        return read_text(RunDir(folder).stop).strip()
    except OSError:
        return ""
    except ValueError as error:
        return f"stop.txt cannot be read: {error}"


def withdraw_request(folder: Path) -> None:
    """Lets the run go on."""
    RunDir(folder).stop.unlink(missing_ok=True)
