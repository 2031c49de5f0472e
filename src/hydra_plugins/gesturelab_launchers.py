"""Launchers. Hydra finds its plugins by the name of this package; what they do is in `gesturelab.sweeps`.

Hydra imports this file at each start of any of its applications, so nothing heavy is imported at the top.
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gesturelab.config.sweeps import (
    TOGETHER_REMOVED,
    LocalLauncherConfig,
    SharedProcessLauncherConfig,
    SlurmLauncherConfig,
)
from gesturelab.errors import ConfigError, RunError

if TYPE_CHECKING:
    from gesturelab.sweeps.local import Watcher
    from gesturelab.sweeps.plan import Composed, Job
    from gesturelab.sweeps.resources import Gpus

log = logging.getLogger("gesturelab.sweeps")


class FolderLauncher(Launcher):
    """Begins jobs that read their own ``config.yaml``; how each ended is in its ``status.json``."""

    schema: ClassVar[type]
    """Of the option in ``conf/hydra/launcher``."""
    marks_jobs = False
    """Whether `launch_jobs` itself writes into the jobs' status files that they wait."""

    def __init__(self, **options: Any) -> None:
        self._values = options
        self._options: Any = None
        self._config: Any = None
        self._loader: Any = None

    def check(self, jobs: "Sequence[Job]") -> None:
        """Looks whether jobs can be begun, before anything is written.

        Raises:
            GesturelabError: If they cannot.
        """

    @property
    def detached(self) -> bool:
        """Whether `launch_jobs` returns before the jobs have ended."""
        return False

    def preview(self, jobs: "Sequence[Job]") -> list[str]:
        """Texts that show how jobs would be begun."""
        return []

    def wait_for(self, jobs: "Sequence[Job]") -> None:
        """Waits for jobs that were begun before, if this launcher knows how."""

    @abstractmethod
    def launch_jobs(self, jobs: "Sequence[Job]", watcher: "Watcher | None" = None) -> None:
        """Begins planned jobs, and returns when all have ended.

        Args:
            jobs: Those to do.
            watcher: Follows them; None prints what happens.

        Raises:
            GesturelabError: If nothing can be begun.
        """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives; the task function is not needed.

        Raises:
            ConfigError: If an option is wrong.
        """
        if "trainer" not in config or "window" not in config:
            target = f"{type(self).__module__}.{type(self).__name__}"
            raise ConfigError(
                f"hydra.launcher._target_={target} launches trainings of gesturelab only: gesturelab train -m"
            )
        keys = [field.name for field in fields(self.schema)]
        for key in self._values.keys() - set(keys):  # added with +
            raise ConfigError(
                TOGETHER_REMOVED if key == "together" else f"hydra.launcher.{key}: keys are {', '.join(keys)}"
            )
        self._options = self.schema(**to_plain_values(self._values))
        self._config = config
        self._loader = hydra_context.config_loader

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Runs jobs for a sweeper that is not ours."""
        from gesturelab.sweeps.compose import make_job
        from gesturelab.sweeps.plan import OnChange, outcome_of, plan

        sweep: list[Composed] = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            config = self._loader.load_sweep_config(self._config, list(overrides))
            sweep.append(make_job(config, list(overrides), " ".join(filter_overrides(overrides)), number))
        jobs = plan(sweep, OnChange.refuse)
        if to_do := [job for job in jobs if job.to_do]:
            self.launch_jobs(to_do)
        returns: list[JobReturn] = []
        for job in jobs:
            outcome = outcome_of(job)
            status = JobStatus.COMPLETED if outcome.result.good else JobStatus.FAILED
            value = None if outcome.result.good else RunError(f"{job.name}: {outcome.result}: {outcome.reason}")
            returns.append(JobReturn(overrides=list(job.composed.overrides), status=status, _return_value=value))
        return returns


def to_plain_values(options: dict[str, Any]) -> dict[str, Any]:
    """A plugin's options without OmegaConf's containers."""
    return {key: OmegaConf.to_container(each) if OmegaConf.is_config(each) else each for key, each in options.items()}


def _find_gpus(jobs: "Sequence[Job]") -> "Gpus | None":
    from gesturelab.sweeps.resources import find_gpus

    return None if all(job.composed.device == "cpu" for job in jobs) else find_gpus()


class LocalLauncher(FolderLauncher):
    """Runs several jobs at a time, each in a process of its own; see `gesturelab.sweeps.local`."""

    schema = LocalLauncherConfig

    def launch_jobs(self, jobs: "Sequence[Job]", watcher: "Watcher | None" = None) -> None:
        """Runs planned jobs on this machine.

        Raises:
            ConfigError: If a GPU is asked for that is not there, or more than one for a job.
        """
        from gesturelab.sweeps.local import Task, run_tasks
        from gesturelab.sweeps.progress import ProgressView
        from gesturelab.sweeps.resources import count_cpu_cores, divide_resources

        gpus = _find_gpus(jobs)
        if gpus is not None and any(job.composed.devices > 1 for job in jobs):
            raise ConfigError(
                "hydra/launcher=local gives each job one GPU, but trainer.devices asks for more; leave the launcher "
                "out, and the jobs run one after another on all GPUs"
            )
        slots = divide_resources(self._options, gpus, count_cpu_cores(), len(jobs))
        for job in jobs:
            job.write_config()
        if watcher is None:
            threads = slots[0]["OMP_NUM_THREADS"]
            log.info("%d jobs, %d at a time, %s CPU threads each", len(jobs), len(slots), threads)
        run_tasks([Task(job.name, job.folder) for job in jobs], slots, watcher or ProgressView(len(jobs)))


