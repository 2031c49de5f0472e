"""From what was typed to a search, with everything checked before anything is written."""

import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from gesturelab.config.search import SearchConfig
from gesturelab.config.store import job_folder
from gesturelab.errors import ConfigError
from gesturelab.files import write_text
from gesturelab.runs.locking import single_instance
from gesturelab.sweeps.compose import JobComposer, composed_job
from gesturelab.sweeps.local import Watcher
from gesturelab.sweeps.plan import Composed, Job, require_sweep_folder
from gesturelab.sweeps.search.result import Result
from gesturelab.sweeps.search.space import HINT, Parameter, Value, as_override, parameter, replicates
from gesturelab.sweeps.search.trial import find_objective, trial_name
from gesturelab.sweeps.search.view import SearchView, summary

log = logging.getLogger("gesturelab.sweeps")

NOT_SEARCHED = {
    "seed": "would choose the luckiest one; average over several: hydra.sweeper.average_over=['seed=0,1']",
    "split": "would choose the easiest people; average over them: hydra.sweeper.average_over=['split.fold=0,1,2']",
    "data": "would choose the easiest recordings",
    "name": "is the search's own name",
}
"""Keys whose values cannot be told apart by how well a run does."""


@dataclass(frozen=True)
class Given:
    """What was typed, understood.

    Attributes:
        space: What to search.
        fixed: Overrides that are the same for all trials.
        replicates: Overrides of each run of a trial.
        composer: Composes a run.
        options: How to search.
    """

    space: list[Parameter]
    fixed: list[str]
    replicates: list[tuple[str, ...]]
    composer: JobComposer
    options: SearchConfig

    def compose(self, number: int, values: dict[str, Value]) -> list[Composed]:
        """The runs of a trial.

        Raises:
            ConfigError: If a value breaks a rule.
        """
        chosen = [as_override(key, value) for key, value in values.items()]
        first = number * len(self.replicates)
        return [
            self._run(trial_name(number), [*chosen, *each], each, job)
            for job, each in enumerate(self.replicates, first)
        ]

    def bases(self) -> list[Composed]:
        """Runs whose configurations are right only if all are: each key at its extremes, and each replicate."""
        lowest = {each.key: each.extremes[0] for each in self.space}
        tried = [lowest, *({**lowest, each.key: value} for each in self.space for value in each.extremes[1:])]
        runs = [
            self._run("trial", [*(as_override(*item) for item in values.items()), *self.replicates[0]], (), 0)
            for values in tried
        ]
        return runs + self.compose(0, lowest)[1:]

    def about(self, base: Composed) -> dict[str, Any]:
        """What must stay the same for trials to be comparable."""
        config = yaml.safe_load(base.text)
        varied = [*(each.key for each in self.space), *(text.split("=")[0] for text in self.replicates[0])]
        for key in varied:
            _forget(config, key.lstrip("+").split("@")[0].replace("/", ".").split("."))
        return {
            "objective": self.options.objective,
            "average_over": ", ".join(self.options.average_over),
            "space": {each.key: str(each) for each in self.space},
            "config": config,
        }

    def command(self, values: dict[str, Value], flags: Sequence[str]) -> str:
        """Trains with these values; with several runs a trial, all of them."""
        sweep = ["-m"] if self.options.average_over else []
        chosen = [as_override(key, value) for key, value in values.items()]
        words = ["gesturelab", "train", *sweep, *flags, *self.fixed, *chosen, *self.options.average_over]
        return shlex.join(words)

    def _run(self, name: str, overrides: Sequence[str], replicate: Sequence[str], number: int) -> Composed:
        given = [*self.fixed, *overrides]
        varying = " ".join([name, *replicate])
        run = composed_job(self.composer(given), given, varying, number)
        return replace(run, name=job_folder(",".join([name, *replicate])))


def understand(loader: ConfigLoaderImpl, config: DictConfig, arguments: Sequence[str], options: SearchConfig) -> Given:
    """What to search, from ``params`` and the command line, of which the latter counts.

    Raises:
        ConfigError: If there is nothing to search, or something cannot be searched.
    """
    parser = OverridesParser.create(config_loader=loader)
    lines = [*(f"{key}={value}" for key, value in (options.params or {}).items()), *arguments]
    parsed = {item.get_key_element(): item for item in parser.parse_overrides(lines)}
    space = [parameter(item, config) for item in parsed.values() if item.is_sweep_override()]
    averaged = parser.parse_overrides(list(options.average_over))
    for item in averaged:
        if item.get_key_element() in parsed:
            raise ConfigError(f"{item.get_key_element()} is given twice: as an override, and in average_over")
    for each in space:
        if (why := NOT_SEARCHED.get(each.key.lstrip("+").split(".")[0])) is not None:
            raise ConfigError(f"{each.key} cannot be searched: it {why}")
    if not space:
        raise ConfigError(f"hydra/sweeper=optuna: there is nothing to search; {HINT}")
    fixed = {key: item for key, item in parsed.items() if not item.is_sweep_override()}
    composer = JobComposer(loader, config, [_key(item) for item in (*parsed.values(), *averaged)])
    return Given(space, [str(item.input_line) for item in fixed.values()], replicates(averaged), composer, options)


def search(
    given: Given,
    config: DictConfig,
    launch: Callable[[Sequence[Job], Watcher], None],
    flags: Sequence[str] = (),
) -> bool:
    """Searches until there are as many trials as asked for.

    Args:
        given: What was typed.
        config: The configuration of the whole sweep.
        launch: Begins jobs, and returns when all have ended.
        flags: For the command that trains the best trial.

    Returns:
        Whether all trials have ended, and none failed but those that were pruned or diverged.

    Raises:
        GesturelabError: If a configuration is wrong, the study is of another search, or the folder is taken.
    """
    from gesturelab.sweeps.search.search import Parts, Searcher  # Optuna takes half a second
    from gesturelab.sweeps.search.study import Study

    bases = given.bases()
    root = bases[0].root
    objective = find_objective(given.options.objective, yaml.safe_load(bases[0].text)["metrics"])
    require_sweep_folder(root)
    max_epochs = max(int(yaml.safe_load(base.text)["trainer"]["max_epochs"]) for base in bases)
    with single_instance(root, ".search.lock", "another search is at work in"):
        write_text(root / "multirun.yaml", OmegaConf.to_yaml(config))
        study = Study(root, given.options, given.space, max_epochs, maximise=objective.maximise)
        study.take_up(given.about(bases[0]))
        parts = Parts(
            root=root,
            options=given.options,
            objective=objective,
            space={each.key: str(each) for each in given.space},
            compose=given.compose,
            launch=launch,
            command=lambda values: given.command(values, flags),
            view=SearchView(),
        )
        searcher = Searcher(parts, study)
        try:
            complete = searcher.run()
        finally:
            found = searcher.search()
            log.info("")
            for line in summary(found):
                log.info(line)
    if not complete:
        log.info("interrupted; the same command goes on")
    return complete and all(trial["state"] != Result.failed for trial in found["trials"])


def config_flags(loader: ConfigLoaderImpl) -> list[str]:
    """The flag that named the user's own folder of options, if one did."""
    own = [source.path for source in loader.get_sources() if source.provider == "command-line"]
    return ["--config-dir", str(Path(own[0].removeprefix("file://")))] if own else []


def _key(item: Override) -> str:
    return item.key_or_group


def _forget(config: Any, path: list[str]) -> None:
    if isinstance(config, dict) and path[0] in config:
        if len(path) == 1:
            del config[path[0]]
        else:
            _forget(cast(dict[str, Any], config)[path[0]], path[1:])
