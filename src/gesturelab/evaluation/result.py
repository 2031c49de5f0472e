"""The result of a cross-validation as plain values: metrics with intervals, of everybody and of parts."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypedDict, cast

import numpy as np
from jaxtyping import Bool, Float64

from gesturelab.datasets.recording import CORRECTNESS as CORRECTNESS_LABELS
from gesturelab.evaluation.bootstrap import DRAWS, Statistic, intervals
from gesturelab.evaluation.calibration import COVERAGES, Answered, accuracy_at_coverage, coverage_curve
from gesturelab.evaluation.counts import Cases, Draws, cases_of
from gesturelab.evaluation.cross_validation import CrossValidation
from gesturelab.evaluation.metrics import CORRECTNESS, GESTURE, Metric, metrics_for, or_none, primary_metric
from gesturelab.evaluation.predictions import Predictions, mean_of
from gesturelab.progress import show_progress

ONE_FOLD = "one fold only: no intervals, since they would be of these few people, not of new ones"
ONE_PERSON = "one person only: no intervals"

GUEST_DRAWS = 1000
"""Draws for the interval of a metric without a formula from counts: its function is called for each draw and seed."""


class Value(TypedDict):
    """A metric: the mean over seeds, and its 95 % interval over people (null where there can be none).

    The value is null where a part lacks a class that the metric needs.
    """

    value: float | None
    low: float | None
    high: float | None


Part = dict[str, Any]
"""Some recordings: ``recordings`` and ``people``, how many there are, and a `Value` under the name of each metric (see
`gesturelab.evaluation.metrics`)."""


class Person(TypedDict):
    """One person's recordings."""

    group: str | None
    recordings: int
    accuracy: float
    """Mean over seeds."""


class Bin(TypedDict):
    """Recordings of like confidence."""

    recordings: int
    confidence: float
    accuracy: float


class Result(TypedDict):
    """The result of one size over all folds."""

    folds: list[int]
    planned_folds: int
    partial: bool
    """Folds are missing, so not everybody was tested."""
    missing_people: list[str]
    seeds: list[dict[str, float | None]]
    """For each seed ``seed`` and the value of each metric."""
    seed_deviation: float | None
    """Standard deviation over seeds of the primary metric; null for one."""
    all: Part
    ensemble: Part | None
    """Of the probabilities averaged over the seeds; null for one."""
    calibrated_error: Value | None
    """Calibration error with each run's temperature, fitted on its validation people; null where a run has none."""
    answered: list[Answered]
    """Accuracy at coverages 1, 0.9 and 0.8, by calibrated confidence where there is one; empty for
    data.target=correctness: where four of five are correct, the accuracy of confident answers says nothing."""
    coverage_curve: list[list[float]]
    """Coverage and accuracy."""
    reliability: list[Bin]
    """Bins of calibrated confidence where there is one, all seeds together; empty bins are left out."""
    by_group: dict[str, Part]
    by_correctness: dict[str, Part]
    by_group_and_correctness: dict[str, Part]
    by_posture: dict[str, Part]
    by_gesture: dict[str, Part]
    by_person: dict[str, Person]
    notes: list[str]


