"""One trial of a search, and how it ended by its runs' own files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from gesturelab.errors import ConfigError
from gesturelab.evaluation.guest_metrics import read_definitions
from gesturelab.evaluation.metrics import METRICS
from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import GRADIENT_NOT_FINITE, NOT_FINITE, State, Status, read_status
from gesturelab.runs.stop_request import PRUNED, asked_to_stop
from gesturelab.sweeps.plan import Composed, Job, JobResult, outcome_of
from gesturelab.sweeps.search.result import TrialOutcome
from gesturelab.sweeps.search.space import Value

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
