"""Composes a training's configuration outside the command line: for tests, tables and notebooks."""

from collections.abc import Sequence
from typing import cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from gesturelab.config.store import conf_dir, register
from gesturelab.config.training import TrainConfig


def options(group: str) -> list[str]:
    """The options of a config group that come with gesturelab, by name.

    >>> options("model")
    ['large', 'medium', 'small', 'tiny', 'xlarge', 'xxlarge']
    """
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def compose_training(overrides: Sequence[str] = ()) -> TrainConfig:
    """The configuration that ``gesturelab train`` would use with these overrides.

    Raises:
        ConfigError: If a value breaks a rule.
        hydra.errors.HydraException: If an option or key does not exist.
    """
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return cast(TrainConfig, OmegaConf.to_object(compose("train", overrides=list(overrides))))
