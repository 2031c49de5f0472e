"""One trial of a search, and what its runs' own files say became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from gesturelab.errors import ConfigError
from gesturelab.evaluation.guest_metrics import read_definitions
from gesturelab.evaluation.metrics import METRICS
from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import GRADIENT_NOT_FINITE, NOT_FINITE, State, Status, read_status
from gesturelab.runs.stop_request import PRUNED, asked_to_stop
from gesturelab.sweeps import outcome
from gesturelab.sweeps.plan import Composed, Job
from gesturelab.sweeps.search.result import Result
from gesturelab.sweeps.search.space import Value


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
        number: From 0.
        values: Of each key that is searched.
        composed: Its runs: one, or one for each value that it is averaged over.
        jobs: The same with their folders; trials with equal parameters share them.
        judged: Epochs, reached by all runs, after which it was decided whether to go on.
        given_up: Whether its runs were asked to stop.
        ended: Whether its result is stored.
    """

    number: int
    values: dict[str, Value]
    composed: list[Composed] = field(default_factory=list[Composed])
    jobs: list[Job] = field(default_factory=list[Job])
    judged: int = 0
    given_up: bool = False
    ended: bool = False

    @property
    def name(self) -> str:
        """As in its folders' names."""
        return trial_name(self.number)


@dataclass(frozen=True)
class Judgement:
    """What became of a trial, the value if it is completed, and the reason if not."""

    result: Result
    value: float | None = None
    reason: str = ""


def trial_name(number: int) -> str:
    """What a trial is called.

    >>> trial_name(7)
    'trial=0007'
    """
    return f"trial={number:04d}"


def judge(jobs: Sequence[Job], objective: Objective, *, over: bool) -> Judgement:
    """What became of a trial: a diverged run decides, then a failed one, then one that was given up.

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
            return Judgement(Result.failed, reason=reason)
        return Judgement(Result.completed, fmean(known))
    reasons = [(job, status_of(job).get("reason", "")) for job in unfinished]
    for job, reason in reasons:
        if reason.startswith((NOT_FINITE, GRADIENT_NOT_FINITE)) and status_of(job).get("state") == State.failed:
            return Judgement(Result.diverged, reason=reason)
    for job in unfinished if over else ():
        ended = outcome.outcome_of(job)
        if ended.result is outcome.Result.failed:
            return Judgement(Result.failed, reason=f"{ended.reason} (log: {ended.log})")
    for job, reason in reasons:
        for given in (reason, asked_to_stop(job.folder)):
            if given.startswith(PRUNED):
                return Judgement(Result.pruned, reason=given.removeprefix(PRUNED))
    return Judgement(Result.running)


def status_of(job: Job) -> Status:
    """What a job's status file says, if it is of the job's own configuration."""
    try:
        mine = job.run.config.read_text(encoding="utf-8") == job.composed.text
    except (OSError, ValueError):
        mine = False
    return (read_status(job.folder) if mine else None) or Status()


def mean_losses(jobs: Sequence[Job]) -> list[float | None]:
    """The mean validation loss of each epoch that all jobs have finished; None where it is not known."""
    histories = [status_of(job).get("validation_losses", []) for job in jobs]
    means: list[float | None] = []
    for losses in zip(*histories, strict=False):  # as far as the shortest goes
        known = [loss for loss in losses if loss is not None]
        means.append(fmean(known) if len(known) == len(losses) else None)
    return means


def _score(run: RunDir, objective: Objective) -> float | None:
    validation = run.read_info()["metrics"]["validation"]
    scores = validation["window"] if objective.level == "window" else validation["recording"]
    return scores.get(objective.metric)
