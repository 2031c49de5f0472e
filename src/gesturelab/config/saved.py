"""Reads the config.yaml of a run back into typed configuration."""

from collections.abc import Mapping
from dataclasses import fields
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
)
from gesturelab.config.typed import to_values, typed_config
from gesturelab.errors import ConfigError
from gesturelab.files import read_text

_SPLITS = target_of(SubjectKfoldConfig).rpartition(".")[0]
_LSTM = target_of(LSTMConfig)
_SCHEDULES = {"constant": ConstantConfig, "cosine": CosineConfig, "plateau": PlateauConfig}


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """A configuration, or groups of one, as this version writes it; earlier versions named some options otherwise."""
    groups = {key: dict(group) if isinstance(group, Mapping) else group for key, group in values.items()}
    data, split, scheduler = (cast(Any, groups.get(key)) for key in ("data", "split", "scheduler"))
    if isinstance(data, dict) and "source" in data:
        data[TARGET] = next((target_of(one) for one in DATASETS if data["source"] == one.NAME), data["source"])
        del data["source"]
    if isinstance(split, dict) and "kind" in split:
        split[TARGET] = f"{_SPLITS}.{split.pop('kind')}"
    if isinstance(scheduler, dict) and "kind" in scheduler:
        schema = _SCHEDULES[str(scheduler.pop("kind"))]
        known = {each.name for each in fields(schema)}
        groups["scheduler"] = {
            **{key: value for key, value in scheduler.items() if key in known},
            TARGET: target_of(schema),
            "interval": str(schema.interval),
        }
    for key, target in (("model", _LSTM), ("loss", target_of(CrossEntropyConfig))):
        if isinstance(group := cast(Any, groups.get(key)), dict) and TARGET not in group:
            group[TARGET] = target
    if isinstance(trainer := cast(Any, groups.get("trainer")), dict):
        for key, value in (("checkpoint_minutes", None), ("max_steps", None), ("options", {}), ("cudnn", True)):
            trainer.setdefault(key, value)
    return groups


MAX_BYTES = 2**20
"""Larger configurations are refused unread; ours have 5,000 bytes."""

_ODD = (
    *(OmegaConfBaseException, YAMLError, ConfigError, RecursionError),
    *(AttributeError, LookupError, TypeError, ValueError, OverflowError, AssertionError),
)
"""What reading a configuration that is not ours can lead to."""


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
    values: Any = yaml.safe_load(text)
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
    except _ODD as error:
        raise ConfigError(f"{path} is not the configuration of a run of this version: {error}") from error
    add_search_path(config.search_path)
    return config


def read_search_path(path: Path) -> list[str]:
    """The folders whose Python files a run's configuration may name; none where it cannot be read."""
    try:
        folders = _load(path).get("search_path", [])
    except (OSError, *_ODD):
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
    except _ODD as error:
        raise ConfigError(f"{path} does not say which data this version can read: {error}") from error
