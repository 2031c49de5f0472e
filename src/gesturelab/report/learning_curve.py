"""Learning curves of a comparison, and what they say: groups that differ in how many people or recordings train."""

import json
from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np

from gesturelab.evaluation.learning_curve import AXES, CurvePoint, LearningCurve, Measured, ModelCurve, fit
from gesturelab.evaluation.metrics import GESTURE
from gesturelab.report.results import CandidateResult, GroupComparison
from gesturelab.report.texts import interval, percent, points

MORE = {"training_people": 20, "training_repetitions": 2}
"""By axis, for how many more the gain is told."""
KEYS = (*MORE, "draw", "people")
"""Keys of a split that may differ between the points of a curve."""


def compare_curves(groups: Sequence[GroupComparison]) -> tuple[LearningCurve, ...]:
    """The learning curves among some groups.

    Runs without a limit are the last point of a curve of people: all who are no test people train, on average over
    folds. Only people whom all points of a curve tested count for it; a point whose folds are not all there is none.

    Args:
        groups: Of a comparison.
    """
    curves: list[LearningCurve] = []
    for axis in MORE:
        points: dict[str, list[tuple[float, GroupComparison]]] = {}
        for group in groups:
            if group.target == GESTURE and group.group.folded and any(_counts(result) for result in group.results):
                count = group.options.get(axis) or _all_people(group, axis)
                if count is not None:
                    points.setdefault(_rest(group, axis), []).append((float(count), group))
        curves += [
            _curve(axis, sorted(found, key=lambda point: point[0]))
            for found in points.values()
            if len(found) > 1 and any(axis in group.options for _, group in found)
        ]
    return tuple(curves)


def _counts(result: CandidateResult) -> bool:
    """Whether everybody was tested, by a model."""
    return not result.partial and not result.baseline


def _all_people(group: GroupComparison, axis: str) -> float | None:
    """How many train and validate where all do."""
    if axis != "training_people" or "training_people" in group.options:
        return None
    splits = [run.info["split"] for run in group.group.runs]
    return fmean(len(split["train"]["subjects"]) + len(split["validation"]["subjects"]) for split in splits)


def _rest(group: GroupComparison, axis: str) -> str:
    """What the points of a curve share."""
    own = {key: value for key, value in group.options.items() if key not in KEYS}
    other = {key: group.options.get(key) for key in MORE if key != axis}
    basis = group.group.basis
    return json.dumps([basis.fingerprint, basis.kind, own, other], sort_keys=True)


def _curve(axis: str, points: Sequence[tuple[float, GroupComparison]]) -> LearningCurve:
    whole = [
        (count, {result.candidate: result for result in group.results if _counts(result)}) for count, group in points
    ]
    names = dict.fromkeys(name for _, results in whole for name in results)
    people = sorted(
        set.intersection(*(set(result.scores["by_person"]) for _, results in whole for result in results.values()))
    )
    first = points[0][1].group
    curves = [
        _of_model(axis, name, [(count, results[name]) for count, results in whole if name in results], people)
        for name in names
    ]
    data = " ".join((first.data, *first.flags))
    return LearningCurve(axis, data, tuple(group.number for _, group in points), tuple(curves), len(people))


def _of_model(
    axis: str, name: str, results: Sequence[tuple[float, CandidateResult]], people: Sequence[str]
) -> ModelCurve:
    by_person = [result.scores["by_person"] for _, result in results]
    measured = Measured(
        tuple(count for count, _ in results),
        np.array([[scores[person]["accuracy"] for person in people] for scores in by_person]),
        np.array([float(by_person[0][person]["recordings"]) for person in people]),
    )
    points = [CurvePoint(count, len(result.scores["seeds"]), result.primary) for count, result in results]
    return ModelCurve(name, tuple(points), fit(measured, MORE[axis]))


def number_of(count: float) -> str:
    """A number of people, which may be a mean over folds.

    >>> number_of(24.0), number_of(23.2)
    ('24', '23.2')
    """
    return f"{count:.1f}".removesuffix(".0")


def describe_gains(curve: LearningCurve) -> Iterator[str]:
    """What a learning curve says, a sentence a model."""
    for model in curve.models:
        last = model.points[-1]
        text = f"{model.model} on {curve.data}: {interval(last.accuracy, unit=' %')} with {number_of(last.count)} "
        text += AXES[curve.axis]
        if (law := model.law) is None:
            yield f"{text}. Three numbers or more are needed to say what more would bring."
            continue
        gain = law.gain
        yield (
            f"{text}; with {law.more} more about {points(gain['value'])} points ({points(gain['low'])} to "
            f"{points(gain['high'])}), if the power law that fits the points goes on"
            f"{'' if law.checked else ' (they are too few to check it)'}."
        )


def describe_checks(curve: LearningCurve) -> Iterator[str]:
    """How well the points before the last predict it."""
    for model in curve.models:
        if model.law is not None and model.law.checked is not None:
            before, last = model.points[-2], model.points[-1]
            yield (
                f"{model.model}: the points up to {number_of(before.count)} predict "
                f"{interval(model.law.checked, unit=' %')} with {number_of(last.count)}; measured were "
                f"{percent(last.accuracy['value'])}."
            )
