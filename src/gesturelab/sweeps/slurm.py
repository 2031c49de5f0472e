"""Sweeps as Slurm job arrays: the batch script, submission, waiting, and how a job ended. Imports no torch.

What belongs to an array lies in ``<sweep>/.slurm/<job name>``: a snapshot of the code, so that edits while the jobs
wait change nothing, the batch script and Slurm's output (submitit's files), and ``array.json``, which lists the jobs.
"""

import logging
import re
import secrets
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import gesturelab
from gesturelab.config.sweeps import SlurmLauncherConfig
from gesturelab.datasets.cache import cache_folder
from gesturelab.errors import ConfigError, RunError
from gesturelab.files import read_json, write_json
from gesturelab.runs.info import GitInfo
from gesturelab.runs.locking import single_instance
from gesturelab.runs.signals import defer_signals, sleep
from gesturelab.runs.slurm import (
    REQUEUE,
    SlurmTask,
    ended_tasks,
    forget_tasks,
    hide_overruling_variables,
    largest_array,
    my_tasks,
    partitions,
    require_slurm,
)
from gesturelab.runs.status import (
    OVER,
    State,
    Status,
    complete_status,
    find_slurm_task,
    is_alive,
    mark_queued,
    read_status,
)
from gesturelab.sweeps.local import Task, Watcher
from gesturelab.sweeps.plan import Job

log = logging.getLogger("gesturelab.sweeps")

FOLDER = ".slurm"
RECORD = "array.json"
GIT = "git.json"
"""In a snapshot: the state of the checkout that it was taken from."""
ABSENCES = 3
"""So often in a row Slurm must not list a job before it is taken to have ended: files and accounting need a moment."""
ENDINGS = {
    "TIMEOUT": "met its time limit",
    "DEADLINE": "met its deadline",
    "OUT_OF_MEMORY": "ran out of memory",
    "NODE_FAIL": "its node was lost",
    "BOOT_FAIL": "its node did not start",
    "PREEMPTED": "was preempted",
}
PASSED_ON = (
    *("partition", "account", "qos", "gres", "cpus_per_task", "constraint", "nodelist", "exclude"),
    *("mail_user", "mail_type", "signal_delay_s", "array_parallelism"),
)
"""Options that submitit knows by the same names."""
MODULES = """\
for init in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh "${MODULESHOME:-}/init/bash"; do
  type module >/dev/null 2>&1 || { test -r "$init" && . "$init"; } || true
done
type module >/dev/null 2>&1 || { echo "gesturelab: no 'module' command on $(hostname)" >&2; exit 1; }"""
BACK = f"""\
rm -f "${REQUEUE}"  # which the training writes to go back into the queue: a container has no Slurm
trap 'test ! -e "${REQUEUE}" || {{ rm "${REQUEUE}"; scontrol requeue "$SLURM_JOB_ID"; }}' EXIT"""
MASTER = """\
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR=$(getent hosts "$first" >/dev/null && echo "$first" || hostname)"""


@dataclass(frozen=True)
class Shape:
    """What the jobs of one array have in common.

    Attributes:
        nodes: ``trainer.num_nodes``.
        devices: ``trainer.devices``: processes on a node, each with its GPU.
        device: ``trainer.device``.
    """

    nodes: int
    devices: int
    device: str


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

    def make_executor(self, options: SlurmLauncherConfig) -> Any:
        """A ``submitit.SlurmExecutor`` for the array."""
        from submitit import SlurmExecutor

        # we count requeues ourselves: submitit counts only time limits, and takes every signal in a short job for one
        python = shlex.join(self.python_command(options))
        executor = SlurmExecutor(self.folder, max_num_timeout=10**6, python=python)
        executor.update_parameters(**sbatch_parameters(options, self.shape, self.name, self.folder / "code"))
        return executor

    def python_command(self, options: SlurmLauncherConfig) -> list[str]:
        """The words that begin Python on a node: in a container, if there is one."""
        if options.container is None:
            return [options.python or sys.executable]
        gpus = self.shape.device != "cpu" and bool(options.gres or options.gpus_per_node != 0)
        amd = options.gpu_vendor == "amd" or self.shape.device == "rocm"
        flags = ["--rocm" if amd else "--nv"] if gpus else []
        binds = [part for path in container_folders(self.jobs, options) for part in ("--bind", str(path))]
        image = str(Path(options.container).expanduser().resolve())
        return ["apptainer", "exec", *flags, *binds, "--pwd", str(Path.cwd()), image, options.python or "python3"]


