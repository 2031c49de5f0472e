"""The options of ``hydra/sweeper=optuna``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gesturelab.config.rules import at_least
from gesturelab.errors import ConfigError


@dataclass(frozen=True)
class Objective:
    """What a search makes small or large; always of validation people.

    Attributes:
        name: As in the option.
        level: Of ``metrics.validation`` in the info file.
        score: Of that level.
        maximise: Whether more is better.
    """

    name: str
    level: str
    score: str
    maximise: bool


OBJECTIVES = {
    each.name: each
    for each in (
        Objective("validation_loss", "window", "loss", maximise=False),
        Objective("validation_accuracy", "window", "accuracy", maximise=True),
        Objective("validation_recording_accuracy", "recording", "accuracy", maximise=True),
    )
}
"""Each is of the epoch with the lowest validation loss: a run keeps the weights of that one."""

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "hyperband", "none")


@dataclass
class SearchOptions:
    """How to search.

    Attributes:
        n_trials: Trials in all, those of earlier calls counted.
        n_parallel: Trials begun together.
        objective: A key of `OBJECTIVES`.
        average_over: Overrides with several values; a trial is one run for each, and its value their mean.
        sampler: Proposes parameters.
        seed: Of the sampler.
        pruner: Gives hopeless trials up.
        warmup_epochs: Epochs in which no trial is given up.
        warmup_trials: Trials that are completed before one is given up (median).
        storage: ``sqlite:///FILE``; None: a journal in the sweep's folder.
        params: What to search, as on the command line: a key and its values.
    """

    n_trials: int = 20
    n_parallel: int = 1
    objective: str = "validation_loss"
    average_over: list[str] = field(default_factory=list[str])
    sampler: str = "tpe"
    seed: int = 0
    pruner: str = "median"
    warmup_epochs: int = 5
    warmup_trials: int = 5
    storage: str | None = None
    params: dict[str, str] | None = None

    def __post_init__(self) -> None:
        for key, least in (("n_trials", 1), ("n_parallel", 1), ("seed", 0), ("warmup_epochs", 0), ("warmup_trials", 1)):
            at_least(f"hydra.sweeper.{key}", getattr(self, key), least)
        for key, allowed in (("objective", tuple(OBJECTIVES)), ("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if (value := getattr(self, key)) not in allowed:
                raise ConfigError(f"hydra.sweeper.{key}={value}: must be one of {', '.join(allowed)}")
        if self.storage is not None and not self.storage.startswith("sqlite:///"):
            raise ConfigError(f"hydra.sweeper.storage={self.storage}: must be sqlite:///FILE or null")

    @staticmethod
    def checked(given: Mapping[str, Any]) -> "SearchOptions":
        """Options from what the option's file and the command line say.

        Raises:
            ConfigError: If an option is misspelt, or has a value of the wrong type.
        """
        known = [each.name for each in fields(SearchOptions)]
        for key in given.keys() - set(known):
            close = get_close_matches(key, known)
            hint = f"did you mean {' or '.join(close)}?" if close else f"options are {', '.join(known)}"
            raise ConfigError(f"hydra.sweeper.{key}: hydra/sweeper=optuna has no such option; {hint}")
        try:
            merged = OmegaConf.merge(OmegaConf.structured(SearchOptions), dict(given))
            return cast(SearchOptions, OmegaConf.to_object(merged))
        except OmegaConfBaseException as error:
            raise ConfigError(f"hydra.sweeper.{error.full_key or ''}: {str(error).splitlines()[0]}") from error
