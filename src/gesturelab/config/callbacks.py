"""Schemas of the callbacks and loggers that come with gesturelab."""

from dataclasses import dataclass
from typing import ClassVar

from gesturelab.config.rules import FRACTION, NOT_NEGATIVE, Checked, Rule, key

MONITORED = ("validation_loss", "validation_accuracy", "validation_recording_accuracy")
"""What is measured on validation people after each epoch."""


@dataclass
class EarlyStoppingConfig(Checked):
    """Stop when the validation people stop getting better."""

    GROUP: ClassVar[str] = "callbacks.early_stopping"

    _target_: str = "lightning.pytorch.callbacks.EarlyStopping"
    """The callback's class."""
    monitor: str = key("validation_loss", Rule(one_of=MONITORED))
    """What to watch: validation_loss, validation_accuracy or validation_recording_accuracy."""
    mode: str = key("min", Rule(one_of=("min", "max")))
    """min or max: which way is better."""
    patience: int = key(10, NOT_NEGATIVE)
    """Epochs without getting better before training stops."""
    min_delta: float = 0.0
    """A change smaller than this does not count."""


@dataclass
class WeightAveragingConfig(Checked):
    """Validate, keep and test a moving average of the weights."""

    GROUP: ClassVar[str] = "callbacks.weight_averaging"

    _target_: str = "gesturelab.training.averaging.WeightAveraging"
    """The callback's class."""
    decay: float = key(0.99, FRACTION)
    """How much of the average stays at each step: 0.99 averages over about 100 steps."""


@dataclass
class LoggerConfig:
    """One logger; any of Lightning's can be given as _target_."""

    _target_: str = "gesturelab.training.metrics_csv.MetricsCsv"
    """The logger's class; one of Lightning's is given save_dir, name and version."""


@dataclass
class MlflowConfig(LoggerConfig):
    """MLflow."""

    _target_: str = "gesturelab.training.trackers.mlflow.MlflowTracker"
    tracking_uri: str = "sqlite:///mlruns/mlflow.db"
    """A local store, sqlite:///<file>, or a server, such as http://127.0.0.1:5000."""


@dataclass
class WandbConfig(LoggerConfig):
    """Weights & Biases."""

    _target_: str = "gesturelab.training.trackers.wandb.WandbTracker"
    offline: bool = True
    """Write into a folder only, for wandb sync; false needs an account and a network."""
    dir: str = "."
    """Where the folder wandb is made."""
    entity: str | None = None
    """The user or team whose project it is; null: your own."""
