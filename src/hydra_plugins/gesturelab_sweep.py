"""Hydra finds its plugins by the name of this package; what they do is in `gesturelab.sweep`.

Hydra imports this file at each start of any of its applications, so nothing heavy is imported at the top.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

log = logging.getLogger("gesturelab.sweep")


class ResumingSweeper(BasicSweeper):
    """Hydra's basic sweeper, which plans before it launches, whatever the launcher.

    Finished jobs are skipped, unfinished ones go on, changed ones are refused; at the end each job's own files say what
    became of it, so one failure hides no other result.
    """

    def __init__(
        self, max_batch_size: int | None = None, params: dict[str, str] | None = None, on_change: str = "refuse"
    ) -> None:
        super().__init__(max_batch_size, params)
        self._on_change = on_change

    def sweep(self, arguments: list[str]) -> Any:
        """Plans, launches and tells.

        Raises:
            SystemExit: With status 1, unless all jobs are finished at the end.
        """
        from gesturelab.sweep.outcome import outcome_of, table

        jobs, naming = self._plan(arguments)
        self._prepare([job for job in jobs if job.to_do])
        try:
            self._launch([job for job in jobs if job.to_do], naming)
        finally:
            outcomes = [outcome_of(job) for job in jobs]
            log.info("")
            for line in table(outcomes):
                log.info(line)
        if not all(outcome.result.good for outcome in outcomes):
            sys.exit(1)
        return []

    def _plan(self, arguments: list[str]) -> tuple[list[Any], list[str]]:
        from gesturelab.errors import ConfigError
        from gesturelab.sweep.compose import JobComposer
        from gesturelab.sweep.plan import Composed, OnChange, plan

        assert self.config is not None
        assert self.hydra_context is not None
        if self._on_change not in [*OnChange]:
            raise ConfigError(f"hydra.sweeper.on_change={self._on_change}: must be one of {', '.join(OnChange)}")
        loader = cast(ConfigLoaderImpl, self.hydra_context.config_loader)
        parser = OverridesParser.create(config_loader=loader)
        # the last of several overrides of a key counts, as in split_arguments
        parsed = {item.get_key_element(): item for item in parser.parse_overrides([*self._parse_config(), *arguments])}
        varying = {key for key, item in parsed.items() if item.is_sweep_override()}
        fixed = [item.key_or_group for key, item in parsed.items() if key not in varying]
        compose = JobComposer(loader, self.config, fixed)
        sweep: list[Composed] = []
        for overrides in self.split_arguments(list(parsed.values()), None)[0]:
            config = compose(overrides)
            shown = [item for item, key in zip(overrides, parsed, strict=True) if key in varying]
            sweep.append(_composed(config, overrides, " ".join(shown)))
        return plan(sweep, OnChange(self._on_change)), compose.naming

    def _prepare(self, jobs: list[Any]) -> None:
        """Makes sure that each job can begin, before any does."""
        from gesturelab.errors import RunError
        from gesturelab.sweep.status import queue

        assert self.config is not None
        for root in {job.composed.root for job in jobs}:
            if root.is_dir() and any(root.iterdir()) and not (root / "multirun.yaml").exists():
                raise RunError(f"{root} is not a sweep's folder, but it is not empty; choose another name=NAME")
        for job in jobs:
            queue(job.folder)
        for root in {job.composed.root for job in jobs}:
            OmegaConf.save(self.config, root / "multirun.yaml")

    def _launch(self, jobs: list[Any], naming: list[str]) -> None:
        from gesturelab.errors import GesturelabError

        assert self.launcher is not None
        size = self.max_batch_size or max(len(jobs), 1)
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            try:
                if isinstance(self.launcher, LocalLauncher):
                    self.launcher.launch_jobs(batch)
                    continue
                overrides = [
                    [*job.composed.overrides, *naming, f"hydra.sweep.subdir='{job.folder.name}'"] for job in batch
                ]
                self.launcher.launch(overrides, initial_job_idx=first)
            except GesturelabError:
                raise
            except Exception:
                log.exception("the launcher failed; what it did not begin can be launched again")


class LocalLauncher(Launcher):
    """Runs several jobs at a time, each in a process of its own; see `gesturelab.sweep.local`."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._checked: Any = None
        self._config: Any = None
        self._loader: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Takes what Hydra gives; the task function is not needed, as jobs read their own config.yaml.

        Raises:
            ConfigError: If an option is wrong.
        """
        from gesturelab.errors import ConfigError
        from gesturelab.sweep.places import LocalOptions

        try:
            self._checked = LocalOptions(**self._options)
        except TypeError as error:
            raise ConfigError(f"hydra/launcher=local: {error}") from error
        self._config = config
        self._loader = hydra_context.config_loader

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Runs jobs for a sweeper that is not ours."""
        from gesturelab.errors import RunError
        from gesturelab.sweep.outcome import outcome_of
        from gesturelab.sweep.plan import OnChange, plan

        sweep: list[Any] = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            config = self._loader.load_sweep_config(self._config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = number
            sweep.append(_composed(config, list(overrides), " ".join(filter_overrides(overrides))))
        jobs = plan(sweep, OnChange.refuse)
        self.launch_jobs([job for job in jobs if job.to_do])
        returns: list[JobReturn] = []
        for job in jobs:
            outcome = outcome_of(job)
            status = JobStatus.COMPLETED if outcome.result.good else JobStatus.FAILED
            value = None if outcome.result.good else RunError(f"{job.name}: {outcome.result}: {outcome.reason}")
            returns.append(JobReturn(overrides=list(job.composed.overrides), status=status, _return_value=value))
        return returns

    def launch_jobs(self, jobs: Sequence[Any]) -> None:
        """Runs planned jobs.

        Raises:
            ConfigError: If a GPU is asked for that is not there.
        """
        from gesturelab.runs import write_text
        from gesturelab.sweep.local import Task, run_tasks
        from gesturelab.sweep.places import cpu_cores, find_gpus, places
        from gesturelab.sweep.view import watcher

        if not jobs:
            return
        gpus = None if all(job.composed.device == "cpu" for job in jobs) else find_gpus()
        slots = places(self._checked, gpus, cpu_cores(), len(jobs))
        for job in jobs:
            write_text(job.run.config, job.composed.text)
        threads = slots[0]["OMP_NUM_THREADS"]
        log.info("%d jobs, %d at a time, %s CPU threads each", len(jobs), len(slots), threads)
        run_tasks([Task(job.name, job.folder) for job in jobs], slots, watcher(len(jobs)))


def _composed(config: Any, overrides: list[str], varying: str) -> Any:
    """Makes a job of a configuration, after checking it as training will.

    Raises:
        ConfigError: If a value breaks a rule.
    """
    from hydra.core.hydra_config import HydraConfig

    from gesturelab.config.compose import typed
    from gesturelab.errors import ConfigError, GesturelabError
    from gesturelab.sweep.plan import Composed

    cast(Any, HydraConfig.instance()).cfg = OmegaConf.masked_copy(config, "hydra")  # for ${hydra:...} in values
    root, name = Path(config.hydra.sweep.dir), str(config.hydra.sweep.subdir)
    with read_write(config), open_dict(config):
        del config["hydra"]
    try:
        typed(config)
    except GesturelabError as error:
        raise ConfigError(f"{error} (in the job {varying or name})") from error
    return Composed(
        overrides=tuple(overrides),
        varying=varying,
        root=root,
        name=name,
        size=str(config.model.name),
        device=str(config.trainer.device),
        text=OmegaConf.to_yaml(config, resolve=True),
    )
