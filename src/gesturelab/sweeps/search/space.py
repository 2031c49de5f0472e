"""The search space, in Hydra's own override syntax."""

from dataclasses import dataclass
from itertools import product
from typing import Any, cast

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from gesturelab.errors import ConfigError

HINT = "write KEY=interval(LOW,HIGH), tag(log,interval(LOW,HIGH)), range(START,STOP) or choice(A,B)"

Value = str | int | float


@dataclass(frozen=True)
class Numbers:
    """A key that takes any number between two, both included.

    Attributes:
        key: As in an override.
        low: Smallest value.
        high: Largest value.
        whole: Whole numbers only.
        step: Between whole numbers.
        log: As much is tried between 0.001 and 0.01 as between 0.01 and 0.1.
    """

    key: str
    low: float
    high: float
    whole: bool = False
    step: int = 1
    log: bool = False

    def __str__(self) -> str:
        kind = "whole numbers" if self.whole else "numbers"
        step = f", every {self.step}" if self.step > 1 else ""
        return f"{kind} from {self.low:g} to {self.high:g}{step}{', logarithmic' if self.log else ''}"

    @property
    def extremes(self) -> list[Value]:
        """Values with which every job must be right for all jobs to be."""
        return [int(self.low), int(self.high)] if self.whole else [self.low, self.high]


@dataclass(frozen=True)
class Choices:
    """A key that takes one of several values, each as it stands in an override."""

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(self.values)}"

    @property
    def extremes(self) -> list[Value]:
        """All of them."""
        return list(self.values)


Parameter = Numbers | Choices


def as_override(key: str, value: Value) -> str:
    """An override that Hydra reads back as exactly this value.

    >>> as_override("optimizer.lr", 1e-05)
    'optimizer.lr=1e-05'
    """
    return f"{key}={value!r}" if isinstance(value, float) else f"{key}={value}"


def read_parameter(override: Override, config: DictConfig) -> Parameter:
    """The values of a key to search, from an override with several values.

    Args:
        override: With an interval, a range or a choice.
        config: The composed configuration, whose value shows whether a key takes whole numbers.

    Raises:
        ConfigError: If a search cannot do that.
    """
    key, value = override.get_key_element(), cast(Any, override).value()
    if isinstance(value, IntervalSweep):
        return _read_interval(key, value, whole=_is_whole(config, override.key_or_group))
    if isinstance(value, RangeSweep):
        return _read_range(key, value)
    if isinstance(value, ChoiceSweep) and value.tags:
        raise ConfigError(f"{key}: tag({','.join(value.tags)}) has no meaning for a choice")
    values = tuple(dict.fromkeys(override.sweep_string_iterator()))
    if not values:
        raise ConfigError(f"{override.input_line}: there is nothing to choose from")
    return Choices(key, values)


def read_replicates(lines: list[Override]) -> list[tuple[str, ...]]:
    """Every combination of the values over which a trial is averaged; one without a value if there are none.

    Raises:
        ConfigError: If an override has no several values, or is an interval.
    """
    for line in lines:
        if not line.is_discrete_sweep():
            raise ConfigError(f"hydra.sweeper.average_over: {line.input_line}: give several values, such as seed=0,1")
    choices = [[f"{line.get_key_element()}={text}" for text in line.sweep_string_iterator()] for line in lines]
    return list(product(*choices))


def _read_interval(key: str, interval: IntervalSweep, *, whole: bool) -> Numbers:
    low, high = interval.start, interval.end
    assert low is not None
    assert high is not None
    whole = whole or (isinstance(low, int) and isinstance(high, int))
    if whole and not (float(low).is_integer() and float(high).is_integer()):
        raise ConfigError(f"{key}=interval({low:g},{high:g}): {key} takes whole numbers")
    if not low < high:
        raise ConfigError(f"{key}=interval({low:g},{high:g}): the first number must be below the second")
    log = _is_log(key, interval.tags)
    if log and low <= 0:
        raise ConfigError(f"{key}: tag(log,interval({low:g},{high:g})) must begin above 0")
    return Numbers(key, low, high, whole=whole, log=log)


def _read_range(key: str, sweep: RangeSweep) -> Numbers:
    start, stop, step = sweep.start, sweep.stop, sweep.step
    if not (isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)):
        raise ConfigError(f"{key}: range is for whole numbers; {HINT}")
    values = range(start, stop, step) if step > 0 else range(0)
    if len(values) < 2:
        raise ConfigError(f"{key}=range({start},{stop},{step}): must count up, over two numbers or more")
    log = _is_log(key, sweep.tags)
    if log and (start <= 0 or step != 1):
        raise ConfigError(f"{key}: tag(log,range(...)) must begin above 0 and count by 1")
    return Numbers(key, values[0], values[-1], whole=True, step=step, log=log)


def _is_log(key: str, tags: set[str]) -> bool:
    if unknown := tags - {"log"}:
        raise ConfigError(f"{key}: tag({','.join(sorted(unknown))}) is not known; the only tag is log")
    return bool(tags)


def _is_whole(config: DictConfig, key: str) -> bool:
    value = OmegaConf.select(config, key.replace("/", "."), throw_on_missing=False)
    if isinstance(value, (DictConfig, str, bool)):
        raise ConfigError(f"{key}: an interval is for numbers; {HINT}")
    return isinstance(value, int)
