"""Launchers. Hydra finds its plugins by the name of this package; what they do is in `gesturelab.sweep`.

Hydra imports this file at each start of any of its applications, so nothing heavy is imported at the top.
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

log = logging.getLogger("gesturelab.sweep")


class FolderLauncher(Launcher):
    """Begins jobs that read their own ``config.yaml``; what became of each is in its ``status.json``.

    The keys of the option in ``conf/hydra/launcher`` are the fields of `options_class`, which checks them.
    """

    name: str

    def __init__(self, **options: Any) -> None:
        self._given = options
        self._options: Any = None
        self._config: Any = None
        self._loader: Any = None

    @staticmethod
    @abstractmethod
    def options_class() -> type:
        """The dataclass of the launcher's options."""

    @abstractmethod
    def launch_jobs(self, jobs: Sequence[Any], watcher: Any = None) -> None:
        """Begins planned jobs, and returns when all have ended.

        Args:
            jobs: `gesturelab.sweep.plan.Job`; those to do.
            watcher: A `gesturelab.sweep.local.Watcher`, told what happens; None prints it.

        Raises:
            GesturelabError: If nothing can be begun.
        """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives; the task function is not needed.

        Raises:
            ConfigError: If an option is wrong.
        """
        from dataclasses import fields
        from difflib import get_close_matches

        from gesturelab.errors import ConfigError

        options = self.options_class()
        known = [field.name for field in fields(options)]
        for key in self._given.keys() - set(known):
            close = get_close_matches(key, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"options are {', '.join(known)}"
            raise ConfigError(f"hydra.launcher.{key}: hydra/launcher={self.name} has no such option; {hint}")
        self._options = options(**self._given)
        self._config = config
        self._loader = hydra_context.config_loader

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Runs jobs for a sweeper that is not ours."""
        from gesturelab.errors import RunError
        from gesturelab.sweep.compose import composed_job
        from gesturelab.sweep.outcome import outcome_of
        from gesturelab.sweep.plan import OnChange, plan

        sweep: list[Any] = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            config = self._loader.load_sweep_config(self._config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = number
            sweep.append(composed_job(config, list(overrides), " ".join(filter_overrides(overrides))))
        jobs = plan(sweep, OnChange.refuse)
        self.launch_jobs([job for job in jobs if job.to_do])
        returns: list[JobReturn] = []
        for job in jobs:
            outcome = outcome_of(job)
            status = JobStatus.COMPLETED if outcome.result.good else JobStatus.FAILED
            value = None if outcome.result.good else RunError(f"{job.name}: {outcome.result}: {outcome.reason}")
            returns.append(JobReturn(overrides=list(job.composed.overrides), status=status, _return_value=value))
        return returns


class LocalLauncher(FolderLauncher):
    """Runs several jobs at a time, each in a process of its own; see `gesturelab.sweep.local`."""

    name = "local"

    @staticmethod
    def options_class() -> type:
        """The launcher's options."""
        from gesturelab.sweep.places import LocalOptions

        return LocalOptions

    def launch_jobs(self, jobs: Sequence[Any], watcher: Any = None) -> None:
        """Runs planned jobs on this machine.

        Raises:
            ConfigError: If a GPU is asked for that is not there.
        """
        from gesturelab.runs import write_text
        from gesturelab.sweep import view
        from gesturelab.sweep.local import Task, run_tasks
        from gesturelab.sweep.places import cpu_cores, find_gpus, places

        if not jobs:
            return
        gpus = None if all(job.composed.device == "cpu" for job in jobs) else find_gpus()
        slots = places(self._options, gpus, cpu_cores(), len(jobs))
        for job in jobs:
            write_text(job.run.config, job.composed.text)
        threads = slots[0]["OMP_NUM_THREADS"]
        if watcher is None:
            log.info("%d jobs, %d at a time, %s CPU threads each", len(jobs), len(slots), threads)
        run_tasks([Task(job.name, job.folder) for job in jobs], slots, watcher or view.watcher(len(jobs)))
