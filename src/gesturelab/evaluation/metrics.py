"""The registry of metrics: a new metric is one entry in `METRICS`.

Training, info files, results of cross-validation with their intervals, tables, search objectives and trackers take
names, titles and formulas from here. A user's own metric, ``metrics: {kappa: {_target_:
sklearn.metrics.cohen_kappa_score}}``, is a function of true labels and predictions (or probabilities) that returns a
number; it becomes a `Metric` like the built-in ones. What an info file names is called only if it is known to compute
and nothing else, or trusted.
"""

import inspect
import logging
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, TypedDict, cast

import numpy as np
from jaxtyping import Float, Float64, Int64

from gesturelab.config.options import locate
from gesturelab.errors import ConfigError, first_line
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


log = logging.getLogger(__name__)

NEEDS = ("labels", "probabilities")
EXPECTED = "a function (y_true, y_pred) or, with needs: probabilities, (y_true, probabilities) that returns a number"

TRUSTED = ("sklearn.metrics", "torchmetrics.functional", "torchmetrics.functional.classification")
"""Modules whose public functions an info file may name: they only compute. Others are called only if a user says so."""


def read_definitions(options: Mapping[str, Any]) -> dict[str, Definition]:
    """The user's metrics as they stand under ``metrics`` in a configuration, checked as far as no code is needed.

    Raises:
        ConfigError: Naming ``metrics.<name>`` and what was expected.

    >>> read_definitions({"kappa": {"_target_": "sklearn.metrics.cohen_kappa_score", "weights": "linear"}})["kappa"]
    {'_target_': 'sklearn.metrics.cohen_kappa_score', 'arguments': {'weights': 'linear'}, 'needs': 'labels', \
'higher_is_better': True}
    """
    return {str(name): _definition(str(name), value) for name, value in options.items() if value is not None}


def _definition(name: str, value: Any) -> Definition:
    key = f"metrics.{name}"
    if not name.isidentifier():
        raise ConfigError(f"{key}: a metric's name must be letters, digits and _, since it becomes a key of files")
    if name in RESERVED:
        raise ConfigError(f"{key}: this name is taken by gesturelab's own; choose another one")
    if not isinstance(value, Mapping) or not isinstance(cast(Mapping[str, Any], value).get("_target_"), str):
        raise ConfigError(f"{key}: it has no _target_; expected {EXPECTED}, such as sklearn.metrics.cohen_kappa_score")
    options = {str(option): item for option, item in cast(Mapping[Any, Any], value).items()}
    target = str(options.pop("_target_"))
    needs, higher = options.pop("needs", "labels"), options.pop("higher_is_better", True)
    if needs not in NEEDS:
        raise ConfigError(f"{key}.needs={needs}: must be one of {', '.join(NEEDS)}")
    if not isinstance(higher, bool):
        raise ConfigError(f"{key}.higher_is_better={higher}: must be true or false")
    if special := [option for option in options if option.startswith("_")]:
        raise ConfigError(f"{key}.{special[0]}: there is no such key; write keyword arguments of {target} only")
    return Definition(_target_=target, arguments=options, needs=needs, higher_is_better=higher)


def make_metrics(definitions: Mapping[str, Definition]) -> tuple[Metric, ...]:
    """The user's metrics; this imports their functions.

    Raises:
        ConfigError: If a function cannot be imported, or cannot be called as it will be.
    """
    return tuple(_make(name, definition) for name, definition in definitions.items())


def _make(name: str, definition: Definition) -> Metric:
    target = definition["_target_"]
    try:
        function = locate(f"metrics.{name}", target)
    except ConfigError as error:
        raise ConfigError(f"{error}; expected {EXPECTED}") from error
    if not callable(function) or inspect.isclass(function):
        raise ConfigError(f"metrics.{name}: {target} is no function; expected {EXPECTED}")
    takes_predictions_first = False
    try:
        signature = inspect.signature(function)
        takes_predictions_first = {"preds", "target"} <= set(signature.parameters)
        signature.bind(None, None, **definition["arguments"])
    except TypeError as error:
        raise ConfigError(f"metrics.{name}: {target} cannot be called so ({error}); expected {EXPECTED}") from error
    except ValueError:
        pass  # a function in C that does not tell its parameters
    return Metric(
        *(name, name),
        function=_Guest(name, function, definition, takes_predictions_first),
        higher_is_better=definition["higher_is_better"],
        percent=False,
        bounds=(None, None),
        definition=definition,
    )


