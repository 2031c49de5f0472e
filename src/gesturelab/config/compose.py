"""Composes a training's configuration outside the command line: for tests, tables and notebooks."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import cast

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from gesturelab.config.store import conf_dir, register
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError


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
        return typed(compose("train", overrides=list(overrides)))


def typed(composed: DictConfig) -> TrainConfig:
    """Typed configuration from what Hydra composed.

    Raises:
        ConfigError: If a value breaks a rule, or ``+key=value`` added a key that nothing would read.
    """
    config = cast(TrainConfig, OmegaConf.to_object(composed))
    for prefix, part in (("", config), *((f"{name}.", part) for name, part in vars(config).items())):
        known = {each.name for each in fields(part)} if is_dataclass(part) else set[str]()
        if not known or "_target_" in known:
            continue  # the keys are arguments of a class that is not ours, which will say if it does not know one
        for name in vars(part).keys() - known:
            raise ConfigError(
                f"{prefix}{name}: there is no such key; {prefix or 'the root '}has {', '.join(sorted(known))}"
            )
    return config
