"""From configuration to loggers."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from lightning.pytorch.loggers import Logger

from gesturelab.config.options import TARGET, locate
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError
from gesturelab.runs.status import is_first_process
from gesturelab.training.build import as_options
from gesturelab.training.trackers.guard import Guarded
from gesturelab.training.trackers.tracker import Tracker, tracked_run


def check_loggers(config: TrainConfig) -> None:
    """Finds every logger's class and package, without importing the package.

    Raises:
        ConfigError: Naming the logger, and how to install what it needs.
    """
    for name, entry in config.logger.items():
        if entry is not None:
            _find(name, _options(name, entry))


def make_loggers(config: TrainConfig, folder: Path, caveats: list[str]) -> list[Guarded]:
    """The run's loggers, each with its run begun or found again; none but in the first process.

    Args:
        config: Everything that decides the training.
        folder: The run's folder.
        caveats: What must be said wherever the run's numbers appear.

    Raises:
        ConfigError: If one cannot be made, naming it.
        RunError: If the folder cannot be written.
    """
    if not is_first_process():
        return []
    return [
        Guarded(name, _make(name, entry, config, folder, caveats))
        for name, entry in config.logger.items()
        if entry is not None
    ]


def _make(name: str, entry: Any, config: TrainConfig, folder: Path, caveats: list[str]) -> Tracker | Logger:
    options = _options(name, entry)
    found = _find(name, options)
    options.pop(TARGET)
    try:
        if issubclass(found, Tracker):
            return cast(Any, found)(tracked_run(config, folder, caveats), **options)
        return found(**{"save_dir": folder, "name": "", "version": "logs", **options})
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"logger.{name} cannot begin with {options}: {error}") from error


def _find(name: str, options: dict[str, Any]) -> type:
    target = str(options.get(TARGET))
    found = locate(f"logger.{name}", target)
    if not isinstance(found, type) or not issubclass(found, (Tracker, Logger)):
        raise ConfigError(f"logger.{name}._target_={target}: is no logger of Lightning's")
    if issubclass(found, Tracker) and find_spec(found.package) is None:
        raise ConfigError(f"logger.{name} needs {found.package}: pip install -e '.[{found.extra}]'")
    return found


def _options(name: str, entry: Any) -> dict[str, Any]:
    if isinstance(entry, str):
        raise ConfigError(f"logger.{name}={entry}: a logger has options of its own, as in logger=csv")
    return as_options(entry)
