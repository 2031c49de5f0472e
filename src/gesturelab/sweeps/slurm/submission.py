"""Submits jobs as arrays, with a snapshot of the code, so that edits while they wait change nothing.

What belongs to an array lies in ``<sweep>/.slurm/<job name>``: the code, the batch script and Slurm's output
(submitit's files), and ``array.json``, which says what the jobs are.
"""

import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gesturelab
from gesturelab.config.launcher import SlurmLauncherConfig
from gesturelab.errors import ConfigError, RunError
from gesturelab.files import read_json, write_json
from gesturelab.runs.info import GitInfo
from gesturelab.runs.locking import single_instance
from gesturelab.runs.slurm import forget, largest_array, only_our_wishes, partitions, require_slurm
from gesturelab.runs.status import Status, is_alive, queue, read_status
from gesturelab.sweeps.plan import Job
from gesturelab.sweeps.slurm.script import Shape, parameters

FOLDER = ".slurm"
RECORD = "array.json"
GIT = "git.json"
"""In a snapshot: the state of the checkout that it was taken from."""


@dataclass(frozen=True)
class Array:
    """Jobs that Slurm gets together.

    Attributes:
        name: The job's name, which no other array has.
        shape: What the trainings ask for.
        jobs: In the order of their numbers.
    """

    name: str
    shape: Shape
    jobs: tuple[Job, ...]

    @property
    def folder(self) -> Path:
        """Where the array's files are."""
        return self.jobs[0].composed.root.resolve() / FOLDER / self.name


def arrays(jobs: Sequence[Job], largest: int) -> list[Array]:
    """Divides jobs into arrays: one, unless they need different nodes or are too many."""
    groups: dict[tuple[Path, Shape], list[Job]] = {}
    for job in jobs:
        wants = job.composed
        shape = Shape(wants.nodes, wants.devices, wants.device == "cpu")
        groups.setdefault((wants.root, shape), []).append(job)
    return [
        Array(f"{_plain(root.name)}-{secrets.token_hex(3)}", shape, tuple(group[first : first + largest]))
        for (root, shape), group in groups.items()
        for first in range(0, len(group), largest)
    ]


def check(jobs: Sequence[Job], options: SlurmLauncherConfig) -> list[str]:
    """Asks Slurm whether the jobs can be submitted.

    Returns:
        Warnings.

    Raises:
        ConfigError: If there is no Slurm, or not the partition.
        RunError: If Slurm does not answer.
    """
    require_slurm()
    there = partitions()
    for asked in (options.partition or "").split(","):
        if asked and there and asked not in there:
            raise ConfigError(
                f"hydra.launcher.partition={asked}: there is no such partition; choose {', '.join(there)}"
            )
    for root in {job.composed.root for job in jobs}:
        if "%" in str(root.resolve()):
            raise ConfigError(f"{root.resolve()}: Slurm reads % in a path as a pattern; use another folder or name")
    warnings: list[str] = []
    seconds = max((status.get("epoch_s", 0.0) for job in jobs if (status := read_status(job.folder))), default=0.0)
    if seconds > 60 * options.timeout_min - options.signal_delay_s:
        warnings.append(
            f"hydra.launcher.timeout_min={options.timeout_min}: an epoch took {seconds / 60:.0f} minutes so far; a job "
            "that cannot finish one within its time never gets on"
        )
    if jobs and all(job.composed.device == "cpu" for job in jobs) and (options.gpus_per_node or options.gres):
        warnings.append("the jobs ask Slurm for GPUs that trainer.device=cpu does not use")
    return warnings


def submit(
    jobs: Sequence[Job], options: SlurmLauncherConfig, function: Callable[[str], None], git: GitInfo | None
) -> list[str]:
    """Submits jobs.

    Args:
        jobs: Those to do.
        options: What the user asks for.
        function: Trains in a folder on the node; it is pickled.
        git: The state of the code, for the provenance of the runs.

    Returns:
        The arrays' ids.

    Raises:
        RunError: If Slurm refuses; jobs that it has already keep running.
    """
    ids: list[str] = []
    with ExitStack() as locks:
        for root in sorted({job.composed.root for job in jobs}):
            locks.enter_context(single_instance(root, ".submit.lock", "another command is submitting jobs of"))
        forget()  # the command that held the lock before may have submitted them
        jobs = [job for job in jobs if not is_alive(job.folder, read_status(job.folder))]
        ids += [_submit(array, options, function, git) for array in arrays(jobs, largest_array())]
    return ids


def _submit(array: Array, options: SlurmLauncherConfig, function: Callable[[str], None], git: GitInfo | None) -> str:
    take_snapshot(array.folder / "code", git)
    for number, job in enumerate(array.jobs):
        job.write_config()
        queue(job.folder, array.name, number if len(array.jobs) > 1 else None)
    asked = parameters(options, array.shape, array.name, array.folder / "code")
    try:
        with only_our_wishes(asked):
            folders = [str(job.folder.resolve()) for job in array.jobs]
            found = _executor(array, asked).map_array(function, folders)
    except Exception as error:
        said = str(getattr(error, "stderr", None) or error).strip()
        raise RunError(f"Slurm refuses the jobs: {said}") from error
    number = str(found[0].job_id).split("_")[0]
    folders = [job.subfolder for job in array.jobs]
    write_json(array.folder / RECORD, {"id": number, "name": array.name, "folders": folders})
    return number


def job_id(folder: Path, status: Status) -> str | None:
    """The id of the Slurm job that a folder was given to last, if it is known yet."""
    if (name := status.get("slurm_name")) is None:
        return None
    try:
        root = folder.parent if (folder.parent / FOLDER).is_dir() else folder.parent.parent
        record = read_json(root / FOLDER / name / RECORD)
        number = record["folders"].index(folder.relative_to(root).as_posix())
        return f"{record['id']}_{number}" if len(record["folders"]) > 1 else str(record["id"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return status.get("slurm_job")


def scripts(jobs: Sequence[Job], options: SlurmLauncherConfig) -> list[str]:
    """The batch scripts that `submit` would give to Slurm; nothing is written."""
    return [
        executor._make_submission_file_text(executor._submitit_command_str, "")  # pyright: ignore[reportPrivateUsage]
        for array in arrays(jobs, largest_array())
        for asked in [parameters(options, array.shape, array.name, array.folder / "code")]
        for executor in [_executor(array, asked)]
        for _ in [executor.parameters.update({"map_count": len(array.jobs)} if len(array.jobs) > 1 else {})]
    ]


def take_snapshot(target: Path, git: GitInfo | None) -> None:
    """Copies our code.

    Raises:
        RunError: If the folder cannot be written.
    """
    try:
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(Path(gesturelab.__file__).parent, target / "gesturelab", ignore=ignored)
    except OSError as error:
        raise RunError(f"cannot write {target}: {error}") from error
    write_json(target / "gesturelab" / GIT, git)


def _executor(array: Array, asked: dict[str, Any]) -> Any:
    from submitit import SlurmExecutor

    # we count requeues ourselves: submitit counts only time limits, and takes every signal in a short job for one
    executor = SlurmExecutor(array.folder, max_num_timeout=10**6)
    executor.update_parameters(**asked)
    return executor


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)[:40] or "sweep"
