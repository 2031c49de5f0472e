"""The registry of metrics: a new metric is one entry in `METRICS`.

Training, info files, results of cross-validation with their intervals, tables, search objectives and trackers take
names, titles and formulas from here. A user's own metric comes through the door `gesturelab.evaluation.guest_metrics`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float, Float64, Int64

from gesturelab.evaluation.counts import INCORRECT, Cases, Draws, ratio
from gesturelab.progress import show_progress

GESTURE, CORRECTNESS = "gesture", "correctness"
"""The values of data.target."""

SMALLEST_PROBABILITY = 1e-12
"""The loss takes no probability for smaller, so that one certain mistake does not make it infinite."""

Formula = Callable[[Draws], Float64[np.ndarray, " draws"]]
"""From counts of draws of people to a number for each draw; NaN where it is undefined."""


class Definition(TypedDict):
    """What an info file keeps of a user's metric, so that it can be computed again."""

    _target_: str
    """Where the function is, such as sklearn.metrics.cohen_kappa_score."""
    arguments: dict[str, Any]
    """Its other keyword arguments."""
    needs: str
    """What it is given beside the true labels: labels or probabilities."""
    higher_is_better: bool


@dataclass(frozen=True, eq=False)
class Metric:
    """A number that tells how well recordings or windows were recognised.

    Attributes:
        name: Its key in files and options.
        title: What it is called in running text.
        heading: What its column of a table is called; the title if it is empty.
        formula: From counts of people; of a metric without one, `function` is called for each draw of people.
        function: From cases to a number; NaN where it is undefined.
        target: The target that it is for: gesture, correctness, or None for any.
        primary_for: The target whose primary metric it is.
        tables: The targets in whose tables it has a column.
        higher_is_better: Whether a larger value is better.
        percent: Whether it is a fraction that is shown in per cent.
        bounds: The least and the greatest value; None where there is none.
        with_people: Only in results of several people, not in the scores of an info file.
        definition: Of a user's metric; None for a built-in one.
    """

    name: str
    title: str
    formula: Formula | None = None
    function: Callable[[Cases], float] | None = None
    heading: str = ""
    target: str | None = None
    primary_for: str | None = None
    tables: tuple[str, ...] = (GESTURE, CORRECTNESS)
    higher_is_better: bool = True
    percent: bool = True
    bounds: tuple[float | None, float | None] = (0.0, 1.0)
    with_people: bool = False
    definition: Definition | None = None

    def value(self, cases: Cases) -> float:
        """The metric of all cases; NaN where it is undefined."""
        return float(self.values(Draws(cases, np.ones((1, cases.people))))[0])

    def values(self, draws: Draws) -> Float64[np.ndarray, " draws"]:
        """The metric of each draw of people; NaN where it is undefined."""
        if self.formula is not None:
            return self.formula(draws)
        assert self.function is not None, "a metric has a formula or a function"
        values: list[float] = []
        for weights in show_progress(draws.weights, f"metrics.{self.name}: draws for the interval"):
            times = weights[draws.cases.person].astype(np.int64)
            values.append(self.function(draws.cases.take(np.repeat(np.arange(len(times)), times))))
        return np.array(values, dtype=np.float64)

    def show(self, value: float | None) -> str:
        """The value for a table: in per cent without the sign, or with three decimals; a dash where there is none.

        >>> Metric("kappa", "kappa", percent=False).show(0.71234), Metric("accuracy", "accuracy").show(0.884)
        ('0.712', '88.4')
        """
        if value is None:
            return "-"
        return f"{100 * value:.1f}" if self.percent else f"{value:.3f}"


def _accuracy(draws: Draws) -> Float64[np.ndarray, " draws"]:
    return ratio(draws.hits.sum(axis=1), draws.total)