class SharedProcessLauncher(FolderLauncher):
    """Trains jobs that differ in split and seed only, one after another in one process.

    See `gesturelab.sweeps.shared_process`.
    """

    schema = SharedProcessLauncherConfig

    def check(self, jobs: "Sequence[Job]") -> None:
        """Looks whether the jobs can share processes.

        Raises:
            ConfigError: Naming the key that forbids it.
        """
        from gesturelab.sweeps.shared_process import require_shareable

        for job in jobs:
            require_shareable(job)

    def launch_jobs(self, jobs: "Sequence[Job]", watcher: "Watcher | None" = None) -> None:
        """Trains planned jobs on this machine.

        Raises:
            ConfigError: If a GPU is asked for that is not there, or jobs cannot share a process.
        """
        from gesturelab.sweeps.progress import ProgressView
        from gesturelab.sweeps.resources import count_cpu_cores, divide_resources
        from gesturelab.sweeps.shared_process import group_jobs, run_groups

        self.check(jobs)
        options, cores = self._options, count_cpu_cores()
        gpus = None if options.gpus == [] else _find_gpus(jobs)
        if gpus is None and options.n_jobs is None:
            options = replace(options, n_jobs=max(cores // (options.threads or 1), 1))
        processes = len(divide_resources(options, gpus, cores, len(jobs)))
        groups = group_jobs(jobs, options.models_at_once, processes)
        slots = divide_resources(options, gpus, cores, len(groups))
        for job in jobs:
            job.write_config()
        if watcher is None:
            sizes = "+".join(str(len(group)) for group in groups)
            log.info("%d jobs in processes of %s, %d at a time", len(jobs), sizes, len(slots))
            alone = [group[0].name for group in groups if len(group) == 1]
            if alone and len(jobs) > 1:
                log.info("alone in a process, as no other differs from it in split and seed only: %s", "; ".join(alone))
        run_groups(groups, slots, watcher or ProgressView(len(jobs)))


class SlurmLauncher(FolderLauncher):
    """Submits jobs to Slurm as an array, and waits for them unless told not to; see `gesturelab.sweeps.slurm`."""

    schema = SlurmLauncherConfig
    marks_jobs = True

    @property
    def detached(self) -> bool:
        """Whether to return when the jobs are submitted."""
        return self._options.detach

    def check(self, jobs: "Sequence[Job]") -> None:
        """Asks Slurm whether jobs can be submitted; warns of what will not go well.

        Raises:
            ConfigError: If there is no Slurm here, or not the partition.
            RunError: If Slurm does not answer.
        """
        from gesturelab.sweeps.slurm import check_jobs

        for warning in check_jobs(jobs, self._options):
            log.warning(warning)

    def preview(self, jobs: "Sequence[Job]") -> list[str]:
        """The batch scripts."""
        from gesturelab.sweeps.slurm import preview_scripts

        return preview_scripts(jobs, self._options)

    def launch_jobs(self, jobs: "Sequence[Job]", watcher: "Watcher | None" = None) -> None:
        """Submits planned jobs; unless detached, returns when all have ended.

        Raises:
            RunError: If Slurm refuses.
            KeyboardInterrupt: After Ctrl-C; the jobs go on.
        """
        from gesturelab.cli.job import TrainFolder
        from gesturelab.sweeps.slurm import submit_jobs
        from gesturelab.training.provenance import git_state

        ids = submit_jobs(jobs, self._options, TrainFolder(self._options.max_requeues), git_state())
        arrays = "job" if len(jobs) == 1 else "job array" if len(ids) == 1 else "job arrays"
        log.info("submitted %d jobs to Slurm as %s %s", len(jobs), arrays, ", ".join(ids))
        if not self.detached:
            self._wait(jobs, watcher)

    def wait_for(self, jobs: "Sequence[Job]") -> None:
        """Waits for jobs that an earlier call submitted."""
        jobs = [job for job in jobs if job.in_slurm]
        if jobs and not self.detached:
            log.info("waiting for %d jobs that Slurm has already", len(jobs))
            self._wait(jobs, None)

    def _wait(self, jobs: "Sequence[Job]", watcher: "Watcher | None") -> None:
        from gesturelab.sweeps.local import Task
        from gesturelab.sweeps.progress import ProgressView
        from gesturelab.sweeps.slurm import wait_for_jobs

        root = jobs[0].composed.root
        tasks = [Task(job.name, job.folder) for job in jobs]
        try:
            wait_for_jobs(tasks, self._options.poll_s, watcher or ProgressView(len(jobs)))
        except KeyboardInterrupt:
            log.info("")
            log.info("the jobs go on in Slurm. See them: gesturelab status %s", root)
            log.info("end them: gesturelab cancel %s; wait again: the same command", root)
            raise
