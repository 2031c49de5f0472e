"""Asks Slurm: what there is, which of our jobs it has, and how jobs ended that never said so."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from gesturelab.errors import ConfigError, RunError

ASK_TIMEOUT_S = 60
FRESH_S = 0.5
"""An answer about the queue holds so long: a sweep of hundreds of jobs asks once, not for each."""
INHERITED = ("SLURM", "SBATCH_", "SRUN_", "SUBMITIT_", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
ACTIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "REQUEUED", "RESIZING")


@dataclass(frozen=True)
class SlurmTask:
    """A job, or one job of an array, as Slurm sees it.

    Attributes:
        id: ``123``, or ``123_4`` for job 4 of an array.
        name: The job's name; the same for all jobs of an array.
        state: Slurm's word, such as PENDING or OUT_OF_MEMORY.
        node: Where it runs or ran.
        reason: Why it waits, or how it ended.
        elapsed: ``[days-]hours:minutes:seconds`` since it last began.
    """

    id: str
    name: str
    state: str
    node: str = ""
    reason: str = ""
    elapsed: str = ""

    @property
    def index(self) -> int | None:
        """Its number in the array."""
        return int(self.id.split("_")[1]) if "_" in self.id else None


def require_slurm() -> None:
    """Makes sure that this machine can submit.

    Raises:
        ConfigError: If Slurm is not installed here.
        RunError: If it does not answer.
    """
    if any(shutil.which(command) is None for command in ("sbatch", "srun", "squeue")):
        raise ConfigError(
            "hydra/launcher=slurm: there is no Slurm on this machine (no sbatch); log in to the cluster, or run "
            "several jobs at a time here with hydra/launcher=local"
        )
    if (found := _ask("sinfo", "--version")) is None or _ask("scontrol", "ping") is None:
        raise RunError(f"Slurm does not answer ({(found or 'slurm').strip()}); look at sinfo and scontrol ping")


def partitions() -> list[str]:
    """Where jobs may run."""
    return sorted(set((_ask("sinfo", "--noheader", "--all", "--format=%R") or "").split()))


def largest_array(default: int = 1000) -> int:
    """How many jobs an array may have."""
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config") or "", re.MULTILINE)
    return max(int(found[1]) - 1, 1) if found else default


_queue: tuple[float, list[SlurmTask] | None] = (-1e9, None)


def my_tasks() -> list[SlurmTask] | None:
    """The jobs that Slurm has of this user, waiting or running; None if it cannot be asked."""
    global _queue
    asked, tasks = _queue
    if time.monotonic() - asked > FRESH_S:
        answer = None
        if shutil.which("squeue") is not None:
            answer = _ask("squeue", "--noheader", "--array", "--user", str(os.getuid()), "--format=%i|%j|%T|%N|%r|%M")
        tasks = None if answer is None else [SlurmTask(*line.split("|", 5)) for line in answer.splitlines()]
        if tasks is not None:  # what has just ended is listed for a while
            tasks = [task for task in tasks if task.state in ACTIVE]
        _queue = (time.monotonic(), tasks)
    return tasks


def find_task(tasks: Collection[SlurmTask], job: str | None, name: str | None, index: int | None) -> SlurmTask | None:
    """The one with this id; while none is known, the one with this name and number."""
    for task in tasks:
        if task.id == job if job is not None else name is not None and (task.name, task.index) == (name, index):
            return task
    return None


def ended_tasks(ids: Collection[str]) -> dict[str, SlurmTask]:
    """How jobs ended, by id, from the accounting; without one, from the controller, which forgets within minutes."""
    if not ids:
        return {}
    arrays = sorted({each.split("_")[0] for each in ids})
    fields = "JobID,JobName,State,NodeList,ExitCode,Elapsed"
    shown = ("--noheader", "--parsable2", "--allocations", f"--format={fields}")
    answer = _ask("sacct", *shown, f"--jobs={','.join(arrays)}")
    found = [SlurmTask(*line.split("|", 5)) for line in (answer or "").splitlines() if line.count("|") >= 5]
    if not found:
        found = [task for array in arrays for task in _from_controller(array)]
    return {task.id: task for task in found if task.id in ids and task.state not in ACTIVE}


def cancel(ids: Collection[str]) -> None:
    """Ends jobs, or takes them out of the queue.

    Raises:
        RunError: If Slurm refuses.
    """
    done = subprocess.run(["scancel", *ids], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    if done.returncode:
        raise RunError(f"scancel: {done.stderr.strip()}")


@contextmanager
def outside_of_a_job() -> Generator[None]:
    """Hides that this process runs in a Slurm job itself, from what is started in the block.

    Inherited variables would set the new job's resources, and make its tasks look for the old one's files. Outside of
    a job nothing is hidden: there ``SBATCH_ACCOUNT`` and the like are the user's wishes.
    """
    hidden: dict[str, str] = {}
    if "SLURM_JOB_ID" in os.environ:
        hidden = {key: value for key, value in os.environ.items() if key.startswith(INHERITED) and key != "SLURM_CONF"}
    for key in hidden:
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _from_controller(array: str) -> list[SlurmTask]:
    tasks: list[SlurmTask] = []
    for line in (_ask("scontrol", "--oneliner", "show", "job", array) or "").splitlines():
        values = dict(part.split("=", 1) for part in line.split() if "=" in part)
        number = values.get("ArrayTaskId")
        task = array if number is None else f"{values['ArrayJobId']}_{number}"
        shown = (values.get(key, "") for key in ("JobName", "JobState", "NodeList", "ExitCode", "RunTime"))
        tasks.append(SlurmTask(task, *shown))
    return tasks


def _ask(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