def _mean_recall(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """Mean recall over the classes that occur."""
    occurs = draws.real > 0
    recall = np.divide(draws.hits, draws.real, out=np.zeros_like(draws.hits), where=occurs)
    return ratio(recall.sum(axis=1), occurs.sum(axis=1))


def _macro_f1(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """Mean F1 over the classes that occur or were predicted."""
    both = draws.real + draws.predicted
    f1 = np.divide(2 * draws.hits, both, out=np.zeros_like(draws.hits), where=both > 0)
    return ratio(f1.sum(axis=1), (both > 0).sum(axis=1))


def _calibration_error(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """Expected calibration error."""
    return ratio(np.abs(draws.bins[:, :, 1] - draws.bins[:, :, 2]).sum(axis=1), draws.total)


def _person_accuracy(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """Mean over people of their accuracy."""
    confusion = draws.cases.confusion
    own = confusion.sum(axis=(1, 2))
    share = np.divide(confusion.trace(axis1=1, axis2=2), own, out=np.zeros(len(own)), where=own > 0)
    return ratio(draws.weights @ share, draws.weights @ (own > 0))


def _recall(of_class: int, draws: Draws) -> Float64[np.ndarray, " draws"]:
    return ratio(draws.hits[:, of_class], draws.real[:, of_class])


def _balanced_accuracy(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """Mean of sensitivity and specificity: without both there is none, or it would be accuracy under a better name."""
    return (_recall(INCORRECT, draws) + _recall(1 - INCORRECT, draws)) / 2


def _roc_auc(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """The chance that an incorrect case is thought more likely to be incorrect than a correct one is."""
    return ratio(((draws.weights @ draws.cases.wins) * draws.weights).sum(axis=1), draws.real.prod(axis=1))


def _cohen_kappa(draws: Draws) -> Float64[np.ndarray, " draws"]:
    """Agreement beyond chance (J. Cohen, Educational and Psychological Measurement, 1960); NaN where chance is 1."""
    chance = (draws.real * draws.predicted).sum(axis=1)
    return ratio(draws.total * draws.hits.sum(axis=1) - chance, draws.total**2 - chance)


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "accuracy", _accuracy, primary_for=GESTURE),
    Metric(
        "balanced_accuracy", "balanced accuracy", _mean_recall, heading="balanced", target=GESTURE, tables=(GESTURE,)
    ),
    Metric(
        *("balanced_accuracy", "balanced accuracy", _balanced_accuracy),
        heading="balanced",
        target=CORRECTNESS,
        primary_for=CORRECTNESS,
    ),
    Metric("macro_f1", "macro F1", _macro_f1, tables=(GESTURE,)),
    Metric(
        *("calibration_error", "calibration error", _calibration_error),
        heading="ECE",
        tables=(GESTURE,),
        higher_is_better=False,
        with_people=True,
    ),
    Metric("person_accuracy", "mean over people", _person_accuracy, tables=(), with_people=True),
    Metric("sensitivity", "sensitivity", partial(_recall, INCORRECT), target=CORRECTNESS),
    Metric("specificity", "specificity", partial(_recall, 1 - INCORRECT), target=CORRECTNESS),
    Metric("roc_auc", "ROC AUC", _roc_auc, target=CORRECTNESS),
    Metric("cohen_kappa", "Cohen's kappa", _cohen_kappa, heading="kappa", percent=False, bounds=(-1.0, 1.0)),
)
"""All built-in metrics, in the order of files."""

RESERVED = frozenset({"loss", "count", "recordings", "people", "seed", *(metric.name for metric in METRICS)})
"""Names that a user's metric cannot have."""


def metrics_for(target: str) -> tuple[Metric, ...]:
    """The built-in metrics of a target, in the order of files.

    >>> [metric.name for metric in metrics_for("correctness")][:3]
    ['accuracy', 'balanced_accuracy', 'macro_f1']
    """
    return tuple(metric for metric in METRICS if metric.target in (None, target))


def primary_metric(target: str) -> Metric:
    """The metric by which a target's models are chosen: plain accuracy flatters where four of five are correct.

    >>> primary_metric("gesture").name, primary_metric("correctness").title
    ('accuracy', 'balanced accuracy')
    """
    return next(metric for metric in METRICS if metric.primary_for == target)


def table_metrics(target: str) -> tuple[Metric, ...]:
    """The metrics that have a column in the tables of a target: the primary one, the target's own, the others.

    >>> [metric.name for metric in table_metrics("gesture")][:2]
    ['accuracy', 'balanced_accuracy']
    """
    shown = [metric for metric in metrics_for(target) if target in metric.tables]
    return tuple(sorted(shown, key=lambda metric: (metric.primary_for != target, metric.target is None)))


def metric_named(name: str, target: str) -> Metric:
    """The metric of a name; one that is not built in is a user's, shown as a plain number under its name."""
    for metric in metrics_for(target):
        if metric.name == name:
            return metric
    return Metric(name, name, percent=False, bounds=(None, None))


def score(
    probabilities: Float[np.ndarray, "cases classes"],
    truth: Int64[np.ndarray, " cases"],
    target: str = GESTURE,
    guests: Sequence[Metric] = (),
) -> dict[str, float | None]:
    """The scores of an info file: loss, each metric, and the number of cases.

    Args:
        probabilities: Of windows or recordings.
        truth: The true class of each.
        target: gesture or correctness.
        guests: The user's own metrics.
    """
    likelihood = np.maximum(probabilities[np.arange(len(truth)), truth], SMALLEST_PROBABILITY)
    values = score_labels(truth, probabilities.argmax(axis=1), probabilities.astype(np.float64), target, guests)
    return {"loss": float(-np.log(likelihood).mean()), **values}


def score_labels(
    truth: Int64[np.ndarray, " cases"],
    predicted: Int64[np.ndarray, " cases"],
    probabilities: Float64[np.ndarray, "cases classes"],
    target: str,
    guests: Sequence[Metric] = (),
) -> dict[str, float | None]:
    """Each metric, and the number of cases; null where a metric is undefined.

    >>> score_labels(np.array([0, 0]), np.array([0, 1]), np.eye(2), "correctness")["balanced_accuracy"] is None
    True
    """
    cases = Cases(truth, predicted, probabilities, np.zeros(len(truth), dtype=np.int64), 1)
    metrics = [metric for metric in (*metrics_for(target), *guests) if not metric.with_people]
    return {**{metric.name: or_none(metric.value(cases)) for metric in metrics}, "count": len(truth)}


def or_none(value: float) -> float | None:
    """The value; None in place of NaN, which JSON lacks."""
    return None if math.isnan(value) else value


def confusion(probabilities: Float[np.ndarray, "cases classes"], truth: Int64[np.ndarray, " cases"]) -> list[list[int]]:
    """Counts; rows are the true class, columns the predicted one."""
    cases = Cases(truth, probabilities.argmax(axis=1), probabilities, np.zeros(len(truth), dtype=np.int64), 1)
    return cases.confusion[0].astype(np.int64).tolist()
