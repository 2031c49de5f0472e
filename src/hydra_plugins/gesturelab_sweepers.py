"""Sweepers. Hydra finds its plugins by the name of this package; what they do is in `gesturelab.sweeps`.

Hydra imports this file at each start of any of its applications, so nothing heavy is imported at the top.
"""

import logging
import sys
from typing import TYPE_CHECKING, Any, cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gesturelab.errors import ConfigError, GesturelabError
from hydra_plugins.gesturelab_launchers import FolderLauncher

if TYPE_CHECKING:
    from gesturelab.sweeps.plan import Composed, Job

log = logging.getLogger("gesturelab.sweeps")


class ResumingSweeper(BasicSweeper):
    """Hydra's basic sweeper, which plans before it launches, whatever the launcher.

    Finished jobs are skipped, unfinished ones go on, changed ones are refused; at the end each job's own files show how
    it ended, so one failure hides no other result.
    """

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        on_change: str = "refuse",
        dry_run: bool = False,
    ) -> None:
        super().__init__(max_batch_size, params)
        self._on_change = on_change
        self._numbered = False
        self._dry_run = dry_run

    def sweep(self, arguments: list[str]) -> Any:
        """Plans, launches, and prints how each job ended.

        Raises:
            SystemExit: With status 1, unless all jobs are finished at the end.
        """
        from gesturelab.sweeps.plan import outcome_of, outcome_table

        jobs, naming = self._plan(arguments)
        ours = self.launcher if isinstance(self.launcher, FolderLauncher) else None
        if self._dry_run:
            self._preview(jobs, ours)
            return []
        to_do = [job for job in jobs if job.to_do]
        if ours is not None and to_do:
            ours.check(to_do)
        self._prepare(jobs, marks=ours is None or not ours.marks_jobs)
        broken = False
        try:
            broken = not self._launch(to_do, naming)
            if ours is not None:
                ours.wait_for([job for job in jobs if not job.to_do])
        finally:
            outcomes = [outcome_of(job) for job in jobs]
            log.info("")
            for line in outcome_table(outcomes):
                log.info(line)
        if broken:
            sys.exit(1)
        if ours is not None and ours.detached:
            root = jobs[0].composed.root
            log.info("see them: gesturelab status %s; end them: gesturelab cancel %s", root, root)
        elif not all(outcome.result.good for outcome in outcomes):
            sys.exit(1)
        return []

    def _preview(self, jobs: "list[Job]", launcher: FolderLauncher | None) -> None:
        """Prints what would be done."""
        for job in jobs:
            log.info("%-7s %s", job.action, job.folder)
        to_do = [job for job in jobs if job.to_do]
        if launcher is not None and to_do:
            launcher.check(to_do)
            for text in launcher.preview(to_do):
                log.info("\n%s", text.rstrip())
        log.info("\n%d jobs, %d to do; nothing was begun (--dry-run)", len(jobs), len(to_do))

    def _plan(self, arguments: list[str]) -> "tuple[list[Job], list[str]]":
        from gesturelab.sweeps.compose import JobComposer, make_job
        from gesturelab.sweeps.plan import OnChange, plan

        assert self.config is not None
        assert self.hydra_context is not None
        if self._on_change not in [*OnChange]:
            raise ConfigError(f"hydra.sweeper.on_change={self._on_change}: must be one of {', '.join(OnChange)}")
        self._numbered = any("hydra:job" in text for text in (*arguments, OmegaConf.to_yaml(self.config)))
        loader = cast(ConfigLoaderImpl, self.hydra_context.config_loader)
        parser = OverridesParser.create(config_loader=loader)
        # the last of several overrides of a key counts, as in split_arguments
        parsed = {item.get_key_element(): item for item in parser.parse_overrides([*self._parse_config(), *arguments])}
        varying = {key for key, item in parsed.items() if item.is_sweep_override()}
        fixed = [item.key_or_group for key, item in parsed.items() if key not in varying]
        compose = JobComposer(loader, self.config, fixed)
        sweep: list[Composed] = []
        for number, overrides in enumerate(self.split_arguments(list(parsed.values()), None)[0]):
            config = compose(overrides)
            shown = [item for item, key in zip(overrides, parsed, strict=True) if key in varying]
            sweep.append(make_job(config, overrides, " ".join(shown), number))
        return plan(sweep, OnChange(self._on_change)), compose.naming

    def _prepare(self, jobs: "list[Job]", marks: bool) -> None:
        """Makes sure that each job can begin, before any does; and that the status of finished ones is so."""
        from gesturelab.files import write_text
        from gesturelab.runs.status import State, end_status, mark_queued, read_status
        from gesturelab.sweeps.plan import Action, require_sweep_folder

        assert self.config is not None
        for job in jobs:
            if job.action is Action.skip and read_status(job.folder).get("state", State.done) != State.done:
                end_status(job.folder, State.done, "")
        jobs = [job for job in jobs if job.to_do]
        for root in {job.composed.root for job in jobs}:
            require_sweep_folder(root)
        for job in jobs if marks else []:
            mark_queued(job.folder)
        for root in {job.composed.root for job in jobs}:
            root.mkdir(parents=True, exist_ok=True)
            write_text(root / "multirun.yaml", OmegaConf.to_yaml(self.config))

    def _launch(self, jobs: "list[Job]", naming: list[str]) -> bool:
        """Whether the launcher began all it was given."""
        assert self.launcher is not None
        one_by_one = self._numbered and not isinstance(self.launcher, FolderLauncher)  # each with its own number
        size = 1 if one_by_one else self.max_batch_size or max(len(jobs), 1)
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            try:
                if isinstance(self.launcher, FolderLauncher):
                    self.launcher.launch_jobs(batch)
                    continue
                overrides = [
                    [*job.composed.overrides, *naming, f"hydra.sweep.subdir='{job.subfolder}'"] for job in batch
                ]
                self.launcher.launch(overrides, initial_job_idx=batch[0].composed.number)
            except GesturelabError:
                raise
            except Exception:
                log.exception("the launcher failed; what it did not begin can be launched again")
                return False
        return True
