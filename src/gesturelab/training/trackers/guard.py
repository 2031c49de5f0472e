"""The loggers of a run: made from the configuration, and kept from ending a training when they fail."""

import logging
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from lightning.pytorch.loggers import Logger

from gesturelab.config.options import TARGET, locate, to_plain
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info
from gesturelab.runs.status import is_first_process
from gesturelab.training.trackers.tracker import EpochLogger, Tracker, tracked_run

log = logging.getLogger(__name__)

RETRY_S = 60.0
"""A tracker that failed is left alone for so long: each try could wait for a network."""


class Guarded(EpochLogger):
    """Hands values to a tracker, or to another Lightning logger.

    What cannot be handed over is kept and tried again later, at the latest when the run is finished. The first failure
    is told; training goes on, since the run's own files hold everything.
    """

    def __init__(self, key: str, inner: Logger) -> None:
        super().__init__()
        self.inner = inner
        self._key = key
        self._waiting: list[tuple[dict[str, float], int | None]] = []
        self._silent_until = 0.0
        self._told = False

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Takes values of the epoch that ``metrics`` names."""
        self._waiting.append((dict(metrics), step))
        if time.monotonic() >= self._silent_until:
            self._try(self._send)

    def save(self) -> None:
        """Lightning calls this after each epoch's values."""
        if time.monotonic() >= self._silent_until:
            self._try(self.inner.save)

    def finalize(self, status: str) -> None:
        """Lightning calls this after fitting, after predicting, and when either fails."""
        self._try(lambda: self.inner.finalize(status))

    def resume(self, history: list[Epoch]) -> None:
        """Tells the tracker which epochs were trained before."""
        if isinstance(inner := self.inner, EpochLogger):
            self._try(lambda: inner.resume(history))

    def finish(self, run: RunDir, info: Info) -> None:
        """Gives the tracker the finished run."""
        sent = self._try(self._send)
        inner = self.inner
        if isinstance(inner, Tracker) and self._try(lambda: inner.finish(run, info)) and sent and self._told:
            log.warning("logger.%s works again; nothing is missing", self._key)

    def _send(self) -> None:
        while self._waiting:
            self.inner.log_metrics(*self._waiting[0])
            self._waiting.pop(0)

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:
            self._silent_until = time.monotonic() + RETRY_S
            if not self._told:
                log.warning("logger.%s fails, training goes on without it: %s", self._key, error)
            self._told = True
            return False
        return True


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


def _make(name: str, entry: Any, config: TrainConfig, folder: Path, caveats: list[str]) -> Logger:
    options = _options(name, entry)
    logger_class = _find(name, options)
    options.pop(TARGET)
    try:
        if issubclass(logger_class, Tracker):
            return cast(Any, logger_class)(tracked_run(config, folder, caveats), **options)
        return cast(Any, logger_class)(**{"save_dir": folder, "name": "", "version": "logs", **options})
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"logger.{name} cannot begin with {options}: {error}") from error


def _find(name: str, options: dict[str, Any]) -> type:
    target = str(options.get(TARGET))
    located = locate(f"logger.{name}", target)
    if not isinstance(located, type) or not issubclass(located, Logger):
        raise ConfigError(f"logger.{name}._target_={target}: is no logger of Lightning's")
    if issubclass(located, Tracker) and find_spec(located.package) is None:
        raise ConfigError(f"logger.{name} needs {located.package}: pip install 'gesturelab[{located.extra}]'")
    return located


def _options(name: str, entry: Any) -> dict[str, Any]:
    if isinstance(entry, str):
        raise ConfigError(f"logger.{name}={entry}: a logger has options of its own, as in logger=csv")
    return to_plain(entry)