class NoNumberError(ValueError):
    """A user's function returned something else."""


@dataclass(eq=False)
class _Guest:
    """A user's function of cases; it is undefined where it raises, which is said once."""

    name: str
    function: Callable[..., Any]
    definition: Definition
    predictions_first: bool
    has_warned: bool = False

    def __call__(self, cases: Cases) -> float:
        if not len(cases):
            return math.nan
        try:
            return self.call(cases)
        except Exception as error:
            if not self.has_warned:
                reason = f"{type(error).__name__}: {first_line(error)}"
                log.warning("metrics.%s is undefined for some recordings: %s", self.name, reason)
            self.has_warned = True
            return math.nan

    def call(self, cases: Cases) -> float:
        """What it returns; of two classes it gets the probability of the second, as scikit-learn's take it."""
        predicted: Any = cases.predicted
        if self.definition["needs"] == "probabilities":
            predicted = cases.probabilities[:, 1] if cases.probabilities.shape[1] == 2 else cases.probabilities
        arguments = self.definition["arguments"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is undefined is null, and said once
            if self.predictions_first:  # as torchmetrics does, on tensors
                tensor = import_module("torch").from_numpy
                result = self.function(preds=tensor(predicted), target=tensor(cases.truth), **arguments)
            else:
                result = self.function(cases.truth, predicted, **arguments)
        try:
            number = float(result)
        except (TypeError, ValueError) as error:
            raise NoNumberError(f"returns {type(result).__name__}, not a number") from error
        return number if math.isfinite(number) else math.nan


def check_metrics(guests: Sequence[Metric], truth: Int64[np.ndarray, " cases"], classes: int) -> None:
    """Tries a user's metrics on a data set's labels, with right and with wrong predictions, before anything is trained.

    Raises:
        ConfigError: If one raises, or returns something that is no number.
    """
    for metric in guests:
        guest = cast(_Guest, metric.function)
        for predicted in (truth, (truth + 1) % classes):
            rows = 0.1 / classes + 0.9 * np.eye(classes)[predicted]
            try:
                guest.call(Cases(truth, predicted, rows, np.zeros(len(truth), dtype=np.int64), 1))
            except Exception as error:
                reason = f"raises {type(error).__name__} on the labels of these recordings ({first_line(error)})"
                if isinstance(error, NoNumberError):
                    reason = str(error)
                target = guest.definition["_target_"]
                raise ConfigError(f"metrics.{metric.name}: {target} {reason}; expected {EXPECTED}") from error


def metrics_of_runs(
    definitions: Sequence[Mapping[str, Any]], trust: Collection[str] = ()
) -> tuple[tuple[Metric, ...], list[str]]:
    """The users' metrics of runs whose folds are joined; code that an info file names runs only if it is trusted.

    Args:
        definitions: ``metric_definitions`` of each run's info file.
        trust: Functions that the user allows, by the name under ``_target_``.

    Returns:
        The metrics that can be computed again, and a sentence for each that cannot.
    """
    metrics: list[Metric] = []
    notes: list[str] = []
    for name in dict.fromkeys(name for of_run in definitions for name in of_run):
        try:
            metrics.append(_make(name, _common_definition(name, [of_run.get(name) for of_run in definitions], trust)))
        except ConfigError as error:
            notes.append(str(error))
    return tuple(metrics), notes


def _common_definition(name: str, definitions: Sequence[Any], trust: Collection[str]) -> Definition:
    definition = definitions[0]
    if any(other != definition for other in definitions):
        raise ConfigError(f"metric {name} has no interval: the runs define it differently, or some lack it")
    if not isinstance(definition, dict) or not isinstance(cast(Any, definition).get("arguments"), dict):
        raise ConfigError(f"metric {name} has no interval: its definition in the info file is damaged")
    values = cast(dict[str, Any], definition)
    checked = _definition(
        name, {key: value for key, value in values.items() if key != "arguments"} | values["arguments"]
    )
    if not _trusted(target := checked["_target_"], trust):
        raise ConfigError(
            f"metric {name} has no interval: it would call {target}, which the info file names; if you trust "
            f"that code, add --trust {target}"
        )
    return checked


def _trusted(target: str, trust: Collection[str]) -> bool:
    """Whether a function may be called that only a file names."""
    module, _, name = target.rpartition(".")
    if target in trust:
        return True
    try:
        return module in TRUSTED and name in import_module(module).__all__
    except ImportError:
        return False
