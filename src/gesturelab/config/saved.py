"""Reads the config.yaml of a run back into typed configuration."""

from pathlib import Path
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gesturelab.config.data import SOURCES
from gesturelab.config.split import SPLITS
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError


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
        return cast(TrainConfig, OmegaConf.to_object(OmegaConf.merge(schema, saved)))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; is this the folder of a run?") from error
    except (OmegaConfBaseException, YAMLError, KeyError, ValueError) as error:
        raise ConfigError(f"{path} is not the configuration of a run of this version: {error}") from error
