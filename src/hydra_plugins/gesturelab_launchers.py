"""Launchers. Hydra finds its plugins by the name of this package; what they do is in `gesturelab.sweeps`.

Hydra imports this file at each start of any of its applications, so nothing heavy is imported at the top.
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

log = logging.getLogger("gesturelab.sweeps")


class FolderLauncher(Launcher):
    """Begins jobs that read their own ``config.yaml``; what became of each is in its ``status.json``.

    `options_class` is the schema of the option in ``conf/hydra/launcher``.
    """

    def __init__(self, **options: Any) -> None:
        self._given = options
        self._options: Any = None
        self._config: Any = None
        self._loader: Any = None

    @staticmethod
    @abstractmethod
    def options_class() -> type:
        """The schema of the launcher's options."""

    def check(self, jobs: Sequence[Any]) -> None:
        """Looks whether jobs can be begun, before anything is written.

        Raises:
            GesturelabError: If they cannot.
        """

    marks_jobs = False
    """Whether `launch_jobs` says itself in the jobs' status files that they wait."""

    @property
    def detached(self) -> bool:
        """Whether `launch_jobs` returns before the jobs have ended."""
        return False

    def preview(self, jobs: Sequence[Any]) -> list[str]:
        """Texts that show how jobs would be begun."""
        return []

    def wait_for(self, jobs: Sequence[Any]) -> None:
        """Waits for jobs that were begun before, if this launcher knows how."""

    @abstractmethod
    def launch_jobs(self, jobs: Sequence[Any], watcher: Any = None) -> None:
        """Begins planned jobs, and returns when all have ended.

        Args:
            jobs: `gesturelab.sweeps.plan.Job`; those to do.
            watcher: A `gesturelab.sweeps.local.Watcher`, told what happens; None prints it.

        Raises:
            GesturelabError: If nothing can be begun.
        """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives; the task function is not needed.

        Raises:
            ConfigError: If an option is wrong.
        """
        from dataclasses import fields

        from gesturelab.config.launcher import TOGETHER_REMOVED
        from gesturelab.errors import ConfigError

        if "trainer" not in config or "window" not in config:
            target = f"{type(self).__module__}.{type(self).__name__}"
            raise ConfigError(
                f"hydra.launcher._target_={target} launches trainings of gesturelab only: gesturelab train -m"
            )
        given = {
            key: OmegaConf.to_object(each) if OmegaConf.is_config(each) else each for key, each in self._given.items()
        }
        options_class = self.options_class()
        keys = [field.name for field in fields(options_class)]
        for key in given.keys() - set(keys):  # added with +
            raise ConfigError(
                TOGETHER_REMOVED if key == "together" else f"hydra.launcher.{key}: keys are {', '.join(keys)}"
            )
        self._options = options_class(**given)
        self._config = config
        self._loader = hydra_context.config_loader

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Runs jobs for a sweeper that is not ours."""
        from gesturelab.errors import RunError
        from gesturelab.sweeps.compose import composed_job
        from gesturelab.sweeps.outcome import outcome_of
        from gesturelab.sweeps.plan import OnChange, plan

        sweep: list[Any] = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            config = self._loader.load_sweep_config(self._config, list(overrides))
            sweep.append(composed_job(config, list(overrides), " ".join(filter_overrides(overrides)), number))
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
    """Runs several jobs at a time, each in a process of its own; see `gesturelab.sweeps.local`."""

    @staticmethod
    def options_class() -> type:
        """The launcher's options."""
        from gesturelab.config.launcher import LocalLauncherConfig

        return LocalLauncherConfig

    def launch_jobs(self, jobs: Sequence[Any], watcher: Any = None) -> None:
        """Runs planned jobs on this machine.

        Raises:
            ConfigError: If a GPU is asked for that is not there, or more than one for a job.
        """
        from gesturelab.errors import ConfigError
        from gesturelab.sweeps import progress
        from gesturelab.sweeps.local import Task, run_tasks
        from gesturelab.sweeps.resources import cpu_cores, find_gpus, places

        if not jobs:
            return
        gpus = None if all(job.composed.device == "cpu" for job in jobs) else find_gpus()
        if gpus is not None and any(job.composed.devices > 1 for job in jobs):
            raise ConfigError(
                "hydra/launcher=local gives each job one GPU, but trainer.devices asks for more; leave the launcher "
                "out, and the jobs run one after another on all GPUs"
            )
        slots = places(self._options, gpus, cpu_cores(), len(jobs))
        for job in jobs:
            job.write_config()
        threads = slots[0]["OMP_NUM_THREADS"]
        if watcher is None:
            log.info("%d jobs, %d at a time, %s CPU threads each", len(jobs), len(slots), threads)
        run_tasks([Task(job.name, job.folder) for job in jobs], slots, watcher or progress.watcher(len(jobs)))


