"""The door for metrics of the user's own: ``metrics: {kappa: {_target_: sklearn.metrics.cohen_kappa_score}}``.

A guest is a function of true labels and predictions (or probabilities) that returns a number. It becomes a `Metric`
like the built-in ones. What an info file names is called only if it is known to compute and nothing else, or trusted.
"""

import inspect
import logging
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import numpy as np
from jaxtyping import Int64

from gesturelab.config.options import locate
from gesturelab.errors import ConfigError
from gesturelab.evaluation.counts import Cases
from gesturelab.evaluation.metrics import RESERVED, Definition, Metric

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
                reason = f"{type(error).__name__}: {_first_line(error)}"
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


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


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
                reason = f"raises {type(error).__name__} on the labels of these recordings ({_first_line(error)})"
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
