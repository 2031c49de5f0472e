"""Composes a training's configuration outside the command line: for tests, tables and notebooks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gesturelab.config.options import add_search_path
from gesturelab.config.store import conf_dir, register, search_in
from gesturelab.config.training import TrainConfig
from gesturelab.config.typed import typed_config
from gesturelab.errors import ConfigError


def options(group: str) -> list[str]:
    """The options of a config group that come with gesturelab, by name.

    >>> options("optimizer")
    ['adam', 'adamw', 'sgd']
    """
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def compose(overrides: Sequence[str] = (), config_dir: str | Path | None = None) -> TrainConfig:
    """The configuration that ``gesturelab train`` would use with these overrides, such as ``["model=small"]``.

    Args:
        overrides: As on the command line.
        config_dir: A folder with options of your own, as ``--config-dir`` names it.

    Raises:
        ConfigError: If a value breaks a rule.
        hydra.errors.HydraException: If an option or key does not exist.
    """
    register()
    GlobalHydra.instance().clear()
    if config_dir is not None:
        folder = Path(config_dir).expanduser().resolve()
        search_in(folder)
        overrides = [*overrides, f"hydra.searchpath=['file://{folder}']"]
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return typed(hydra_compose("train", overrides=list(overrides)))


def typed(composed: DictConfig) -> TrainConfig:
    """Typed configuration from what Hydra composed; its folders of guests' files become importable.

    Raises:
        ConfigError: If a value breaks a rule or is missing, or ``+key=value`` added a key that nothing would read.
    """
    try:
        values = cast(dict[str, Any], OmegaConf.to_container(composed, resolve=True, throw_on_missing=True))
    except OmegaConfBaseException as error:
        raise ConfigError(str(error)) from error
    config = typed_config(values)
    add_search_path(config.search_path)
    return config