def container_folders(jobs: Sequence[Job], options: SlurmLauncherConfig) -> list[Path]:
    """Finds what a container must see, none within another.

    These are this folder, for relative paths, that of the sweep, which holds the code, and those that configurations
    name, as far as they exist.
    """
    folders = {Path.cwd(), *(job.composed.root for job in jobs), *map(Path, options.container_binds)}
    for text in {job.composed.text for job in jobs}:
        config = OmegaConf.create(text)
        named = [OmegaConf.select(config, "data.root"), *(OmegaConf.select(config, "search_path") or [])]
        named.append(cache_folder(OmegaConf.select(config, "data.cache_dir")))
        folders |= {path for name in named if name and (path := Path(name).expanduser()).exists()}
    folders = {path.expanduser() for path in folders}
    absolute = {path for folder in folders for path in (folder.absolute(), folder.resolve())}  # links are named too
    return sorted(folder for folder in absolute if not absolute & set(folder.parents))


def divide_into_arrays(jobs: Sequence[Job], largest: int) -> list[Array]:
    """Divides jobs into arrays: one, unless they need different nodes or are too many."""
    groups: dict[tuple[Path, Shape], list[Job]] = {}
    for job in jobs:
        shape = Shape(job.composed.nodes, job.composed.devices, job.composed.device)
        groups.setdefault((job.composed.root, shape), []).append(job)
    return [
        Array(f"{_job_name(root.name)}-{secrets.token_hex(3)}", shape, tuple(group[first : first + largest]))
        for (root, shape), group in groups.items()
        for first in range(0, len(group), largest)
    ]


def _job_name(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)[:40] or "sweep"


def sbatch_parameters(options: SlurmLauncherConfig, shape: Shape, name: str, code: Path) -> dict[str, Any]:
    """Parameters of ``submitit.SlurmExecutor``.

    Args:
        options: What the user asks for.
        shape: What the trainings ask for.
        name: The job's name.
        code: The snapshot of our code that the jobs run.
    """
    gpus = options.gpus_per_node if options.gpus_per_node is not None else 0 if shape.device == "cpu" else shape.devices
    # one process that fails must not leave the others waiting for it
    together = ["--kill-on-bad-exit=1"] if shape.nodes * shape.devices > 1 else []
    parameters: dict[str, Any] = {
        **{option: getattr(options, option) for option in PASSED_ON},
        "job_name": name,
        "time": options.timeout_min,
        "nodes": shape.nodes,
        "ntasks_per_node": shape.devices,
        "gpus_per_node": gpus if gpus and options.gres is None else None,
        "mem": None if options.mem_gb is None else f"{round(1024 * options.mem_gb)}M",
        "setup": setup_lines(options, shape, code),
        "srun_args": [*together, *options.srun_args] or None,
        "stderr_to_stdout": True,
    }
    requeue = "requeue" if options.max_requeues else "no-requeue"
    wanted = {key: value for key, value in parameters.items() if value is not None}
    # submitit's own wckey is refused where such keys are enforced
    return {**wanted, "wckey": None, "additional_parameters": {requeue: True, **options.additional_parameters}}


