"""Trains jobs that differ in split and seed only, one after another in one process: start it and import torch once."""

import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gesturelab.config.saved import load_yaml
from gesturelab.errors import ConfigError
from gesturelab.files import write_json
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.status import State, complete_status, read_status
from gesturelab.sweeps.local import Task, Watcher, run_tasks, train_command
from gesturelab.sweeps.plan import Job

KEYS_THAT_MAY_DIFFER = ("split", "seed")
"""Between the jobs of a process."""
HIDDEN_FOLDER = ".shared_process"
"""In the sweep's folder: the output of the processes."""
STATUS_POLL_S = 0.5

Group = tuple[Job, ...]
"""The jobs of one process."""


def require_shareable(job: Job) -> None:
    """Makes sure that a job can share its process with others.

    Raises:
        ConfigError: Naming the key, and what to do.
    """
    config = load_yaml(job.composed.text)
    trainer = config["trainer"]
    for key in ("devices", "num_nodes"):
        if trainer[key] > 1:
            raise ConfigError(
                f"hydra/launcher=shared_process trains each job on one device, but trainer.{key}={trainer[key]} asks "
                "for several; leave the launcher out"
            )
    for name, entry in config["logger"].items():
        if entry is not None and "wandb" in str(entry.get("_target_", "")).lower():
            raise ConfigError(
                f"logger.{name}: Weights & Biases follows one run a process; leave it out, or use hydra/launcher=local"
            )


def group_jobs(jobs: Sequence[Job], models_at_once: int, processes: int) -> list[Group]:
    """Groups of jobs that differ in split and seed only, of about equal size, in the order of the jobs.

    Args:
        jobs: All that are to be trained.
        models_at_once: The most jobs in a group.
        processes: How many groups are trained at the same time.
    """
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        values = {key: value for key, value in load_yaml(job.composed.text).items() if key not in KEYS_THAT_MAY_DIFFER}
        alike.setdefault(json.dumps([str(job.composed.root), values], sort_keys=True), []).append(job)
    groups: list[Group] = []
    for members in alike.values():
        pieces = max(-(-len(members) // models_at_once), min(processes, len(members)))
        ends = [len(members) * piece // pieces for piece in range(pieces + 1)]
        groups += [tuple(members[first:last]) for first, last in itertools.pairwise(ends)]
    return groups


def run_groups(groups: Sequence[Group], slots: Sequence[Mapping[str, str]], watcher: Watcher) -> None:
    """Trains each group in a process of its own, as many at a time as there are slots.

    Args:
        groups: Started in this order; every job's folder holds its ``config.yaml``.
        slots: The environment variables of each process.
        watcher: Follows each job.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when all processes have ended.
    """
    group_of: dict[Task, Group] = {}
    for group in groups:
        root = group[0].composed.root / HIDDEN_FOLDER
        root.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=root))
        write_json(folder / "list.json", [str(job.folder) for job in group])
        group_of[Task(group[0].name, folder)] = group
    try:
        run_tasks(list(group_of), slots, _JobWatcher(group_of, watcher), _command)
    finally:
        for task, group in group_of.items():
            if not _has_output(task.folder) or all(is_finished(job.folder) for job in group):
                shutil.rmtree(task.folder, ignore_errors=True)
            if not any(task.folder.parent.iterdir()):
                task.folder.parent.rmdir()


def _has_output(folder: Path) -> bool:
    """Whether a process printed anything that is in no run's log."""
    log = RunDir(folder).log
    return log.exists() and log.stat().st_size > 0


def _command(folder: Path) -> list[str]:
    return train_command(folder / "list.json")


class _JobWatcher(Watcher):
    """Lets a watcher follow the jobs of each process."""

    def __init__(self, group_of: Mapping[Task, Group], watcher: Watcher) -> None:
        self._group_of = group_of
        self._watcher = watcher
        self._began: set[Path] = set()
        self._ended: set[Path] = set()
        self._next_poll = 0.0

    def tick(self, running: Sequence[Task]) -> None:
        """Reads the status files of the jobs."""
        tasks = [Task(job.name, job.folder) for process in running for job in self._group_of[process]]
        if time.monotonic() >= self._next_poll:
            self._next_poll = time.monotonic() + STATUS_POLL_S
            for task in tasks:
                self._report(task)
        self._watcher.tick([task for task in tasks if task.folder in self._began - self._ended])

    def ended(self, task: Task) -> None:
        """Completes the status files of jobs that were killed before they could write how they ended."""
        reason = read_status(task.folder).get("reason", "")
        if _has_output(task.folder):
            reason += f"; {RunDir(task.folder).log} may say more"
        for job in self._group_of[task]:
            if read_status(job.folder).get("state") == State.running:
                complete_status(job.folder, lambda: (State.failed, reason))
            self._report(Task(job.name, job.folder))

    def _report(self, task: Task) -> None:
        state = read_status(task.folder).get("state")
        if state in (None, State.queued):
            return
        if task.folder not in self._began:
            self._began.add(task.folder)
            self._watcher.began(task)
        if state != State.running and task.folder not in self._ended:
            self._ended.add(task.folder)
            self._watcher.ended(task)
