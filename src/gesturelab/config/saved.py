"""Reads the config.yaml of a run back into typed configuration."""

import json
from pathlib import Path
from typing import Any, TypeVar, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gesturelab.config.data import SOURCES, DataConfig
from gesturelab.config.split import SPLITS
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError

SINCE: dict[str, Any] = {
    "data": {"target": "gesture", "gestures": None},
    "features": {"summary": False},
    "trainer": {"keep": "best"},
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


def read_config(path: Path) -> TrainConfig:
    """The configuration that a run was made with.

    Raises:
        ConfigError: If the file is missing, is not YAML, or has a key or value that this version does not know.
    """
    try:
        saved = OmegaConf.load(path)
        schema = OmegaConf.structured(TrainConfig)
        schema.data = OmegaConf.structured(SOURCES[cast(Any, saved).data.source])
        schema.split = OmegaConf.structured(SPLITS[cast(Any, saved).split.kind])
        return cast(TrainConfig, OmegaConf.to_object(OmegaConf.merge(schema, SINCE, saved)))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except (OmegaConfBaseException, YAMLError, KeyError, ValueError) as error:
        raise ConfigError(f"{path} is not the configuration of a run of this version: {error}") from error


def read_data_config(path: Path) -> DataConfig:
    """The data that a run was made with; the rest of its configuration may be of another version.

    Raises:
        ConfigError: If the file is missing, is not YAML, or its data have a key or value that this version lacks.
    """
    try:
        saved = cast(Any, OmegaConf.load(path)).data
        schema = OmegaConf.structured(SOURCES[saved.source])
        return cast(DataConfig, OmegaConf.to_object(OmegaConf.merge(schema, SINCE["data"], saved)))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except (OmegaConfBaseException, YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} does not say which data this version can read: {error}") from error
