"""A search: asks for trials, launches them, follows them, and stores how each ended."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import yaml
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gesturelab.errors import ConfigError, GesturelabError, first_line
from gesturelab.evaluation.metrics import METRICS, read_definitions
from gesturelab.files import write_json, write_text
from gesturelab.runs.folder import RunDir
from gesturelab.runs.locking import single_instance
from gesturelab.runs.status import (
    GRADIENT_NOT_FINITE,
    NOT_FINITE,
    PRUNED,
    State,
    Status,
    ask_to_stop,
    asked_to_stop,
    mark_queued,
    read_status,
    withdraw_request,
)
from gesturelab.sweeps.local import Task, Watcher
from gesturelab.sweeps.plan import Action, Composed, Job, JobResult, OnChange, outcome_of, plan, require_sweep_folder
from gesturelab.sweeps.progress import LiveTable
from gesturelab.sweeps.search.request import SearchRequest, Value
from gesturelab.sweeps.search.result import (
    SEARCH,
    SEARCH_SCHEMA,
    Search,
    TrialOutcome,
    TrialResult,
    best_of,
    summarise,
    trial_name,
)
from gesturelab.sweeps.search.study import Study

if TYPE_CHECKING:
    from optuna.trial import Trial


@dataclass(frozen=True)
class Objective:
    """What a search makes small or large; always of validation people, with the weights that a run keeps.

    Attributes:
        name: As in the option.
        level: Of ``metrics.validation`` in the info file: window or recording.
        metric: Of that level.
        maximise: Whether more is better.
    """

    name: str
    level: str
    metric: str
    maximise: bool


def find_objective(name: str, options: Mapping[str, Any]) -> Objective:
    """The objective of a name such as validation_loss or validation_recording_accuracy.

    Args:
        name: validation_<metric> (of windows) or validation_recording_<metric>.
        options: The users' own metrics, as they stand in the configuration.

    Raises:
        ConfigError: If there is no such metric; the message names all.

    >>> find_objective("validation_recording_balanced_accuracy", {}).metric
    'balanced_accuracy'
    """
    higher = {"loss": False, **{metric.name: metric.higher_is_better for metric in METRICS if not metric.with_people}}
    higher |= {key: definition["higher_is_better"] for key, definition in read_definitions(options).items()}
    of_level = {f"validation_{metric}": ("window", metric) for metric in higher}
    of_level |= {f"validation_recording_{metric}": ("recording", metric) for metric in higher}
    if name not in of_level:
        raise ConfigError(f"hydra.sweeper.objective={name}: must be one of {', '.join(of_level)}")
    level, metric = of_level[name]
    return Objective(name, level, metric, higher[metric])


@dataclass
class SearchTrial:
    """A trial that was asked for.

    Attributes:
        handle: Optuna's.
        number: From 0.
        values: Of each key that is searched.
        composed: Its runs: one, or one for each value that it is averaged over.
        jobs: The same with their folders; trials with equal parameters share them.
        pending: Folders of its runs that have not ended.
        judged: Epochs, reached by all runs, after which it was decided whether to go on.
        announced: Whether its beginning was printed.
        given_up: Whether its runs were asked to stop.
        ended: Whether its result is stored.
    """

    handle: "Trial"
    number: int
    values: dict[str, Value]
    composed: list[Composed] = field(default_factory=list[Composed])
    jobs: list[Job] = field(default_factory=list[Job])
    pending: set[Path] = field(default_factory=set[Path])
    judged: int = 0
    announced: bool = False
    given_up: bool = False
    ended: bool = False


@dataclass(frozen=True)
class Judgement:
    """How a trial ended, the value if it is completed, and the reason if not."""

    outcome: TrialOutcome
    value: float | None = None
    reason: str = ""


def judge(jobs: Sequence[Job], objective: Objective, *, over: bool) -> Judgement:
    """How a trial ended: a diverged run decides, then a failed one, then one that was given up.

    Args:
        jobs: The trial's.
        objective: Whose mean is the trial's value.
        over: Whether its runs have been launched and have ended; before that, a failed run may run again.

    Raises:
        RunError: If the info file of a finished run cannot be read.
    """
    unfinished = [job for job in jobs if not job.run.complete]
    if not unfinished:
        scores = [_score(job.run, objective) for job in jobs]
        known = [score for score in scores if score is not None]
        if len(known) < len(scores):
            reason = f"{objective.name} is undefined: validation people have one class only"
            return Judgement(TrialOutcome.failed, reason=reason)
        return Judgement(TrialOutcome.completed, fmean(known))
    statuses = [_read_own_status(job) for job in unfinished]
    reasons = [status.get("reason", "") for status in statuses]
    for status, reason in zip(statuses, reasons, strict=True):
        if reason.startswith((NOT_FINITE, GRADIENT_NOT_FINITE)) and status.get("state") == State.failed:
            return Judgement(TrialOutcome.diverged, reason=reason)
    for job in unfinished if over else ():
        ended = outcome_of(job)
        if ended.result is JobResult.failed:
            return Judgement(TrialOutcome.failed, reason=f"{ended.reason} (log: {ended.log})")
    for job, reason in zip(unfinished, reasons, strict=True):
        for text in (reason, asked_to_stop(job.folder)):
            if text.startswith(PRUNED):
                return Judgement(TrialOutcome.pruned, reason=text.removeprefix(PRUNED))
    return Judgement(TrialOutcome.running)


def _read_own_status(job: Job) -> Status:
    """What a job's status file says, if it is of the job's own configuration."""
    try:
        is_own = job.run.config.read_text(encoding="utf-8") == job.composed.text
    except (OSError, ValueError):
        is_own = False
    return read_status(job.folder) if is_own else Status()


def mean_losses(jobs: Sequence[Job]) -> list[float | None]:
    """The mean validation loss of each epoch that all jobs have finished; None where it is not known."""
    histories = [_read_own_status(job).get("validation_losses", []) for job in jobs]
    means: list[float | None] = []
    for losses in zip(*histories, strict=False):  # as far as the shortest goes
        known = [loss for loss in losses if loss is not None]
        means.append(fmean(known) if len(known) == len(losses) else None)
    return means


def _score(run: RunDir, objective: Objective) -> float | None:
    validation = run.read_info()["metrics"]["validation"]
    scores = validation["window"] if objective.level == "window" else validation["recording"]
    return scores.get(objective.metric)


log = logging.getLogger("gesturelab.sweeps")

POLL_S = 0.2
"""Between two looks at running trials."""

Launch = Callable[[Sequence[Job], Watcher], None]
"""Begins jobs, and returns when all have ended."""


def run_search(request: SearchRequest, config: DictConfig, launch: Launch) -> bool:
    """Searches until there are as many trials as asked for; checks everything before anything is written.

    Args:
        request: What to search.
        config: The configuration of the whole sweep.
        launch: Begins jobs, and returns when all have ended.

    Returns:
        Whether all trials have ended, and none failed but those that were pruned or diverged.

    Raises:
        GesturelabError: If a configuration is wrong, the study is of another search, or the folder is taken.
    """
    bases = request.compose_extremes()
    root = bases[0].root
    objective = find_objective(request.options.objective, yaml.safe_load(bases[0].text)["metrics"])
    require_sweep_folder(root)
    epochs = [yaml.safe_load(base.text)["trainer"]["max_epochs"] for base in bases]
    max_epochs = None if None in epochs else max(epochs)
    with single_instance(root, ".search.lock", "another search is at work in"):
        write_text(root / "multirun.yaml", OmegaConf.to_yaml(config))
        study = Study(root, request.options, request.space, max_epochs, maximise=objective.maximise)
        study.require_same_search(request.describe(bases[0]))
        searcher = Searcher(root, request, objective, study, launch)
        try:
            complete = searcher.run()
        finally:
            search = searcher.search()
            log.info("")
            for line in summarise(search):
                log.info(line)
    if not complete:
        log.info("interrupted; the same command resumes it")
    return complete and all(trial["state"] != TrialOutcome.failed for trial in search["trials"])


class Searcher(Watcher):
    """Runs a search until there are as many trials as asked for, or one is interrupted.

    Args:
        root: The sweep's folder.
        request: What to search.
        objective: What to make small or large.
        study: The stored trials.
        launch: Begins jobs, and returns when all have ended.
    """

    def __init__(self, root: Path, request: SearchRequest, objective: Objective, study: Study, launch: Launch) -> None:
        self._root = root
        self._request = request
        self._options = request.options
        self._objective = objective
        self._study = study
        self._launch = launch
        self._running: list[SearchTrial] = []
        self._table = LiveTable()
        self._next_poll = 0.0

    def run(self) -> bool:
        """Searches; trials that were interrupted go on first.

        Returns:
            Whether all trials have ended.

        Raises:
            GesturelabError: If nothing can be launched, or a folder cannot be written.
        """
        try:
            while batch := self._next_batch():
                self._run_batch([trial for trial in batch if not trial.ended])
                if not all(trial.ended for trial in batch):
                    return False
            return True
        finally:
            self._table.hide()
            write_json(self._root / SEARCH, self.search())

    def search(self) -> Search:
        """What is known so far."""
        options, results = self._options, self._study.results()
        best = best_of(results, maximise=self._objective.maximise)
        importances, missing = self._study.importances()
        return Search(
            schema=SEARCH_SCHEMA,
            name=self._root.name,
            objective=options.objective,
            maximise=self._objective.maximise,
            n_trials=options.n_trials,
            average_over=options.average_over,
            sampler=options.sampler,
            pruner=options.pruner,
            space={parameter.key: str(parameter) for parameter in self._request.space},
            best=best,
            command=self._request.format_command(best["params"]) if best is not None else None,
            importances=importances,
            importances_missing=missing,
            trials=results,
        )

    def _next_batch(self) -> list[SearchTrial]:
        most = self._options.n_parallel
        stored = self._study.unfinished()[:most]
        if not stored:
            count = min(most, self._options.n_trials - self._study.count)
            stored = [self._study.ask_trial() for _ in range(count)]
        trials: list[SearchTrial] = []
        for handle in stored:
            trial = SearchTrial(handle, handle.number, self._study.suggest_values(handle))
            trials.append(trial)
            try:
                trial.composed = self._request.compose_trial(trial.number, trial.values)
            except (GesturelabError, HydraException, OmegaConfBaseException) as error:
                self._end(trial, Judgement(TrialOutcome.failed, reason=first_line(error)))
        return trials

    def _run_batch(self, trials: list[SearchTrial]) -> None:
        self._plan(trials)
        self._wait_for_others(trials)
        for trial in trials:  # what a search that was killed did not store, or a trial with equal parameters has done
            self._judge(trial, over=False)
        self._running = [trial for trial in trials if not trial.ended]
        jobs = {job.folder: job for trial in self._running for job in trial.jobs if job.to_do}
        for folder in jobs:
            withdraw_request(folder)
            mark_queued(folder)
        for trial in self._running:
            trial.pending = {job.folder for job in trial.jobs if job.to_do}
        if jobs:
            self._launch(list(jobs.values()), self)
        for trial in self._running:
            self._judge(trial, over=True)

    def _plan(self, trials: list[SearchTrial]) -> None:
        jobs = plan([composed for trial in trials for composed in trial.composed], OnChange.beside)
        by_text = {job.composed.text: job for job in reversed(jobs)}  # the first of equal ones
        for trial in trials:
            trial.jobs = [by_text[composed.text] for composed in trial.composed]

    def _wait_for_others(self, trials: list[SearchTrial]) -> None:
        """Waits until no run of these trials is at work that an earlier call began."""
        announced = False
        while busy := [job for trial in trials for job in trial.jobs if job.action is Action.busy]:
            if not announced:
                log.info("waiting for runs that are still at work: %s", ", ".join(job.folder.name for job in busy))
            announced = True
            time.sleep(POLL_S)
            for trial in trials:
                self._prune(trial)
            self._plan(trials)

    def began(self, task: Task) -> None:
        """Names a trial and its parameters with its first run."""
        for trial in self._trials_of(task):
            if not trial.announced:
                trial.announced = True
                resumed = any(job.action is Action.resume for job in trial.jobs)
                word = "resumed" if resumed else "began"
                log.info("%-9s %s  %s", word, trial_name(trial.number), format_values(trial.values))

    def ended(self, task: Task) -> None:
        """Stores a trial with its last run; a run that failed ends the others of its trial."""
        for trial in self._trials_of(task):
            trial.pending.discard(task.folder)
            if not trial.pending:
                self._prune(trial)
                self._judge(trial, over=True)
            elif read_status(task.folder).get("state") == State.failed:
                self._give_up(trial, f"given up: {task.folder.name} of the same trial failed")

    def tick(self, running: Sequence[Task]) -> None:
        """Refreshes the table, and looks for finished epochs now and then."""
        self._table.show(running)
        if time.monotonic() < self._next_poll:
            return
        self._next_poll = time.monotonic() + POLL_S
        for trial in self._running:
            self._prune(trial)

    def _trials_of(self, task: Task) -> list[SearchTrial]:
        return [trial for trial in self._running if any(job.folder == task.folder for job in trial.jobs)]

    def _prune(self, trial: SearchTrial) -> None:
        """Reports epochs that all runs of a trial have finished, and gives the trial up if it is hopeless."""
        if trial.ended or trial.given_up:
            return
        means = mean_losses(trial.jobs)
        while trial.judged < len(means) and not trial.given_up:
            loss = means[trial.judged]
            if loss is not None and self._study.is_hopeless(trial.handle, trial.judged, loss):
                epochs = f"{trial.judged + 1} epoch{'s' if trial.judged else ''}"
                self._give_up(trial, f"{PRUNED}validation loss {loss:.4f} after {epochs} ({self._options.pruner})")
            trial.judged += 1

    def _give_up(self, trial: SearchTrial, reason: str) -> None:
        """Asks the runs of a trial to stop."""
        trial.given_up = True
        for job in trial.jobs:
            if not job.run.complete:
                ask_to_stop(job.folder, reason)

    def _judge(self, trial: SearchTrial, *, over: bool) -> None:
        """Stores how a trial ended, if it has; `over`: its runs have been launched and have ended."""
        if trial.ended:
            return
        judgement = judge(trial.jobs, self._objective, over=over)
        if judgement.outcome is TrialOutcome.running:
            return
        if judgement.outcome is TrialOutcome.completed:
            self._prune(trial)  # for the pruning of later trials
            for job in trial.jobs:
                withdraw_request(job.folder)  # it was quicker than the request
        self._end(trial, judgement)

    def _end(self, trial: SearchTrial, judgement: Judgement) -> None:
        trial.ended = True
        result = TrialResult(
            number=trial.number,
            state=judgement.outcome,
            value=judgement.value,
            params=dict(trial.values),
            folders=[job.folder.name for job in trial.jobs],
            epochs=[read_status(job.folder).get("epoch", 0) for job in trial.jobs],
            reason=judgement.reason,
        )
        self._study.store_result(trial.handle, result)
        search = self.search()
        write_json(self._root / SEARCH, search)
        self._table.hide()
        details = result["reason"]
        if result["value"] is not None:
            details = f"{search['objective']} {result['value']:.4f}"
            best = search["best"]
            if best is not None and best["value"] is not None:
                is_best = best["number"] == result["number"]
                details += ", the best so far" if is_best else f" (best: {best['value']:.4f}, trial {best['number']})"
        count = sum(each["state"] != TrialOutcome.running for each in search["trials"])
        name = trial_name(trial.number)
        log.info("%-9s %s  %s  (%d of %d)", result["state"], name, details, count, search["n_trials"])


def format_values(values: dict[str, Value]) -> str:
    """Parameters with few digits.

    >>> format_values({"optimizer.lr": 0.00123456, "model": "tiny"})
    'optimizer.lr=0.001235 model=tiny'
    """
    return " ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()
    )
