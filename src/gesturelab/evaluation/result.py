"""The result of a joined sweep as plain values: scores with intervals, of everybody and of parts."""

from collections.abc import Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

import numpy as np
from jaxtyping import Bool

from gesturelab.evaluation.bootstrap import Statistic, intervals
from gesturelab.evaluation.join import Joined
from gesturelab.evaluation.predictions import Predictions, mean_of
from gesturelab.evaluation.selective import COVERAGES, Answered, answered, coverage_curve
from gesturelab.evaluation.tally import SCORES, class_shares, person_accuracies, scores, tally

CORRECTNESS = {1: "correct", 2: "incorrect", 3: "poorly executed"}
"""What the correctness labels mean, in the order in which they are shown."""

ONE_FOLD = "one fold only: no intervals, since they would be of these few people, not of new ones"
ONE_PERSON = "one person only: no intervals"


class Value(TypedDict):
    """A score: the mean over seeds, and its 95 % interval over people (null where there can be none).

    The value is null where a part lacks a class that the score needs.
    """

    value: float | None
    low: float | None
    high: float | None


class Part(TypedDict):
    """Some recordings. Scores as `gesturelab.evaluation.tally.SCORES` explains them."""

    recordings: int
    people: int
    accuracy: Value
    balanced_accuracy: Value
    macro_f1: Value
    calibration_error: Value
    person_accuracy: Value
    sensitivity: NotRequired[Value]
    """Only of data.target=correctness, as `gesturelab.evaluation.binary.BINARY_SCORES` explains; so the next two."""
    specificity: NotRequired[Value]
    roc_auc: NotRequired[Value]


class Person(TypedDict):
    """One person's recordings."""

    group: str | None
    recordings: int
    accuracy: float
    """Mean over seeds."""


class Seed(TypedDict):
    """The joined result of one seed."""

    seed: int
    accuracy: float | None
    balanced_accuracy: float | None
    macro_f1: float | None
    calibration_error: float | None
    person_accuracy: float | None


class Bin(TypedDict):
    """Recordings of like confidence."""

    recordings: int
    confidence: float
    accuracy: float


class Result(TypedDict):
    """The joined result of one size."""

    folds: list[int]
    planned_folds: int
    partial: bool
    """Folds are missing, so not everybody was tested."""
    missing_people: list[str]
    seeds: list[Seed]
    seed_deviation: float | None
    """Standard deviation over seeds of the score that leads; null for one."""
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


def summarise(joined: Joined) -> Result:
    """All scores of a joined sweep."""
    first = joined.by_seed[0]
    several = len(joined.seeds) > 1
    with_intervals = len(joined.folds) > 1 and len(first.people) > 1
    notes = list(joined.notes)
    if not with_intervals:
        notes.append(ONE_FOLD if len(joined.folds) < 2 else ONE_PERSON)
    of_group = [joined.groups.get(subject) for subject in first.subjects]
    of_posture = [joined.postures.get(name) for name in first.names]
    of_correctness = [CORRECTNESS.get(label, str(label)) for label in first.correctness.tolist()]
    of_gesture = first.done
    both = [f"{group}, {label}" if group else None for group, label in zip(of_group, of_correctness, strict=True)]

    def parts(labels: Sequence[str | None], order: Sequence[str] = ()) -> dict[str, Part]:
        found = {label for label in labels if label is not None}
        known = [label for label in order if label in found]
        return {
            label: score_part(joined.by_seed, np.array([one == label for one in labels]), with_intervals)
            for label in [*known, *sorted(found - set(known))]
        }

    confident = joined.calibrated or joined.by_seed
    per_seed = [score_part([one], None, False) for one in joined.by_seed]
    leading = [one[lead(first)]["value"] for one in per_seed]
    return Result(
        folds=list(joined.folds),
        planned_folds=joined.planned,
        partial=joined.partial,
        missing_people=list(joined.missing),
        seeds=[_seed(seed, part) for seed, part in zip(joined.seeds, per_seed, strict=True)],
        seed_deviation=float(np.std(cast(list[float], leading), ddof=1)) if several and None not in leading else None,
        all=score_part(joined.by_seed, None, with_intervals),
        ensemble=score_part([mean_of(joined.by_seed)], None, with_intervals) if several else None,
        calibrated_error=(
            score_part(joined.calibrated, None, with_intervals)["calibration_error"] if joined.calibrated else None
        ),
        answered=[answered(confident, joined.groups, coverage) for coverage in COVERAGES if not first.of_correctness],
        coverage_curve=[] if first.of_correctness else coverage_curve(confident),
        reliability=_reliability(confident),
        by_group=parts(of_group),
        by_correctness=parts(of_correctness, list(CORRECTNESS.values())),
        by_group_and_correctness=parts(both),
        by_posture=parts(of_posture),
        by_gesture=parts(of_gesture, () if first.of_correctness else first.gestures),
        by_person=_people(joined),
        notes=notes,
    )


