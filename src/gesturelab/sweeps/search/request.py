"""From what was typed to a search: what to try, and the configuration of each run."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from gesturelab.config.store import job_folder
from gesturelab.config.sweeps import SearchConfig
from gesturelab.errors import ConfigError
from gesturelab.sweeps.compose import JobComposer, make_job
from gesturelab.sweeps.plan import Composed
from gesturelab.sweeps.search.result import trial_name
from gesturelab.sweeps.search.space import HINT, Parameter, Value, as_override, read_parameter, read_replicates

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
