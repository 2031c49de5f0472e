"""Trains jobs that differ in split and seed only in one process: which belong together, and what becomes of each."""

import itertools
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from gesturelab.errors import ConfigError
from gesturelab.files import write_json
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.status import State, end_status, read_status
from gesturelab.sweeps.local import Task, Watcher, run_tasks
from gesturelab.sweeps.plan import Job

OWN = ("split", "seed")
"""What may differ between the models of a stack."""
SHARED_CALLBACKS = ("lightning.pytorch.callbacks.EarlyStopping", "gesturelab.training.averaging.WeightAveraging")
OPTIMIZERS = ("torch.optim.Adam", "torch.optim.AdamW", "torch.optim.SGD")
FOLDER = ".stacks"
"""Hidden, in the sweep's folder: what the processes that train stacks say."""
LOOK_S = 0.5

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Stack = tuple[Job, ...]


def require_stackable(job: Job, together: bool) -> None:
    """Makes sure that a job can share its process with others, and its steps if `together`.

    Raises:
        ConfigError: Naming the key, and what to do.
    """
    config = _values(job)
    trainer = config["trainer"]
    for key in ("devices", "num_nodes"):
        if trainer[key] > 1:
            raise ConfigError(
                f"hydra/launcher=stacked trains many models on one device, but trainer.{key}={trainer[key]} asks for "
                "many devices for one model; leave the launcher out"
            )
    for name, entry in config["logger"].items():
        if entry is not None and "wandb" in str(entry.get("_target_", "")).lower():
            raise ConfigError(
                f"logger.{name}: Weights & Biases follows one run a process; leave it out, or use hydra/launcher=local"
            )
    if not together:
        return
    if trainer["precision"] == "float16":
        raise ConfigError("trainer.precision=float16: stacked models train in float32 or bf16; choose one of them")
    if (choice := trainer["on_not_finite"]) != "stop":
        raise ConfigError(
            f"trainer.on_not_finite={choice}: models that take their steps together can only stop; leave it out, or "
            "set launcher.together=false"
        )
    if (target := config["optimizer"]["_target_"]) not in OPTIMIZERS:
        raise ConfigError(f"optimizer._target_={target}: models can be stacked with {', '.join(OPTIMIZERS)} only")
    for name, entry in config["callbacks"].items():
        if entry is not None and entry.get("_target_") not in SHARED_CALLBACKS:
            raise ConfigError(
                f"callbacks.{name}: only {' and '.join(SHARED_CALLBACKS)} can follow a stacked training; leave it out, "
                "or set launcher.together=false"
            )


def divide(jobs: Sequence[Job], models_at_once: int, processes: int) -> list[Stack]:
    """Stacks of jobs that differ in split and seed only, of about equal size, in the order of the jobs.

    Args:
        jobs: All that are to be trained.
        models_at_once: The most in a stack.
        processes: How many stacks are trained at the same time.
    """
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        values = {key: value for key, value in _values(job).items() if key not in OWN}
        groups.setdefault(json.dumps([str(job.composed.root), values], sort_keys=True), []).append(job)
    stacks: list[Stack] = []
    for group in groups.values():
        pieces = max(-(-len(group) // models_at_once), min(processes, len(group)))
        ends = [len(group) * piece // pieces for piece in range(pieces + 1)]
        stacks += [tuple(group[first:last]) for first, last in itertools.pairwise(ends)]
    return stacks


def run_stacks(
    stacks: Sequence[Stack], slots: Sequence[Mapping[str, str]], watcher: Watcher, *, together: bool
) -> None:
    """Trains stacks, as many at a time as there are slots, each in a process of its own.

    Args:
        stacks: Begun in this order; every job's folder holds its ``config.yaml``.
        slots: The environment variables of each place.
        watcher: Is told what happens to each job.
        together: Whether the models of a stack take their steps together; else they follow each other.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when all processes have ended.
    """
    members: dict[Task, Stack] = {}
    for stack in stacks:
        root = stack[0].composed.root / FOLDER
        root.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=root))
        write_json(folder / "list.json", {"folders": [str(job.folder) for job in stack], "together": together})
        members[Task(stack[0].name, folder)] = stack
    try:
        run_tasks(list(members), slots, _Members(members, watcher), _command)
    finally:
        for task, stack in members.items():
            if not _words(task.folder) or all(is_finished(job.folder) for job in stack):
                shutil.rmtree(task.folder, ignore_errors=True)
            if not any(task.folder.parent.iterdir()):
                task.folder.parent.rmdir()


def _words(folder: Path) -> bool:
    """Whether a stack's process said anything that no run's log has."""
    log = RunDir(folder, "").log
    return log.exists() and log.stat().st_size > 0


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "gesturelab.cli.stack", str(folder / "list.json")]


class _Members(Watcher):
    """Tells a watcher of jobs what happens to the jobs of stacks."""

    def __init__(self, members: Mapping[Task, Stack], watcher: Watcher) -> None:
        self._members = members
        self._watcher = watcher
        self._began: set[Path] = set()
        self._ended: set[Path] = set()
        self._next = 0.0

    def tick(self, running: Sequence[Task]) -> None:
        """Looks what the jobs' own files say."""
        now = [Task(job.name, job.folder) for stack in running for job in self._members[stack]]
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LOOK_S
            for task in now:
                self._look(task)
        self._watcher.tick([task for task in now if task.folder in self._began - self._ended])

    def ended(self, task: Task) -> None:
        """Settles jobs that were killed before they could say how they ended."""
        said = (read_status(task.folder) or {}).get("reason", "")
        if _words(task.folder):
            said += f"; {RunDir(task.folder, '').log} may say more"
        for job in self._members[task]:
            state = (read_status(job.folder) or {}).get("state")
            if state == State.running:
                done = is_finished(job.folder)
                end_status(job.folder, State.done if done else State.failed, "" if done else said)
            self._look(Task(job.name, job.folder))

    def _look(self, task: Task) -> None:
        state = (read_status(task.folder) or {}).get("state")
        if state in (None, State.queued):
            return
        if task.folder not in self._began:
            self._began.add(task.folder)
            self._watcher.began(task)
        if state != State.running and task.folder not in self._ended:
            self._ended.add(task.folder)
            self._watcher.ended(task)


def _values(job: Job) -> dict[str, Any]:
    return cast(dict[str, Any], yaml.load(job.composed.text, Loader=_Loader))