def setup_lines(options: SlurmLauncherConfig, shape: Shape, code: Path) -> list[str]:
    """Shell lines before the training; the first one that fails ends the job."""
    lines = [
        "set -e",
        "export SLURM_EXPORT_ENV=ALL  # srun hands on what is set here, also where sbatch took nothing over",
        f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        "export PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1  # the snapshot, also when submitted from within src",
        "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK  # srun no longer takes it from sbatch",
        "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK MKL_NUM_THREADS=$SLURM_CPUS_PER_TASK",
        "unset HIP_VISIBLE_DEVICES  # its numbers count within what Slurm leaves",
    ]
    if options.modules:
        lines += [*MODULES.splitlines(), *(f"module load {shlex.quote(module)}" for module in options.modules)]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in options.environment.items()]
    if options.container is not None:
        lines += [f"export {REQUEUE}={shlex.quote(str(code.parent))}/requeue.$SLURM_JOB_ID", *BACK.splitlines()]
    if shape.nodes * shape.devices > 1:
        lines += MASTER.splitlines()
    return [*lines, *options.setup]


def check_jobs(jobs: Sequence[Job], options: SlurmLauncherConfig) -> list[str]:
    """Asks Slurm whether jobs can be submitted.

    Returns:
        Warnings.

    Raises:
        ConfigError: If there is no Slurm, or not the partition.
        RunError: If Slurm does not answer.
    """
    require_slurm()
    known = partitions()
    for partition in (options.partition or "").split(","):
        if partition and known and partition not in known:
            raise ConfigError(
                f"hydra.launcher.partition={partition}: there is no such partition; choose {', '.join(known)}"
            )
    if options.container is not None:
        if not options.container or not Path(options.container).expanduser().exists():
            raise ConfigError(
                f"hydra.launcher.container={options.container}: there is no such image; build it "
                "(apptainer build gesturelab.sif slurm/gesturelab.def), or name the one you have"
            )
        for folder in options.container_binds:
            if not Path(folder).expanduser().exists():
                raise ConfigError(f"hydra.launcher.container_binds: there is no {folder}; leave it out")
        for folder in container_folders(jobs, options):
            if set(",:") & set(str(folder)):
                raise ConfigError(f"{folder}: Apptainer reads , and : in a path as its own; use another folder or name")
    for root in {job.composed.root for job in jobs}:
        if "%" in str(root.resolve()):
            raise ConfigError(f"{root.resolve()}: Slurm reads % in a path as a pattern; use another folder or name")
    warnings: list[str] = []
    seconds = max((read_status(job.folder).get("epoch_s", 0.0) for job in jobs), default=0.0)
    if seconds > 60 * options.timeout_min - options.signal_delay_s:
        warnings.append(
            f"hydra.launcher.timeout_min={options.timeout_min}: an epoch took {seconds / 60:.0f} minutes so far; a job "
            "that cannot finish one within its time never gets on"
        )
    if jobs and all(job.composed.device == "cpu" for job in jobs) and (options.gpus_per_node or options.gres):
        warnings.append("the jobs ask Slurm for GPUs that trainer.device=cpu does not use")
    return warnings


def preview_scripts(jobs: Sequence[Job], options: SlurmLauncherConfig) -> list[str]:
    """The batch scripts that `submit_jobs` would give to Slurm; nothing is written."""
    scripts: list[str] = []
    for array in divide_into_arrays(jobs, largest_array()):
        executor = array.make_executor(options)
        if len(array.jobs) > 1:
            executor.parameters["map_count"] = len(array.jobs)
        scripts.append(executor._make_submission_file_text(executor._submitit_command_str, ""))  # pyright: ignore[reportPrivateUsage]
    return scripts


