"""Reads the config.yaml of a run back into typed configuration, and compares two of them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf.errors import OmegaConfBaseException
from yaml import AliasToken, YAMLError, scan

from gesturelab.config.data import DATASETS, DataConfig
from gesturelab.config.options import TARGET, add_search_path, target_of
from gesturelab.config.split import SubjectKfoldConfig
from gesturelab.config.training import (
    ConstantConfig,
    CosineConfig,
    CrossEntropyConfig,
    LSTMConfig,
    PlateauConfig,
    TrainConfig,
    TrainerConfig,
)
from gesturelab.config.typed import to_values, typed_config
from gesturelab.errors import ConfigError
from gesturelab.files import read_text

_SPLITS = target_of(SubjectKfoldConfig).rpartition(".")[0]
_SCHEDULES = {"constant": ConstantConfig, "cosine": CosineConfig, "plateau": PlateauConfig}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is built in
MAX_BYTES = 2**20
"""Larger configurations are refused unread; ours have 5,000 bytes."""
_RECURRENT = ("gesturelab.models.lstm.", "gesturelab.models.gru.")
_LATER_CHANGES = ("tilt_deg", "stretch", "crop", "time_warp", "joint_offset_m")
"""Keys of augment that version 0.1 did not have, and did without."""
UNCOMPARED = ("search_path",)
"""Where guests' files lie makes no run another one."""
_READ_ERRORS = (
    *(OmegaConfBaseException, YAMLError, ConfigError, RecursionError),
    *(AttributeError, LookupError, TypeError, ValueError, OverflowError, AssertionError),
)
"""What reading a configuration that is not ours can lead to."""


def load_yaml(text: str) -> dict[str, Any]:
    """The plain values of a configuration in YAML.

    Raises:
        yaml.YAMLError: If it is no YAML.
    """
    return cast(dict[str, Any], yaml.load(text, Loader=_Loader))


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration, or groups of one, as this version writes it; earlier versions named some options otherwise."""
    groups = {key: dict(group) if isinstance(group, Mapping) else group for key, group in values.items()}
    data, split, scheduler = (cast(Any, groups.get(key)) for key in ("data", "split", "scheduler"))
    if isinstance(data, dict) and "source" in data:
        data[TARGET] = next((target_of(each) for each in DATASETS if data["source"] == each.NAME), data["source"])
        del data["source"]
    if isinstance(split, dict) and "kind" in split:
        split[TARGET] = f"{_SPLITS}.{split.pop('kind')}"
    if isinstance(split, dict):
        split |= {"training_people": None, "training_repetitions": None, "draw": 0} | split
    if isinstance(scheduler, dict) and "kind" in scheduler:
        schema = _SCHEDULES[str(scheduler.pop("kind"))]
        known = {each.name for each in fields(schema)}
        groups["scheduler"] = {
            **{key: value for key, value in scheduler.items() if key in known},
            TARGET: target_of(schema),
            "interval": str(schema.interval),
        }
    for key, target in (("model", target_of(LSTMConfig)), ("loss", target_of(CrossEntropyConfig))):
        if isinstance(group := cast(Any, groups.get(key)), dict) and TARGET not in group:
            group[TARGET] = target
    if isinstance(model := cast(Any, groups.get("model")), dict) and str(model[TARGET]).startswith(_RECURRENT):
        model |= {key: value for key, value in (("convolutions", 0), ("stride", 1)) if key not in model}
    if isinstance(augment := cast(Any, groups.get("augment")), dict):
        augment |= {key: 0.0 for key in _LATER_CHANGES if key not in augment}
    if isinstance(trainer := cast(Any, groups.get("trainer")), dict):
        if "refit" not in trainer and trainer.get("max_steps"):
            trainer["max_epochs"] = None  # steps counted more than epochs
        for key, value in (
            *(("checkpoint_minutes", None), ("options", {}), ("cudnn", True), ("refit", False)),
            ("scored_training_recordings", TrainerConfig.scored_training_recordings),
        ):
            trainer.setdefault(key, value)
        trainer["max_steps"] = trainer.get("max_steps") or TrainerConfig.max_steps
    return groups


def _load(path: Path) -> dict[str, Any]:
    """A configuration as it stands in a file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is too large, or repeats parts of itself: ten lines could grow to gigabytes.
    """
    text = read_text(path, MAX_BYTES)
    if repeats_itself(text):
        raise ValueError("it refers to parts of itself (*name)")
    if "${" in text:  # OmegaConf would look it up, in the environment for one
        raise ValueError("it refers to other values (${...})")
    values: Any = load_yaml(text)
    if not isinstance(values, dict):
        raise ValueError("it holds no keys")
    return cast(dict[str, Any], values)


def repeats_itself(text: str) -> bool:
    """Whether YAML refers to parts of itself, so that ten lines could grow to gigabytes; ours never does.

    Raises:
        yaml.YAMLError: If it is no YAML.
    """
    return "*" in text and any(isinstance(token, AliasToken) for token in scan(text))


def read_config(path: Path) -> TrainConfig:
    """The configuration that a run was trained with, of this version or an earlier one.

    Raises:
        ConfigError: If the file is missing, is not YAML, or has a key or value that this version does not know.
    """
    try:
        config = typed_config(upgrade(_load(path)), saved=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except _READ_ERRORS as error:
        raise ConfigError(f"{path} is not the configuration of a run of this version: {error}") from error
    add_search_path(config.search_path)
    return config


def read_search_path(path: Path) -> list[str]:
    """The folders whose Python files a run's configuration may name; none where it cannot be read."""
    try:
        folders = _load(path).get("search_path", [])
    except (OSError, *_READ_ERRORS):
        return []
    return [folder for folder in cast(list[Any], folders) if isinstance(folder, str)]


