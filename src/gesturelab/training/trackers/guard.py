"""Between Lightning and a tracker: one process logs, and a tracker that fails ends no training."""

import logging
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger

from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info
from gesturelab.runs.status import is_first_process
from gesturelab.training.metrics_csv import MetricsCsv
from gesturelab.training.trackers.tracker import Tracker

log = logging.getLogger(__name__)

RETRY_S = 60.0
"""A tracker that failed is left alone for so long: each try could wait for a network."""


class Guarded(Logger):
    """Hands values to a tracker, or to another Lightning logger; in the first process only.

    What cannot be handed over is kept and tried again later, at the latest when the run is finished. The first failure
    is told; training goes on, since the run's own files hold everything.
    """

    def __init__(self, name: str, inner: Tracker | Logger) -> None:
        super().__init__()
        self.inner = inner
        self._name = name
        self._waiting: list[tuple[dict[str, float], int | None]] = []
        self._silent_until = 0.0
        self._told = False

    @property
    def name(self) -> str:
        """The logger's name in the configuration."""
        return self._name

    @property
    def version(self) -> str:
        """Nothing: Lightning would make a folder of it."""
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: trackers are given the whole configuration when they are made."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Takes values of the epoch that ``metrics`` names."""
        if is_first_process():
            self._waiting.append((dict(metrics), step))
            if time.monotonic() >= self._silent_until:
                self._try(self._send)

    def save(self) -> None:
        """Lightning calls this after each epoch's values."""
        if is_first_process() and time.monotonic() >= self._silent_until:
            self._try(self.inner.save)

    def finalize(self, status: str) -> None:
        """Lightning calls this after fitting, after predicting, and when either fails."""
        if not is_first_process():
            return
        inner = self.inner
        if not isinstance(inner, Tracker):
            self._try(lambda: inner.finalize(status))
        elif status != "success":  # a success still has its scores to come
            self._try(inner.fail)

    def resume(self, history: list[Epoch]) -> None:
        """Tells the tracker which epochs were trained before."""
        inner = self.inner
        if is_first_process() and isinstance(inner, (Tracker, MetricsCsv)):
            self._try(lambda: inner.resume(history))

    def finish(self, run: RunDir, info: Info) -> None:
        """Gives the tracker the finished run."""
        inner = self.inner
        if not is_first_process():
            return
        sent = self._try(self._send)
        if isinstance(inner, Tracker) and self._try(lambda: inner.finish(run, info)) and sent and self._told:
            log.warning("logger.%s works again; nothing is missing", self._name)

    def _send(self) -> None:
        while self._waiting:
            values, step = self._waiting[0]
            if isinstance(self.inner, Tracker):
                epoch = int(values["epoch"])
                self.inner.log({key: value for key, value in values.items() if key != "epoch"}, epoch)
            else:
                self.inner.log_metrics(values, step)
            self._waiting.pop(0)

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:
            self._silent_until = time.monotonic() + RETRY_S
            if not self._told:
                log.warning("logger.%s fails, training goes on without it: %s", self._name, error)
            self._told = True
            return False
        return True


class Resuming(Callback):
    """Tells trackers, when training begins, which epochs the checkpoint holds."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The checkpoint was read by now."""
        for logger in trainer.loggers:
            if isinstance(logger, Guarded):
                logger.resume(list(pl_module.history))  # type: ignore[arg-type]
