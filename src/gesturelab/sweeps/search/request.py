"""From what was typed, in Hydra's own override syntax, to a search: what to try, and the configuration of each run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, cast

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from omegaconf import DictConfig, OmegaConf

from gesturelab.config.store import job_folder
from gesturelab.config.sweeps import SearchConfig
from gesturelab.errors import ConfigError
from gesturelab.sweeps.compose import JobComposer, make_job
from gesturelab.sweeps.plan import Composed
from gesturelab.sweeps.search.result import trial_name

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


NOT_SEARCHED = {
    "seed": "would choose the luckiest one; average over several: hydra.sweeper.average_over=['seed=0,1']",
    "split": "would choose the easiest people; average over them: hydra.sweeper.average_over=['split.fold=0,1,2']",
    "data": "would choose the easiest recordings",
    "name": "is the search's own name",
}
"""Keys whose values must not be chosen by how well a run does."""


@dataclass(frozen=True)
class SearchRequest:
    """What to search.

    Attributes:
        space: The keys and their values.
        fixed: Overrides that are the same for all trials.
        replicates: Overrides of each run of a trial.
        composer: Composes a run.
        options: How to search.
        flags: Of the command line, for the command that trains the best trial.
    """

    space: list[Parameter]
    fixed: list[str]
    replicates: list[tuple[str, ...]]
    composer: JobComposer
    options: SearchConfig
    flags: list[str]

    def compose_trial(self, number: int, values: dict[str, Value]) -> list[Composed]:
        """The runs of a trial.

        Raises:
            ConfigError: If a value breaks a rule.
        """
        chosen = [as_override(key, value) for key, value in values.items()]
        first = number * len(self.replicates)
        return [
            self._compose_run(trial_name(number), [*chosen, *replicate], replicate, job)
            for job, replicate in enumerate(self.replicates, first)
        ]

    def compose_extremes(self) -> list[Composed]:
        """Runs whose configurations are right only if all are: each key at its extremes, and each replicate."""
        lowest = {parameter.key: parameter.extremes[0] for parameter in self.space}
        variants = [
            lowest,
            *({**lowest, parameter.key: value} for parameter in self.space for value in parameter.extremes[1:]),
        ]
        runs = [
            self._compose_run("trial", [*(as_override(*item) for item in values.items()), *self.replicates[0]], (), 0)
            for values in variants
        ]
        return runs + self.compose_trial(0, lowest)[1:]

    def describe(self, base: Composed) -> dict[str, Any]:
        """What must stay the same for trials to be comparable."""
        config = yaml.safe_load(base.text)
        varied = [*(parameter.key for parameter in self.space), *(text.split("=")[0] for text in self.replicates[0])]
        for key in varied:
            _delete_key(config, key.lstrip("+").split("@")[0].replace("/", ".").split("."))
        return {
            "objective": self.options.objective,
            "average_over": ", ".join(self.options.average_over),
            "space": {parameter.key: str(parameter) for parameter in self.space},
            "config": config,
        }

    def format_command(self, values: dict[str, Value]) -> str:
        """The command that trains with these values; with several runs a trial, all of them."""
        sweep = ["-m"] if self.options.average_over else []
        chosen = [as_override(key, value) for key, value in values.items()]
        words = ["gesturelab", "train", *sweep, *self.flags, *self.fixed, *chosen, *self.options.average_over]
        return shlex.join(words)

    def _compose_run(self, name: str, overrides: Sequence[str], replicate: Sequence[str], number: int) -> Composed:
        all_overrides = [*self.fixed, *overrides]
        run = make_job(self.composer(all_overrides), all_overrides, " ".join([name, *replicate]), number)
        return replace(run, name=job_folder(",".join([name, *replicate])))


def read_request(
    loader: ConfigLoaderImpl, config: DictConfig, arguments: Sequence[str], options: SearchConfig
) -> SearchRequest:
    """What to search, from ``params`` and the command line, of which the latter counts.

    Raises:
        ConfigError: If there is nothing to search, or something cannot be searched.
    """
    parser = OverridesParser.create(config_loader=loader)
    lines = [*(f"{key}={value}" for key, value in (options.params or {}).items()), *arguments]
    parsed = {override.get_key_element(): override for override in parser.parse_overrides(lines)}
    space = [read_parameter(override, config) for override in parsed.values() if override.is_sweep_override()]
    averaged = parser.parse_overrides(list(options.average_over))
    for override in averaged:
        if (key := override.get_key_element()) in parsed:
            raise ConfigError(f"{key} is given twice: as an override, and in average_over")
    for parameter in space:
        if (reason := NOT_SEARCHED.get(parameter.key.lstrip("+").split(".")[0])) is not None:
            raise ConfigError(f"{parameter.key} cannot be searched: it {reason}")
    if not space:
        raise ConfigError(f"hydra/sweeper=optuna: there is nothing to search; {HINT}")
    fixed = [str(override.input_line) for override in parsed.values() if not override.is_sweep_override()]
    composer = JobComposer(loader, config, [override.key_or_group for override in (*parsed.values(), *averaged)])
    return SearchRequest(space, fixed, read_replicates(averaged), composer, options, _read_flags(loader))


def _read_flags(loader: ConfigLoaderImpl) -> list[str]:
    """The flag that named the user's own folder of options, if one did."""
    folders = [source.path for source in loader.get_sources() if source.provider == "command-line"]
    return ["--config-dir", str(Path(folders[0].removeprefix("file://")))] if folders else []


def _delete_key(config: Any, path: list[str]) -> None:
    if isinstance(config, dict) and path[0] in config:
        if len(path) == 1:
            del config[path[0]]
        else:
            _delete_key(cast(dict[str, Any], config)[path[0]], path[1:])
