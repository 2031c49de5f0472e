"""Accuracy against the number of training people: a power law, and what it says of more of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float64

from gesturelab.evaluation.bootstrap import Statistic, intervals
from gesturelab.evaluation.result import Value

AXES = {"training_people": "training people", "training_repetitions": "recordings of each gesture"}
"""The keys of a split that make a learning curve, in words."""
EXPONENTS = np.linspace(0.05, 2, 40)
"""How fast the error may fall; those that are tried."""
FEWEST = 3
"""Points that a power law needs: it has as many parameters."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A model's accuracy at several numbers of training people, or of recordings of each gesture.

    Attributes:
        counts: Of training people, ascending.
        accuracy: Of each test person's recordings, the mean over draws and seeds.
        recordings: How many each test person has.
    """

    counts: tuple[float, ...]
    accuracy: Float64[np.ndarray, "points people"]
    recordings: Float64[np.ndarray, " people"]

    def first(self, points: int) -> "Measured":
        """The first points alone."""
        return Measured(self.counts[:points], self.accuracy[:points], self.recordings)


@dataclass(frozen=True)
class CurvePoint:
    """One number of training people, or of recordings of each gesture.

    Attributes:
        count: That number.
        trainings: Of how many trainings on everybody's folds the accuracy is the mean: draws times seeds.
        accuracy: Of recordings of unseen people.
    """

    count: float
    trainings: int
    accuracy: Value


@dataclass(frozen=True)
class PowerLaw:
    """Accuracy = 1 - floor - scale * count ** -exponent, and what it says.

    Attributes:
        gain: By how much accuracy rises with `more` than the most that were measured.
        more: The number for which it is given.
        checked: The accuracy of the last point as the points before it predict it; None where they are too few.
    """

    floor: float
    scale: float
    exponent: float
    gain: Value
    more: int
    checked: Value | None


@dataclass(frozen=True)
class ModelCurve:
    """A model's learning curve.

    Attributes:
        model: What the comparison calls it.
        points: By number, ascending.
        law: Fitted to them; None where they are fewer than three.
    """

    model: str
    points: tuple[CurvePoint, ...]
    law: PowerLaw | None


@dataclass(frozen=True)
class LearningCurve:
    """Learning curves of models on the same recordings and test people.

    Attributes:
        axis: The key that differs: training_people or training_repetitions.
        data: The dataset's name, with the words SYNTHETIC or LEAKY where they apply.
        groups: The numbers of the comparison's groups that it is made of.
        models: One curve each.
        people: Test people.
    """

    axis: str
    data: str
    groups: tuple[int, ...]
    models: tuple[ModelCurve, ...]
    people: int


def fit(measured: Measured, more: int) -> PowerLaw | None:
    """The power law of a curve; None for fewer than three points."""
    if len(measured.counts) < FEWEST:
        return None
    everybody = np.average(measured.accuracy, axis=1, weights=measured.recordings)
    floor, scale, exponent = fit_power_law(measured.counts, everybody[None])[0].tolist()
    before = measured.first(len(measured.counts) - 1)
    checked = predict_accuracy(before, measured.counts[-1]) if len(before.counts) >= FEWEST else None
    return PowerLaw(floor, scale, exponent, predict_gain(measured, more), more, checked)


def fit_power_law(
    counts: Sequence[float], accuracy: Float64[np.ndarray, "draws points"]
) -> Float64[np.ndarray, "draws 3"]:
    """The least-squares fit of accuracy = 1 - floor - scale * count ** -exponent, with floor and scale not negative.

    Such curves describe how the error of many learners falls with the number of examples (J. Hestness et al., Deep
    Learning Scaling is Predictable, Empirically, arXiv:1712.00409, 2017). For each exponent of a grid the other two
    follow from a regression; the best exponent is taken.

    Args:
        counts: At least three, different.
        accuracy: Between 0 and 1; each row is fitted alone.

    Returns:
        Floor, scale and exponent of each row.
    """
    error = 1 - accuracy
    best = np.full(len(error), np.inf)
    fitted = np.zeros((len(error), 3))
    for exponent in EXPONENTS:
        falling = np.asarray(counts, dtype=np.float64) ** -exponent
        centred = falling - falling.mean()
        scale = np.maximum((error - error.mean(axis=1, keepdims=True)) @ centred / (centred @ centred), 0)
        floor = error.mean(axis=1) - scale * falling.mean()
        below = floor < 0
        scale[below], floor[below] = np.maximum(error[below] @ falling / (falling @ falling), 0), 0
        squares = ((error - floor[:, None] - scale[:, None] * falling) ** 2).sum(axis=1)
        better = squares < best
        best[better] = squares[better]
        fitted[better] = np.column_stack([floor, scale, np.full(len(error), exponent)])[better]
    return fitted


def accuracy_with(fitted: Float64[np.ndarray, "draws 3"], count: float) -> Float64[np.ndarray, " draws"]:
    """What fitted curves say of a number of training people."""
    return 1 - fitted[:, 0] - fitted[:, 1] * count ** -fitted[:, 2]


def predict_accuracy(measured: Measured, count: float) -> Value:
    """The accuracy with another number of training people, with a 95 % interval over test people."""
    return _value(measured, partial(_predict, measured, count))


def predict_gain(measured: Measured, more: float) -> Value:
    """By how much accuracy rises with more training people than the most that were measured, as a difference."""

    def gain(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws 1"]:
        most = measured.counts[-1]
        return _predict(measured, most + more, weights) - _predict(measured, most, weights)

    return _value(measured, gain)


def _predict(
    measured: Measured, count: float, weights: Float64[np.ndarray, "draws people"]
) -> Float64[np.ndarray, "draws 1"]:
    counted = weights * measured.recordings
    accuracy = counted @ measured.accuracy.T / counted.sum(axis=1, keepdims=True)
    return accuracy_with(fit_power_law(measured.counts, accuracy), count)[:, None]


def _value(measured: Measured, statistic: Statistic) -> Value:
    people = len(measured.recordings)
    ((low, high),) = intervals(statistic, people).tolist()
    return Value(value=float(statistic(np.ones((1, people)))[0, 0]), low=low, high=high)