def score_part(
    by_seed: Sequence[Predictions], chosen: Bool[np.ndarray, " recordings"] | None, with_intervals: bool
) -> Part:
    """Scores of some recordings: means over seeds, and intervals of those means over people."""
    if chosen is not None:
        by_seed = [one.take(np.flatnonzero(chosen)) for one in by_seed]
    people = by_seed[0].people
    counts = [tally(one, people) for one in by_seed]

    def mean_scores(weights: np.ndarray) -> np.ndarray:
        return np.mean([scores(one, weights) for one in counts], axis=0)

    names = counts[0].names
    observed = mean_scores(np.ones((1, len(people))))[0].tolist()
    bounds = intervals(mean_scores, len(people)).tolist() if with_intervals else [[np.nan, np.nan]] * len(names)
    values = {
        name: Value(value=_or_none(value), low=_or_none(low), high=_or_none(high))
        for name, value, (low, high) in zip(names, observed, bounds, strict=True)
    }
    more = {name: values[name] for name in names if name not in SCORES}
    return Part(
        **cast(Any, more),
        recordings=len(by_seed[0]),
        people=len(people),
        accuracy=values["accuracy"],
        balanced_accuracy=values["balanced_accuracy"],
        macro_f1=values["macro_f1"],
        calibration_error=values["calibration_error"],
        person_accuracy=values["person_accuracy"],
    )


def _reliability(by_seed: Sequence[Predictions]) -> list[Bin]:
    bins = sum(tally(one, one.people).bins.sum(axis=0) for one in by_seed)
    return [
        Bin(recordings=int(count), confidence=float(confidence / count), accuracy=float(right / count))
        for count, confidence, right in np.asarray(bins).tolist()
        if count
    ]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _seed(seed: int, part: Part) -> Seed:
    return Seed(
        seed=seed,
        accuracy=part["accuracy"]["value"],
        balanced_accuracy=part["balanced_accuracy"]["value"],
        macro_f1=part["macro_f1"]["value"],
        calibration_error=part["calibration_error"]["value"],
        person_accuracy=part["person_accuracy"]["value"],
    )


def lead(predictions: Predictions) -> Literal["accuracy", "balanced_accuracy"]:
    """The score that leads: accuracy of gestures, balanced accuracy of correct and incorrect."""
    return "balanced_accuracy" if predictions.of_correctness else "accuracy"


def _people(joined: Joined) -> dict[str, Person]:
    counts = dict.fromkeys(joined.people, 0)
    for subject in joined.by_seed[0].subjects:
        counts[subject] += 1
    accuracies = accuracy_by_person(joined)
    return {
        person: Person(group=joined.groups.get(person), recordings=counts[person], accuracy=accuracies[person])
        for person in joined.people
    }


def accuracy_by_person(joined: Joined) -> dict[str, float]:
    """Each person's accuracy, the mean over seeds, in order of id."""
    per_seed = [person_accuracies(one) for one in joined.by_seed]
    return {person: float(np.mean([one[person] for one in per_seed])) for person in joined.people}


def lead_by_person(joined: Joined) -> dict[str, float]:
    """Of each person a value whose mean over people is, or resembles, the score that leads, the mean over seeds."""
    if not joined.by_seed[0].of_correctness:
        return accuracy_by_person(joined)
    per_seed = [class_shares(one) for one in joined.by_seed]
    return {person: float(np.mean([one[person] for one in per_seed])) for person in joined.people}


def balanced_apart(those: Sequence[Joined], one: int, other: int) -> Statistic:
    """How much higher the balanced accuracy of one of some joined sweeps is than another's, for weighted people."""
    people = those[one].people
    counts = [[tally(seed, people) for seed in those[place].by_seed] for place in (one, other)]

    def difference(weights: np.ndarray) -> np.ndarray:
        first, second = (np.mean([scores(seed, weights)[:, 1:2] for seed in seeds], axis=0) for seeds in counts)
        return first - second

    return difference
