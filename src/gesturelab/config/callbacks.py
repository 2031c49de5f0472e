"""Schemas of the callbacks that come with gesturelab: when to stop, and which weights to keep."""

from dataclasses import dataclass

from gesturelab.config.rules import at_least, fraction
from gesturelab.errors import ConfigError

MONITORED = ("validation_loss", "validation_accuracy", "validation_recording_accuracy")
"""What is measured on validation people after each epoch."""


@dataclass
class EarlyStoppingConfig:
    """Stop when the validation people stop getting better."""

    _target_: str = "lightning.pytorch.callbacks.EarlyStopping"
    """The callback's class."""
    monitor: str = "validation_loss"
    """What to watch: validation_loss, validation_accuracy or validation_recording_accuracy."""
    mode: str = "min"
    """min or max: which way is better."""
    patience: int = 10
    """Epochs without getting better before training stops."""
    min_delta: float = 0.0
    """A change smaller than this does not count."""

    def __post_init__(self) -> None:
        at_least("callbacks.early_stopping.patience", self.patience, 0)
        if self.monitor not in MONITORED:
            raise ConfigError(f"callbacks.early_stopping.monitor={self.monitor}: must be one of {', '.join(MONITORED)}")
        if self.mode not in ("min", "max"):
            raise ConfigError(f"callbacks.early_stopping.mode={self.mode}: must be min or max")


@dataclass
class WeightAveragingConfig:
    """Validate, keep and test a moving average of the weights."""

    _target_: str = "gesturelab.training.averaging.WeightAveraging"
    """The callback's class."""
    decay: float = 0.98
    """How much of the average stays at each step: 0.98 averages over about 50 steps."""

    def __post_init__(self) -> None:
        fraction("callbacks.weight_averaging.decay", self.decay)
