"""Typed configuration from plain values, and back: where composed and saved configurations become objects."""

from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass, make_dataclass
from typing import Any, cast

from gesturelab.config.data import DATASETS, AugmentConfig, FeaturesConfig, GuestDataConfig, WindowConfig
from gesturelab.config.options import TARGET, from_values, read_free, read_option, refuse_unknown_keys, to_plain
from gesturelab.config.split import SPLITS, GuestSplitConfig
from gesturelab.config.training import (
    AdamConfig,
    ConstantConfig,
    CosineConfig,
    CrossEntropyConfig,
    EarlyStoppingConfig,
    GuestLossConfig,
    GuestModelConfig,
    GuestSchedulerConfig,
    LSTMConfig,
    MlflowConfig,
    PlateauConfig,
    SgdConfig,
    TrainConfig,
    TrainerConfig,
    WandbConfig,
    WeightAveragingConfig,
)
from gesturelab.errors import ConfigError

GROUPS = ("data", "split", "window", "features", "augment", "model", "loss", "optimizer", "scheduler", "trainer")
"""The keys of `TrainConfig` that hold one option each."""
NAMED = ("callbacks", "logger", "metrics")
"""The keys of `TrainConfig` that hold any number of options, each by a name."""

SCHEDULES = (ConstantConfig, CosineConfig, PlateauConfig)
"""The schedules that come with a schema."""
_OPEN: dict[str, type[Any]] = {
    "torch.optim.Adam": AdamConfig,
    "torch.optim.AdamW": AdamConfig,
    "torch.optim.SGD": SgdConfig,
    "lightning.pytorch.callbacks.EarlyStopping": EarlyStoppingConfig,
    "gesturelab.training.averaging.WeightAveraging": WeightAveragingConfig,
    "gesturelab.training.trackers.mlflow.MlflowTracker": MlflowConfig,
    "gesturelab.training.trackers.wandb.WandbTracker": WandbConfig,
}
"""Schemas of classes that take other arguments as well."""


_ROOT = make_dataclass(
    "TrainConfig",
    [
        (each.name, each.type, field(default=each.default, default_factory=each.default_factory))
        for each in fields(TrainConfig)
        if each.name not in (*GROUPS, *NAMED)
    ],
)
"""The keys of `TrainConfig` that are no groups, with its defaults; a sweep varies them, and the whole takes long."""


def typed_config(values: Mapping[str, Any], *, saved: bool = False) -> TrainConfig:
    """The typed configuration of a training from plain values; keys that are missing have their defaults.

    Args:
        values: Groups and keys.
        saved: Whether a run has been trained with it: callbacks, loggers and metrics are then taken as they stand, so
            that an audit can find what is wrong with them.

    Raises:
        ConfigError: Naming the key that is unknown, has the wrong type or breaks a rule.
    """
    plain = dict(values)
    refuse_unknown_keys(TrainConfig, plain, "", "the root")
    groups = {key: _read_group(key, plain.pop(key), saved) for key in (*GROUPS, *NAMED) if key in plain}
    return TrainConfig(**vars(from_values(_ROOT, plain)), **groups)


def to_values(config: TrainConfig) -> dict[str, Any]:
    """The plain values that `typed_config` makes this configuration from: what config.yaml holds."""
    values: dict[str, Any] = {}
    for key, value in vars(config).items():
        if key in NAMED:
            values[key] = {
                name: to_plain(each) if isinstance(each, dict) or is_dataclass(each) else each
                for name, each in value.items()
            }
        else:
            values[key] = to_plain(value) if key in GROUPS else value
    return values


def _read_group(key: str, values: Any, saved: bool) -> Any:
    if key in NAMED:
        if not isinstance(values, Mapping | None):
            raise ConfigError(f"{key}={values}: must be options by names of your choice, each with a _target_")
        entries = cast(Mapping[str, Any], values or {}).items()
        chosen = {name: each for name, each in entries if each is not None}
        return chosen if saved else {name: _read_open(f"{key}.{name}", each) for name, each in chosen.items()}
    readers: dict[str, Any] = {
        "data": lambda: read_option(key, values, DATASETS, GuestDataConfig),
        "split": lambda: read_option(key, values, SPLITS, GuestSplitConfig),
        "model": lambda: read_option(key, values, (LSTMConfig,), GuestModelConfig),
        "loss": lambda: read_option(key, values, (CrossEntropyConfig,), GuestLossConfig),
        "scheduler": lambda: read_option(key, values, SCHEDULES, GuestSchedulerConfig),
        "optimizer": lambda: _read_open(key, values),
        "window": lambda: from_values(WindowConfig, values, key),
        "features": lambda: read_free(FeaturesConfig, values, key),
        "augment": lambda: read_free(AugmentConfig, values, key),
        "trainer": lambda: from_values(TrainerConfig, values, key),
    }
    return readers[key]()


def _read_open(key: str, values: Any) -> Any:
    """An option that is constructed as it stands; where it has a schema, its values are checked by it."""
    if not isinstance(values, Mapping):
        return values  # whoever constructs it checks what it needs
    plain = dict(cast(Mapping[str, Any], values))
    schema = _OPEN.get(str(plain.get(TARGET)))
    if schema is None:
        return plain
    known = {each.name for each in fields(schema)}
    config = from_values(schema, {name: value for name, value in plain.items() if name in known}, key)
    for name in plain.keys() - known:
        setattr(config, name, plain[name])
    return config
