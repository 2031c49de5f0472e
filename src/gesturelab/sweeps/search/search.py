"""A search: asks for trials, launches them, follows them, and stores what became of each."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import Trial

from gesturelab.config.search import SearchConfig
from gesturelab.errors import GesturelabError
from gesturelab.runs.status import State, queue, read_status
from gesturelab.runs.stop_request import PRUNED, ask_to_stop, withdraw
from gesturelab.sweeps.local import Task, Watcher
from gesturelab.sweeps.plan import Action, Composed, Job, OnChange, plan
from gesturelab.sweeps.search.result import SEARCH_SCHEMA, Result, Search, TrialResult, best_of, write_search
from gesturelab.sweeps.search.space import Value
from gesturelab.sweeps.search.study import Study
from gesturelab.sweeps.search.trial import Judgement, Objective, SearchTrial, judge, mean_losses
from gesturelab.sweeps.search.view import SearchView

log = logging.getLogger("gesturelab.sweeps")

POLL_S = 0.2
"""Between two looks at running trials."""


@dataclass(frozen=True)
class Parts:
    """What a search is made of, but for the study.

    Attributes:
        root: The sweep's folder.
        options: How to search.
        objective: What to make small or large.
        space: In words, by key.
        compose: From a trial's number and values to its runs.
        launch: Begins jobs, and returns when all have ended.
        command: From values to the command that trains with them.
        view: Is told how it goes.
    """

    root: Path
    options: SearchConfig
    objective: Objective
    space: dict[str, str]
    compose: Callable[[int, dict[str, Value]], list[Composed]]
    launch: Callable[[Sequence[Job], Watcher], None]
    command: Callable[[dict[str, Value]], str]
    view: SearchView


class Searcher:
    """Runs a search until there are as many trials as asked for, or one is interrupted."""

    def __init__(self, parts: Parts, study: Study) -> None:
        self._parts = parts
        self._study = study
        self._objective = parts.objective
        self._asked: dict[int, Trial] = {}

    def run(self) -> bool:
        """Searches; trials that were interrupted go on first.

        Returns:
            Whether all trials have ended.

        Raises:
            GesturelabError: If nothing can be launched, or a folder cannot be written.
        """
        try:
            while batch := self._batch():
                self._run_batch([trial for trial in batch if not trial.ended])
                if not all(trial.ended for trial in batch):
                    return False
            return True
        finally:
            self._parts.view.close()
            write_search(self._parts.root, self.search())

    def search(self) -> Search:
        """What is known so far."""
        options, results = self._parts.options, self._study.results()
        best = best_of(results, maximise=self._objective.maximise)
        importances, missing = self._study.importances()
        return Search(
            schema=SEARCH_SCHEMA,
            name=self._parts.root.name,
            objective=options.objective,
            maximise=self._objective.maximise,
            n_trials=options.n_trials,
            average_over=options.average_over,
            sampler=options.sampler,
            pruner=options.pruner,
            space=self._parts.space,
            best=best,
            command=self._parts.command(best["params"]) if best is not None else None,
            importances=importances,
            importances_missing=missing,
            trials=results,
        )

    def _batch(self) -> list[SearchTrial]:
        most = self._parts.options.n_parallel
        asked = self._study.unfinished()[:most]
        if not asked:
            new = min(most, self._parts.options.n_trials - self._study.count)
            asked = [self._study.ask() for _ in range(new)]
        trials: list[SearchTrial] = []
        for each in asked:
            trial = SearchTrial(each.number, self._study.values(each))
            self._asked[trial.number] = each
            trials.append(trial)
            try:
                trial.composed = self._parts.compose(trial.number, trial.values)
            except (GesturelabError, HydraException, OmegaConfBaseException) as error:
                self._end(trial, Judgement(Result.failed, reason=str(error).splitlines()[0]))
        return trials

    def _run_batch(self, trials: list[SearchTrial]) -> None:
        self._plan(trials)
        self._wait_for_others(trials)
        for trial in trials:  # what a search that was killed did not store, or a trial with equal parameters has done
            self._settle(trial, over=False)
        todo = [trial for trial in trials if not trial.ended]
        jobs = {job.folder: job for trial in todo for job in trial.jobs if job.to_do}
        for folder in jobs:
            withdraw(folder)
            queue(folder)
        if jobs:
            self._parts.launch(list(jobs.values()), _Follower(self, todo, self._parts))
        for trial in todo:
            self._settle(trial, over=True)

    def _plan(self, trials: list[SearchTrial]) -> None:
        jobs = plan([composed for trial in trials for composed in trial.composed], OnChange.beside)
        by_text = {job.composed.text: job for job in reversed(jobs)}  # the first of equal ones
        for trial in trials:
            trial.jobs = [by_text[composed.text] for composed in trial.composed]

    def _wait_for_others(self, trials: list[SearchTrial]) -> None:
        """Until no run of these trials is at work that an earlier call began."""
        told = False
        while busy := [job for trial in trials for job in trial.jobs if job.action is Action.busy]:
            if not told:
                log.info("waiting for runs that are still at work: %s", ", ".join(job.folder.name for job in busy))
            told = True
            time.sleep(POLL_S)
            for trial in trials:
                self.follow(trial)
            self._plan(trials)

    def follow(self, trial: SearchTrial) -> None:
        """Reports epochs that all runs of a trial have finished, and gives the trial up if it is hopeless."""
        if trial.ended or trial.given_up:
            return
        means = mean_losses(trial.jobs)
        while trial.judged < len(means) and not trial.given_up:
            loss = means[trial.judged]
            if loss is not None and self._study.hopeless(self._asked[trial.number], trial.judged, loss):
                epochs = f"{trial.judged + 1} epoch{'s' if trial.judged else ''}"
                self.give_up(trial, f"{PRUNED}validation loss {loss:.4f} after {epochs} ({self._parts.options.pruner})")
            trial.judged += 1

    def give_up(self, trial: SearchTrial, reason: str) -> None:
        """Asks the runs of a trial to stop."""
        trial.given_up = True
        for job in trial.jobs:
            if not job.run.complete:
                ask_to_stop(job.folder, reason)

    def settle(self, trial: SearchTrial) -> None:
        """Stores what became of a trial whose runs have ended."""
        self.follow(trial)
        self._settle(trial, over=True)

    def _settle(self, trial: SearchTrial, *, over: bool) -> None:
        if trial.ended:
            return
        judgement = judge(trial.jobs, self._objective, over=over)
        if judgement.result is not Result.running:
            if judgement.result is Result.completed:
                self.follow(trial)  # for the pruning of later trials
                for job in trial.jobs:
                    withdraw(job.folder)  # it was quicker than the request
            self._end(trial, judgement)

    def _end(self, trial: SearchTrial, judgement: Judgement) -> None:
        trial.ended = True
        result = TrialResult(
            number=trial.number,
            state=judgement.result,
            value=judgement.value,
            params=dict(trial.values),
            folders=[job.folder.name for job in trial.jobs],
            epochs=[(read_status(job.folder) or {}).get("epoch", 0) for job in trial.jobs],
            reason=judgement.reason,
        )
        self._study.end(self._asked[trial.number], result)
        search = self.search()
        write_search(self._parts.root, search)
        self._parts.view.ended(result, search)


class _Follower(Watcher):
    """Follows the trials of a batch while their runs are at work."""

    def __init__(self, searcher: Searcher, trials: Sequence[SearchTrial], parts: Parts) -> None:
        self._searcher = searcher
        self._trials = trials
        self._parts = parts
        self._begun: set[int] = set()
        self._waiting = {trial.number: {job.folder for job in trial.jobs if job.to_do} for trial in trials}
        self._next = 0.0

    def began(self, task: Task) -> None:
        """Names the trial with its first run."""
        for trial in self._of(task):
            if trial.number not in self._begun:
                self._begun.add(trial.number)
                resumed = any(job.action is Action.resume for job in trial.jobs)
                self._parts.view.began(trial, resumed=resumed)

    def ended(self, task: Task) -> None:
        """Stores a trial with its last run; a run that failed ends the others of its trial."""
        for trial in self._of(task):
            waiting = self._waiting[trial.number]
            waiting.discard(task.folder)
            if not waiting:
                self._searcher.settle(trial)
            elif (read_status(task.folder) or {}).get("state") == State.failed:
                self._searcher.give_up(trial, f"given up: {task.folder.name} of the same trial failed")

    def tick(self, running: Sequence[Task]) -> None:
        """Looks for finished epochs now and then."""
        self._parts.view.tick(running)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + POLL_S
        for trial in self._trials:
            self._searcher.follow(trial)

    def _of(self, task: Task) -> list[SearchTrial]:
        return [trial for trial in self._trials if any(job.folder == task.folder for job in trial.jobs)]