def summarise(folds: CrossValidation, guests: Sequence[Metric] = ()) -> Result:
    """All metrics of a cross-validation.

    Args:
        folds: Its predictions.
        guests: The users' own metrics; they have intervals for everybody and each group, elsewhere values only.
    """
    first = folds.by_seed[0]
    several = len(folds.seeds) > 1
    one_of_many = folds.partial and len(folds.folds) == 1
    with_intervals = not one_of_many and len(first.people) > 1
    notes = list(folds.notes)
    if not with_intervals:
        notes.append(ONE_FOLD if one_of_many else ONE_PERSON)
    of_group = [folds.groups.get(subject) for subject in first.subjects]
    of_posture = [folds.postures.get(name) for name in first.names]
    of_correctness = [CORRECTNESS_LABELS.get(label, str(label)) for label in first.correctness.tolist()]
    of_gesture = first.done
    both = [f"{group}, {label}" if group else None for group, label in zip(of_group, of_correctness, strict=True)]
    measure = partial(score_part, with_intervals=with_intervals, guests=guests, guest_draws=GUEST_DRAWS)

    def parts(labels: Sequence[str | None], order: Sequence[str] = (), guest_draws: int = 0) -> dict[str, Part]:
        present = {label for label in labels if label is not None}
        known = [label for label in order if label in present]
        return {
            label: measure(folds.by_seed, np.array([each == label for each in labels]), guest_draws=guest_draws)
            for label in show_progress([*known, *sorted(present - set(known))], "intervals, parts of the recordings")
        }

    confident = folds.calibrated or folds.by_seed
    per_seed = [score_part([predictions], None, with_intervals=False, guests=guests) for predictions in folds.by_seed]
    primary = [part[primary_metric(target_of(first)).name]["value"] for part in per_seed]
    calibrated_error = None
    if folds.calibrated:
        calibrated_error = score_part(folds.calibrated, None, with_intervals=with_intervals)["calibration_error"]
    return Result(
        folds=list(folds.folds),
        planned_folds=folds.planned,
        partial=folds.partial,
        missing_people=list(folds.missing),
        seeds=[_seed(seed, part) for seed, part in zip(folds.seeds, per_seed, strict=True)],
        seed_deviation=float(np.std(cast(list[float], primary), ddof=1)) if several and None not in primary else None,
        all=measure(folds.by_seed, None),
        ensemble=measure([mean_of(folds.by_seed)], None) if several and not folds.of_draws else None,
        calibrated_error=calibrated_error,
        answered=[
            accuracy_at_coverage(confident, folds.groups, coverage)
            for coverage in COVERAGES
            if not first.of_correctness
        ],
        coverage_curve=[] if first.of_correctness else coverage_curve(confident),
        reliability=_reliability(confident),
        by_group=parts(of_group, guest_draws=GUEST_DRAWS),
        by_correctness=parts(of_correctness, list(CORRECTNESS_LABELS.values())),
        by_group_and_correctness=parts(both),
        by_posture=parts(of_posture),
        by_gesture=parts(of_gesture, () if first.of_correctness else first.gestures),
        by_person=_people(folds),
        notes=notes,
    )


def target_of(predictions: Predictions) -> str:
    """What is recognised: gesture or correctness."""
    return CORRECTNESS if predictions.of_correctness else GESTURE


def score_part(
    by_seed: Sequence[Predictions],
    chosen: Bool[np.ndarray, " recordings"] | None,
    with_intervals: bool,
    guests: Sequence[Metric] = (),
    guest_draws: int = 0,
) -> Part:
    """Metrics of some recordings: means over seeds, and intervals of those means over people.

    Args:
        by_seed: Predictions of the same recordings.
        chosen: Which recordings; None takes all.
        with_intervals: Whether to draw people for intervals.
        guests: The users' own metrics.
        guest_draws: Draws for the interval of a metric whose function is called for each; 0: no interval.
    """
    if chosen is not None:
        by_seed = [predictions.take(np.flatnonzero(chosen)) for predictions in by_seed]
    people = by_seed[0].people
    cases = [cases_of(predictions, people) for predictions in by_seed]
    metrics = (*metrics_for(target_of(by_seed[0])), *guests)
    counted = [metric for metric in metrics if metric.formula is not None]
    values = _values(counted, cases, DRAWS if with_intervals else 0)
    for metric in metrics:
        if metric.formula is None:
            values |= _values([metric], cases, guest_draws if with_intervals else 0)
    sizes = {"recordings": len(by_seed[0]), "people": len(people)}
    return {**sizes, **{metric.name: values[metric.name] for metric in metrics}}