def submit_jobs(
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
    with ExitStack() as locks:
        for root in sorted({job.composed.root for job in jobs}):
            locks.enter_context(single_instance(root, ".submit.lock", "another command is submitting jobs of"))
        forget_tasks()  # the command that held the lock before may have submitted them
        jobs = [job for job in jobs if not is_alive(job.folder)]
        return [_submit(array, options, function, git) for array in divide_into_arrays(jobs, largest_array())]


def _submit(array: Array, options: SlurmLauncherConfig, function: Callable[[str], None], git: GitInfo | None) -> str:
    copy_code(array.folder / "code", git)
    for number, job in enumerate(array.jobs):
        job.write_config()
        mark_queued(job.folder, array.name, number if len(array.jobs) > 1 else None)
    parameters = sbatch_parameters(options, array.shape, array.name, array.folder / "code")
    try:
        with hide_overruling_variables(parameters):
            submitted = array.make_executor(options).map_array(
                function, [str(job.folder.resolve()) for job in array.jobs]
            )
    except Exception as error:
        message = str(getattr(error, "stderr", None) or error).strip()
        raise RunError(f"Slurm refuses the jobs: {message}") from error
    number = str(submitted[0].job_id).split("_")[0]
    folders = [job.subfolder for job in array.jobs]
    write_json(array.folder / RECORD, {"id": number, "name": array.name, "folders": folders})
    return number


def copy_code(target: Path, git: GitInfo | None) -> None:
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


def find_job_id(folder: Path, status: Status) -> str | None:
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


@defer_signals()
def wait_for_jobs(tasks: Sequence[Task], poll_s: float, watcher: Watcher) -> None:
    """Returns when Slurm has none of the jobs any more; completes the status of those that could not write it.

    Args:
        tasks: Folders of jobs that were submitted.
        poll_s: Time between looks.
        watcher: Follows the jobs.

    Raises:
        KeyboardInterrupt: If a signal asks to leave; the jobs go on.
    """
    waiting = list(tasks)
    begun: list[Task] = []
    absences: Counter[Task] = Counter()
    silent = False
    while waiting:
        queue = my_tasks()
        if (queue is None) != silent:
            silent = not silent
            log.info("Slurm does not answer; still waiting" if silent else "Slurm answers again")
        for task in list(waiting):
            status = read_status(task.folder)
            state = status.get("state")
            listed = queue is None or find_slurm_task(status, queue) is not None
            absences[task] = 0 if listed else absences[task] + 1
            if task not in begun and state != State.queued:
                begun.append(task)
                watcher.began(task)
            if state == State.done or (state in OVER and not listed) or absences[task] >= ABSENCES:
                complete_job_status(task.folder)
                waiting.remove(task)
                begun = [other for other in begun if other != task]
                watcher.ended(task)
        watcher.tick(begun)
        if waiting:
            sleep(poll_s)


def complete_job_status(folder: Path) -> None:
    """Completes the status file of a job that was killed before it could write how it ended."""
    complete_status(folder, lambda: _find_ending(folder))


def _find_ending(folder: Path) -> tuple[State, str]:
    job = find_job_id(folder, read_status(folder))
    task = ended_tasks([job]).get(job) if job is not None else None
    return (State.failed, "Slurm no longer has it, and does not say why") if task is None else describe_ending(task)


def describe_ending(task: SlurmTask) -> tuple[State, str]:
    """How an ended job ended; `SlurmTask.reason` is its exit code.

    >>> describe_ending(SlurmTask("7_1", "s", "FAILED", "node2", "9:0"))[1]
    'Slurm job 7_1 was killed by SIGKILL on node2 (memory, or a person)'
    >>> describe_ending(SlurmTask("7", "s", "TIMEOUT", "node2", "0:15"))[1]
    'Slurm job 7 met its time limit on node2'
    """
    where = f" on {task.node}" if task.node not in ("", "None assigned", "(null)") else ""
    word = task.state.split()[0]
    code, _, number = task.reason.partition(":")
    if word == "CANCELLED":
        return State.stopped, f"Slurm job {task.id} was cancelled"
    if word in ENDINGS:
        return State.failed, f"Slurm job {task.id} {ENDINGS[word]}{where}"
    if number == "9" or code in ("9", "137"):  # srun passes a task's signal on in either way
        return State.failed, f"Slurm job {task.id} was killed by SIGKILL{where} (memory, or a person)"
    return State.failed, f"Slurm job {task.id} ended as {word}, exit code {task.reason}{where}, and did not say why"