def as_yaml(config: TrainConfig) -> str:
    """What `read_config` reads: the text of a run's config.yaml."""
    return yaml.safe_dump(to_values(config), sort_keys=False, allow_unicode=True)


def read_data_config(path: Path) -> DataConfig:
    """The data that a run was trained with; the rest of its configuration may be of another version.

    Raises:
        ConfigError: If the file is missing, is not YAML, or its data have a key or value that this version lacks.
    """
    try:
        saved = upgrade(_load(path))
        add_search_path(saved.get("search_path", []))
        return typed_config({"data": saved["data"]}).data
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except _READ_ERRORS as error:
        raise ConfigError(f"{path} does not say which data this version can read: {error}") from error


@dataclass(frozen=True)
class Difference:
    """A key whose value is not the same; a key that is not there has the value None, printed as nothing."""

    key: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        old, new = ("(not there)" if value is None else value for value in (self.old, self.new))
        return f"{self.key}: {old} -> {new}"


def differences(old: str | None, new: str) -> list[Difference]:
    r"""The keys that differ between two configurations in YAML, in order of the new one.

    >>> print(*differences("model: {name: tiny}\nseed: 0", "model: {name: tiny}\nseed: 1"))
    seed: 0 -> 1
    """
    if old is None:
        return []
    try:
        if repeats_itself(old):
            raise ValueError
        before = _flatten(upgrade(load_yaml(old)))
    except _READ_ERRORS:
        return [Difference("config.yaml", "(damaged)", "(this configuration)")]
    after = _flatten(upgrade(load_yaml(new)))
    keys = [key for key in {**after, **before} if not key.startswith(UNCOMPARED)]
    return [Difference(key, before.get(key), after.get(key)) for key in keys if not _is_same(key, before, after)]


def _is_same(key: str, before: dict[str, str], after: dict[str, str]) -> bool:
    """Whether a value is the same; a feature that is off may be missing, as in files from before it existed."""
    old, new = before.get(key), after.get(key)
    off = (None, "False", "null")
    return old == new or (key.startswith(("features.", "augment.")) and old in off and new in off)


def _flatten(value: Any, prefix: str = "") -> dict[str, str]:
    if isinstance(value, dict) and value:
        flat: dict[str, str] = {}
        for key, item in cast(dict[Any, Any], value).items():
            flat |= _flatten(item, f"{prefix}.{key}" if prefix else str(key))
        return flat
    return {prefix: "null" if value is None else repr(value) if isinstance(value, str) and not value else str(value)}
