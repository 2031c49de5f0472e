"""The door for metrics of the user's own: ``metrics: {kappa: {_target_: sklearn.metrics.cohen_kappa_score}}``.

A guest is a function of true labels and predictions (or probabilities) that returns a number. It becomes a `Metric`
like the built-in ones. What an info file names is called only if it is known to compute and nothing else, or trusted.
"""

import inspect
import logging
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
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
        found = locate(f"metrics.{name}", target)
    except ConfigError as error:
        raise ConfigError(f"{error}; expected {EXPECTED}") from error
    if not callable(found) or inspect.isclass(found):
        raise ConfigError(f"metrics.{name}: {target} is no function; expected {EXPECTED}")
    takes_predictions_first = False
    try:
        signature = inspect.signature(found)
        takes_predictions_first = {"preds", "target"} <= set(signature.parameters)
        signature.bind(None, None, **definition["arguments"])
    except TypeError as error:
        raise ConfigError(f"metrics.{name}: {target} cannot be called so ({error}); expected {EXPECTED}") from error
    except ValueError:
        pass  # a function in C that does not tell its parameters
    call = partial(_call, found, definition, takes_predictions_first)
    return Metric(
        *(name, name),
        function=_Undefined(name, call),
        higher_is_better=definition["higher_is_better"],
        percent=False,
        bounds=(None, None),
        definition=definition,
    )


def _call(function: Callable[..., Any], definition: Definition, predictions_first: bool, cases: Cases) -> float:
    """Calls a user's function; of two classes it gets the probability of the second, as scikit-learn's take it."""
    given: Any = cases.predicted
    if definition["needs"] == "probabilities":
        given = cases.probabilities[:, 1] if cases.probabilities.shape[1] == 2 else cases.probabilities
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is undefined is null, and said once
        if predictions_first:  # as torchmetrics does, on tensors
            tensor = import_module("torch").from_numpy
            result = function(preds=tensor(given), target=tensor(cases.truth), **definition["arguments"])
        else:
            result = function(cases.truth, given, **definition["arguments"])
    try:
        number = float(result)
    except (TypeError, ValueError) as error:
        raise NoNumberError(f"returns {type(result).__name__}, not a number") from error
    return number if math.isfinite(number) else math.nan


class NoNumberError(ValueError):
    """A user's function returned something else."""


class _Undefined:
    """A user's function that is undefined where it raises, which is said once."""

    def __init__(self, name: str, call: Callable[[Cases], float]) -> None:
        self.call = call
        self._name = name
        self._said = False

    def __call__(self, cases: Cases) -> float:
        if not len(cases):
            return math.nan
        try:
            return self.call(cases)
        except Exception as error:
            if not self._said:
                said = str(error).splitlines()[0] if str(error) else ""
                log.warning(
                    "metrics.%s is undefined for some recordings: %s: %s", self._name, type(error).__name__, said
                )
            self._said = True
            return math.nan


def check_metrics(guests: Sequence[Metric], truth: Int64[np.ndarray, " cases"], classes: int) -> None:
    """Tries a user's metrics on a data set's labels, with right and with wrong predictions, before anything is trained.

    Raises:
        ConfigError: If one raises, or returns something that is no number.
    """
    for metric in guests:
        assert metric.definition is not None
        assert isinstance(metric.function, _Undefined)
        for predicted in (truth, (truth + 1) % classes):
            rows = 0.1 / classes + 0.9 * np.eye(classes)[predicted]
            try:
                metric.function.call(Cases(truth, predicted, rows, np.zeros(len(truth), dtype=np.int64), 1))
            except NoNumberError as error:
                reason = str(error)
            except Exception as error:
                said = str(error).splitlines()[0] if str(error) else ""
                reason = f"raises {type(error).__name__} on the labels of these recordings ({said})"
            else:
                continue
            raise ConfigError(f"metrics.{metric.name}: {metric.definition['_target_']} {reason}; expected {EXPECTED}")


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
    for name in dict.fromkeys(name for one in definitions for name in one):
        own = [one.get(name) for one in definitions]
        try:
            if any(one != own[0] for one in own):
                raise ConfigError(f"metric {name} has no interval: the runs define it differently, or some lack it")
            definition = cast(Any, own[0])
            if not isinstance(definition, dict) or not isinstance(cast(Any, definition).get("arguments"), dict):
                raise ConfigError(f"metric {name} has no interval: its definition in the info file is damaged")
            values = cast(dict[str, Any], definition)
            arguments = {key: item for key, item in values.items() if key != "arguments"} | values["arguments"]
            checked = _definition(name, arguments)
            if not _trusted(checked["_target_"], trust):
                target = checked["_target_"]
                raise ConfigError(
                    f"metric {name} has no interval: it would call {target}, which the info file names; if you trust "
                    f"that code, add --trust {target}"
                )
            metrics.append(_make(name, checked))
        except ConfigError as error:
            notes.append(str(error))
    return tuple(metrics), notes


def _trusted(target: str, trust: Collection[str]) -> bool:
    """Whether a function may be called that only a file names."""
    module, _, name = target.rpartition(".")
    if target in trust:
        return True
    try:
        return module in TRUSTED and name in import_module(module).__all__
    except ImportError:
        return False