class SharedProcessLauncher(FolderLauncher):
    """Trains jobs that differ in split and seed only, one after another in one process.

    See `gesturelab.sweeps.shared_process`.
    """

    @staticmethod
    def options_class() -> type:
        """The launcher's options."""
        from gesturelab.config.launcher import SharedProcessLauncherConfig

        return SharedProcessLauncherConfig

    def check(self, jobs: Sequence[Any]) -> None:
        """Looks whether the jobs can share processes.

        Raises:
            ConfigError: Naming the key that forbids it.
        """
        from gesturelab.sweeps.shared_process import require_shareable

        for job in jobs:
            require_shareable(job)

    def launch_jobs(self, jobs: Sequence[Any], watcher: Any = None) -> None:
        """Trains planned jobs on this machine.

        Raises:
            ConfigError: If a GPU is asked for that is not there, or jobs cannot share a process.
        """
        from dataclasses import replace

        from gesturelab.sweeps import progress
        from gesturelab.sweeps.resources import cpu_cores, find_gpus, places
        from gesturelab.sweeps.shared_process import group_jobs, run_groups

        if not jobs:
            return
        self.check(jobs)
        options, cores = self._options, cpu_cores()
        on_cpu = options.gpus == [] or all(job.composed.device == "cpu" for job in jobs)
        gpus = None if on_cpu else find_gpus()
        if gpus is None and options.n_jobs is None:
            options = replace(options, n_jobs=max(cores // (options.threads or 1), 1))
        processes = len(places(options, gpus, cores, len(jobs)))
        groups = group_jobs(jobs, options.models_at_once, processes)
        slots = places(options, gpus, cores, len(groups))
        for job in jobs:
            job.write_config()
        if watcher is None:
            log.info(
                "%d jobs in processes of %s, %d at a time",
                len(jobs),
                "+".join(str(len(group)) for group in groups),
                len(slots),
            )
            alone = [group[0].name for group in groups if len(group) == 1]
            if alone and len(jobs) > 1:
                log.info("alone in a process, as no other differs from it in split and seed only: %s", "; ".join(alone))
        run_groups(groups, slots, watcher or progress.watcher(len(jobs)))


class SlurmLauncher(FolderLauncher):
    """Submits jobs to Slurm as an array, and waits for them unless told not to; see `gesturelab.sweeps.slurm`."""

    marks_jobs = True

    @staticmethod
    def options_class() -> type:
        """The launcher's options."""
        from gesturelab.config.launcher import SlurmLauncherConfig

        return SlurmLauncherConfig

    @property
    def detached(self) -> bool:
        """Whether to return when the jobs are submitted."""
        return self._options.detach

    def check(self, jobs: Sequence[Any]) -> None:
        """Asks Slurm whether jobs can be submitted; warns of what will not go well.

        Raises:
            ConfigError: If there is no Slurm here, or not the partition.
            RunError: If Slurm does not answer.
        """
        from gesturelab.sweeps.slurm.submission import check

        for warning in check(jobs, self._options):
            log.warning(warning)

    def preview(self, jobs: Sequence[Any]) -> list[str]:
        """The batch scripts."""
        from gesturelab.sweeps.slurm.submission import scripts

        return scripts(jobs, self._options)

    def launch_jobs(self, jobs: Sequence[Any], watcher: Any = None) -> None:
        """Submits planned jobs; unless detached, returns when all have ended.

        Raises:
            RunError: If Slurm refuses.
            KeyboardInterrupt: After Ctrl-C; the jobs go on.
        """
        from gesturelab.cli.slurm_task import TrainFolder
        from gesturelab.sweeps.slurm.submission import submit
        from gesturelab.training.provenance import git_state

        if not jobs:
            return
        ids = submit(jobs, self._options, TrainFolder(self._options.max_requeues), git_state())
        arrays = "job" if len(jobs) == 1 else "job array" if len(ids) == 1 else "job arrays"
        log.info("submitted %d jobs to Slurm as %s %s", len(jobs), arrays, ", ".join(ids))
        if not self.detached:
            self._wait(jobs, watcher)

    def wait_for(self, jobs: Sequence[Any]) -> None:
        """Waits for jobs that an earlier call submitted."""
        jobs = [job for job in jobs if job.in_slurm]
        if jobs and not self.detached:
            log.info("waiting for %d jobs that Slurm has already", len(jobs))
            self._wait(jobs, None)

    def _wait(self, jobs: Sequence[Any], watcher: Any) -> None:
        from gesturelab.sweeps import progress
        from gesturelab.sweeps.local import Task
        from gesturelab.sweeps.slurm.watch import wait

        root = jobs[0].composed.root
        try:
            wait(
                [Task(job.name, job.folder) for job in jobs],
                self._options.poll_s,
                watcher or progress.watcher(len(jobs)),
            )
        except KeyboardInterrupt:
            log.info("")
            log.info("the jobs go on in Slurm. See them: gesturelab status %s", root)
            log.info("end them: gesturelab cancel %s; wait again: the same command", root)
            raise
