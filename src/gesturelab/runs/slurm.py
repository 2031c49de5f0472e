"""Asks Slurm: what there is, which of our jobs it has, and how jobs ended that could not write it themselves."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gesturelab.errors import ConfigError, RunError

ASK_TIMEOUT_S = 60
REQUEUE_ATTEMPTS = 5
FRESH_S = 2.0
"""An answer about the queue holds so long: a sweep of hundreds of jobs asks once, not for each."""
INHERITED = (
    "SLURM",
    "SBATCH_",
    "SRUN_",
    "SUBMITIT_",
    "ROCR_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
)
ENDED = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "TIMEOUT",
)
"""States from which a job does not come back by itself; whatever else Slurm may say, it still has the job."""
REQUEUE = "GESTURELAB_REQUEUE"
"""The variable that names a file to write for a job that wants back into the queue, where it cannot ask Slurm."""
SBATCH_ALWAYS = (
    "JOB_NAME",
    "ARRAY_INX",
    "OUTPUT",
    "ERROR",
    "OPEN_MODE",
    "SIGNAL",
    "REQUEUE",
    "NO_REQUEUE",
    "TIMELIMIT",
    "EXPORT",
)
"""Variables of sbatch that every script overrules; others only if our parameters set them."""


@dataclass(frozen=True)
class SlurmTask:
    """A job, or one job of an array, as Slurm sees it.

    Attributes:
        id: ``123``, or ``123_4`` for job 4 of an array.
        name: The job's name; the same for all jobs of an array.
        state: Slurm's word, such as PENDING or OUT_OF_MEMORY.
        node: Where it runs or ran.
        reason: Why it waits, or how it ended.
    """

    id: str
    name: str
    state: str
    node: str = ""
    reason: str = ""

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
    if (version := _ask("sinfo", "--version")) is None or _ask("scontrol", "ping") is None:
        raise RunError(f"Slurm does not answer ({(version or 'slurm').strip()}); look at sinfo and scontrol ping")


def partitions() -> list[str]:
    """Where jobs may run."""
    return sorted(set((_ask("sinfo", "--noheader", "--all", "--format=%R") or "").split()))


def largest_array(default: int = 1000) -> int:
    """How many jobs an array may have."""
    limit = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config") or "", re.MULTILINE)
    return max(int(limit[1]) - 1, 1) if limit else default


_queue: tuple[float, list[SlurmTask] | None] = (-1e9, None)


def my_tasks() -> list[SlurmTask] | None:
    """The jobs that Slurm has of this user, waiting or running; None if it cannot be asked."""
    global _queue
    asked_at, tasks = _queue
    if time.monotonic() - asked_at > FRESH_S:
        command = ("squeue", "--noheader", "--all", "--array", "--user", str(os.getuid()), "--format=%i|%j|%T|%N|%r")
        if (answer := _ask(*command)) is None:
            tasks = None
        else:  # what has just ended is listed for a while
            listed = [SlurmTask(*line.split("|", 4)) for line in answer.splitlines()]
            tasks = [task for task in listed if task.state not in ENDED]
        _queue = (time.monotonic(), tasks)
    return tasks


def forget_tasks() -> None:
    """Makes the next `my_tasks` ask anew."""
    global _queue
    _queue = (-1e9, None)


def ended_tasks(ids: Collection[str]) -> dict[str, SlurmTask]:
    """How jobs ended, by id, from the accounting; without one, from the controller, which forgets within minutes."""
    if not ids:
        return {}
    arrays = sorted({job.split("_")[0] for job in ids})
    columns = "--format=JobID,JobName,State,NodeList,ExitCode"
    answer = _ask("sacct", "--noheader", "--parsable2", "--allocations", columns, f"--jobs={','.join(arrays)}")
    tasks = [SlurmTask(*line.split("|", 4)) for line in (answer or "").splitlines() if line.count("|") >= 4]
    if not tasks:
        tasks = [task for array in arrays for task in _ask_controller(array)]
    ended = [task for task in tasks if task.state.split()[0] in ENDED]
    return {job: task for task in ended for job in ids if _covers(task.id, job)}


def _covers(listed: str, job: str) -> bool:
    """Whether a row of an answer is about a job; jobs that never began share one.

    >>> _covers("7_[2-4,9%2]", "7_3"), _covers("7_[2-4,9%2]", "7_5"), _covers("7_3", "7_3")
    (True, False, True)
    """
    array, _, numbers = listed.partition("_")
    if not numbers.startswith("["):
        return listed == job
    wanted, _, number = job.partition("_")
    parts = [part.partition("-") for part in numbers.strip("[]").split("%")[0].split(",")]
    within = (int(first) <= int(number) <= int(last or first) for first, _, last in parts if number)
    return array == wanted and any(within)


def cancel_jobs(ids: Collection[str]) -> None:
    """Ends jobs, or takes them out of the queue.

    Raises:
        RunError: If Slurm refuses.
    """
    try:
        subprocess.run(["scancel", *ids], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise RunError(f"scancel: {(getattr(error, 'stderr', '') or str(error)).strip()}") from error


def requeue_job(job: str) -> None:
    """Sends a running job back into the queue; a controller that is too busy to answer is asked again.

    Raises:
        RunError: If Slurm refuses.
    """
    why = ""
    for attempt in range(REQUEUE_ATTEMPTS):
        time.sleep(min(attempt, 1) * FRESH_S)
        try:
            subprocess.run(
                ["scontrol", "requeue", job], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=True
            )
            return
        except (OSError, subprocess.SubprocessError) as error:
            why = str(getattr(error, "stderr", "") or error).strip()
    raise RunError(f"Slurm does not take the job back: {why}; the same command resumes it")


@contextmanager
def hide_overruling_variables(parameters: Mapping[str, Any]) -> Generator[None]:
    """Hides variables from sbatch that would overrule the script: of the user's shell, and of a job that this runs in.

    Of a job around this process everything is hidden: its resources would be asked for again, and new tasks would look
    for its files. What the script does not set, such as ``SBATCH_ACCOUNT`` without ``account``, stays the user's.

    Args:
        parameters: What the script sets.
    """
    ours = {*SBATCH_ALWAYS, *("MEM_PER_NODE" if key == "mem" else key.upper() for key in parameters)}
    hidden = {key: value for key, value in os.environ.items() if key.removeprefix("SBATCH_") in ours}
    if "SLURM_JOB_ID" in os.environ:
        hidden |= {key: value for key, value in os.environ.items() if key.startswith(INHERITED) and key != "SLURM_CONF"}
    for key in hidden:
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _ask_controller(array: str) -> list[SlurmTask]:
    tasks: list[SlurmTask] = []
    for line in (_ask("scontrol", "--oneliner", "show", "job", array) or "").splitlines():
        values = dict(part.split("=", 1) for part in line.split() if "=" in part)
        number = values.get("ArrayTaskId")
        task = array
        if number is not None:
            task = f"{values['ArrayJobId']}_{number if number.isdigit() else f'[{number}]'}"
        columns = (values.get(key, "") for key in ("JobName", "JobState", "NodeList", "ExitCode"))
        tasks.append(SlurmTask(task, *columns))
    return tasks


def _ask(*command: str) -> str | None:
    whole_lists = os.environ | {"SLURM_BITSTR_LEN": "0"}  # without this, long lists of an array's numbers are cut
    try:
        return subprocess.check_output(
            command, env=whole_lists, stderr=subprocess.DEVNULL, text=True, timeout=ASK_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