def _values(metrics: Sequence[Metric], cases: Sequence[Cases], draws: int) -> dict[str, Value]:
    """The value of each metric, with an interval unless there are no draws."""
    statistic = mean_over_seeds(metrics, cases)
    people = cases[0].people
    observed = statistic(np.ones((1, people)))[0].tolist()
    bounds = intervals(statistic, people, draws=draws).tolist() if draws else [[np.nan, np.nan]] * len(metrics)
    return {
        metric.name: Value(value=or_none(value), low=or_none(low), high=or_none(high))
        for metric, value, (low, high) in zip(metrics, observed, bounds, strict=True)
    }


def mean_over_seeds(metrics: Sequence[Metric], cases: Sequence[Cases]) -> Statistic:
    """From weights of people to the metrics, each the mean over seeds."""

    def statistic(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws metrics"]:
        drawn = [Draws(seed_cases, weights) for seed_cases in cases]
        return np.mean([np.stack([metric.values(of_seed) for metric in metrics], axis=1) for of_seed in drawn], axis=0)

    return statistic


def _reliability(by_seed: Sequence[Predictions]) -> list[Bin]:
    bins = sum(cases_of(predictions, predictions.people).bins.sum(axis=0) for predictions in by_seed)
    return [
        Bin(recordings=int(count), confidence=float(confidence / count), accuracy=float(right / count))
        for count, confidence, right in np.asarray(bins).tolist()
        if count
    ]


def _seed(seed: int, part: Part) -> dict[str, float | None]:
    values = {name: value["value"] for name, value in part.items() if name not in ("recordings", "people")}
    return {"seed": seed, **values}


def _people(folds: CrossValidation) -> dict[str, Person]:
    counts = Counter(folds.by_seed[0].subjects)
    return {
        person: Person(group=folds.groups.get(person), recordings=counts[person], accuracy=accuracy)
        for person, accuracy in accuracy_by_person(folds).items()
    }


def person_accuracies(predictions: Predictions) -> dict[str, float]:
    """Each person's share of recordings that were recognised, in order of id."""
    people = predictions.people
    confusion = cases_of(predictions, people).confusion
    shares = confusion.trace(axis1=1, axis2=2) / confusion.sum(axis=(1, 2))
    return dict(zip(people, shares.tolist(), strict=True))


def class_shares(predictions: Predictions) -> dict[str, float]:
    """What each person adds to balanced accuracy, times the number of people, in order of id.

    A recognised recording counts one over the recordings of its class, so the mean over people is the balanced accuracy
    of all: with it, two sizes are compared person by person, though hardly anybody alone has a balanced accuracy. NaN
    where a class is missing.
    """
    confusion = cases_of(predictions, predictions.people).confusion
    real = confusion.sum(axis=(0, 2))
    weight = np.divide(1.0, real, out=np.full(len(real), np.nan), where=real > 0) / len(real)
    shares = confusion.diagonal(axis1=1, axis2=2) @ weight * len(predictions.people)
    return dict(zip(predictions.people, shares.tolist(), strict=True))


def accuracy_by_person(folds: CrossValidation) -> dict[str, float]:
    """Each person's accuracy, the mean over seeds, in order of id."""
    return _mean_by_person(folds, person_accuracies)


def primary_by_person(folds: CrossValidation) -> dict[str, float]:
    """Of each person a value whose mean over people is, or resembles, the primary metric, the mean over seeds."""
    return _mean_by_person(folds, class_shares if folds.by_seed[0].of_correctness else person_accuracies)


def _mean_by_person(folds: CrossValidation, measure: Callable[[Predictions], dict[str, float]]) -> dict[str, float]:
    per_seed = [measure(predictions) for predictions in folds.by_seed]
    return {person: float(np.mean([values[person] for values in per_seed])) for person in folds.people}


def primary_difference(sweeps: Sequence[CrossValidation], first: int, second: int) -> Statistic:
    """How much higher the primary metric of one of some cross-validations is than another's, for weighted people."""
    people = sweeps[first].people
    metric = primary_metric(target_of(sweeps[first].by_seed[0]))
    one, other = (
        mean_over_seeds([metric], [cases_of(predictions, people) for predictions in sweeps[place].by_seed])
        for place in (first, second)
    )
    return lambda weights: one(weights) - other(weights)
