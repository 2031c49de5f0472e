"""Reads the config.yaml of a run back into typed configuration."""

import json
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import AliasToken, YAMLError, scan

from gesturelab.config.data import SOURCES, DataConfig
from gesturelab.config.split import SPLITS
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError
from gesturelab.files import read_text

SINCE: dict[str, Any] = {
    "data": {"target": "gesture", "gestures": None},
    "features": {"summary": False},
    "trainer": {"keep": "best", "on_not_finite": "stop", "checkpoint_minutes": None},
}
"""Keys that runs of earlier versions did not save, with what they did."""

_Schema = TypeVar("_Schema")


def from_values(schema: type[_Schema], values: Any, since: dict[str, Any] | None = None) -> _Schema:
    """A schema's object from plain values that were saved; they are values only, never references to others.

    Args:
        schema: A dataclass of `gesturelab.config`.
        values: Its keys and values.
        since: Keys that may be missing, with what they were then.

    Raises:
        ConfigError: If a key is missing or unknown, or a value has the wrong type or breaks a rule.
    """
    try:
        if "${" in json.dumps(values):  # OmegaConf would look up what stands there, in the environment for one
            raise ConfigError(f"{schema.__name__}: a saved value refers to another one")
        merged = OmegaConf.merge(OmegaConf.structured(schema), since or {}, values)
        return cast(_Schema, OmegaConf.to_object(merged))
    except (OmegaConfBaseException, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"{schema.__name__}: {error}") from error


MAX_BYTES = 2**20
"""Larger configurations are refused unread; ours have 5,000 bytes."""

_ODD = (
    *(OmegaConfBaseException, YAMLError, ConfigError, RecursionError),
    *(AttributeError, LookupError, TypeError, ValueError, OverflowError, AssertionError),
)
"""What reading a configuration that is not ours can lead to."""


def _load(path: Path) -> Any:
    """A configuration as it stands in a file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is too large, or repeats parts of itself: ten lines could grow to gigabytes.
    """
    text = read_text(path, MAX_BYTES)
    if repeats_itself(text):
        raise ValueError("it refers to parts of itself (*name)")
    return OmegaConf.create(text)


def repeats_itself(text: str) -> bool:
    """Whether YAML refers to parts of itself, so that ten lines could grow to gigabytes; ours never does.

    Raises:
        yaml.YAMLError: If it is no YAML.
    """
    return "*" in text and any(isinstance(token, AliasToken) for token in scan(text))


def read_config(path: Path) -> TrainConfig:
    """The configuration that a run was made with.

    Raises:
        ConfigError: If the file is missing, is not YAML, or has a key or value that this version does not know.
    """
    try:
        saved = _load(path)
        schema = OmegaConf.structured(TrainConfig)
        schema.data = OmegaConf.structured(SOURCES[saved.data.source])
        schema.split = OmegaConf.structured(SPLITS[saved.split.kind])
        return cast(TrainConfig, OmegaConf.to_object(OmegaConf.merge(schema, SINCE, saved)))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except _ODD as error:
        raise ConfigError(f"{path} is not the configuration of a run of this version: {error}") from error


def read_data_config(path: Path) -> DataConfig:
    """The data that a run was made with; the rest of its configuration may be of another version.

    Raises:
        ConfigError: If the file is missing, is not YAML, or its data have a key or value that this version lacks.
    """
    try:
        saved = _load(path).data
        schema = OmegaConf.structured(SOURCES[saved.source])
        return cast(DataConfig, OmegaConf.to_object(OmegaConf.merge(schema, SINCE["data"], saved)))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except _ODD as error:
        raise ConfigError(f"{path} does not say which data this version can read: {error}") from error
