"""Schema of the hyperparameter search."""

import re
from dataclasses import dataclass, field

from gesturelab.config.rules import at_least
from gesturelab.errors import ConfigError

OBJECTIVE = re.compile(r"validation_(recording_)?[A-Za-z]\w*")
"""What an objective looks like; which metrics there are, the sweeper knows."""

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "hyperband", "none")


@dataclass
class SearchConfig:
    """How to search."""

    _target_: str = "hydra_plugins.gesturelab_search.OptunaSweeper"
    """The sweeper's class."""
    n_trials: int = 20
    """Trials in all, those of earlier calls counted; completed, pruned and failed ones count."""
    n_parallel: int = 1
    """Trials begun together; hydra/launcher says how many of their runs go at a time."""
    objective: str = "validation_loss"
    """validation_loss, or a metric of validation windows or recordings, such as validation_accuracy,
    validation_recording_accuracy, validation_recording_balanced_accuracy or one of your own, of the epoch whose weights
    are kept. With data.target=correctness take the loss or balanced accuracy."""
    average_over: list[str] = field(default_factory=list[str])
    """Overrides with several values, such as split.fold=0,1,2: a trial is one run for each, its value their mean."""
    sampler: str = "tpe"
    """tpe or random: proposes parameters."""
    seed: int = 0
    """Of the sampler."""
    pruner: str = "median"
    """Gives hopeless trials up. median: validation loss above the median of completed ones; hyperband; none."""
    warmup_epochs: int = 5
    """Epochs in which no trial is given up."""
    warmup_trials: int = 5
    """Trials that are completed before one is given up (median)."""
    storage: str | None = None
    """sqlite:///FILE; null: a journal in the sweep's folder."""
    params: dict[str, str] | None = None
    """What to search, for files in conf/experiment: a key and its values, such as model.dropout: interval(0.1,0.5)."""

    def __post_init__(self) -> None:
        for key, least in (("n_trials", 1), ("n_parallel", 1), ("seed", 0), ("warmup_epochs", 0), ("warmup_trials", 1)):
            at_least(f"hydra.sweeper.{key}", getattr(self, key), least)
        for key, allowed in (("sampler", SAMPLERS), ("pruner", PRUNERS)):
            if (value := getattr(self, key)) not in allowed:
                raise ConfigError(f"hydra.sweeper.{key}={value}: must be one of {', '.join(allowed)}")
        if not OBJECTIVE.fullmatch(self.objective):
            raise ConfigError(
                f"hydra.sweeper.objective={self.objective}: must be one of validation_loss, validation_accuracy, "
                "validation_recording_accuracy, or the like with another metric's name in place of accuracy"
            )
        if self.storage is not None and not self.storage.startswith("sqlite:///"):
            raise ConfigError(f"hydra.sweeper.storage={self.storage}: must be sqlite:///FILE or null")
