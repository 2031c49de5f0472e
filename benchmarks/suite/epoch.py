"""Item 3: what of an epoch is not training steps: validation, checkpoints, logging, progress bar."""

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from lightning.pytorch import Callback, Trainer

from gesturelab.config.training import TrainConfig
from gesturelab.datasets.load import load
from gesturelab.training.build import make_data, make_module, make_scaler, make_trainer
from gesturelab.training.experiment import quiet_lightning
from gesturelab.training.metrics_csv import MetricsCsv
from gesturelab.training.trackers.guard import Guarded
from suite.row import Row
from suite.settings import Form, Settings

GOAL, BOUND = 0.1, 0.35
"""Validation itself is a forward pass over an eighth as many windows as are trained on: about 0.04."""


class Clock(Callback):
    """Adds up where the seconds of whole epochs go; the first epoch does not count.

    Attributes:
        seconds: Of steps, validation, checkpoints and all.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("steps", "validation", "checkpoints", "all"), 0.0)
        self._epoch = self._step = self._validation = 0.0

    def watch(self, trainer: Trainer) -> None:
        """Takes the time of checkpoints."""
        save = trainer.save_checkpoint

        def timed(*arguments: Any, **options: Any) -> None:
            began = time.perf_counter()
            save(*arguments, **options)
            self._add("checkpoints", trainer, began)

        trainer.save_checkpoint = timed  # type: ignore[method-assign]
        trainer.callbacks.append(self)

    def _add(self, what: str, trainer: Trainer, began: float) -> None:
        if trainer.current_epoch > 0:
            self.seconds[what] += time.perf_counter() - began

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """An epoch lasts until the next begins."""
        now = time.perf_counter()
        if trainer.current_epoch > 1:
            self.seconds["all"] += now - self._epoch
        self._epoch = self._step = now

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """A step lasts from the end of the one before, so that making its batch counts."""
        self._add("steps", trainer, self._step)
        self._step = time.perf_counter()

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Before the first batch."""
        self._validation = time.perf_counter()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """When all is scored, before any checkpoint."""
        self._add("validation", trainer, self._validation)

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """The last epoch ends here."""
        self.seconds["all"] += time.perf_counter() - self._epoch


def measure(settings: Settings, config: TrainConfig, *, progress_bar: bool) -> dict[str, float]:
    """Seconds of all epochs but the first."""
    quiet_lightning()
    data = make_data(config, load(config.data))
    module = make_module(config, data, make_scaler(config, data))
    folder = settings.scratch / f"epoch-{config.model.name}-{progress_bar}"
    trainer = make_trainer(
        config, "cpu", folder, folder / "checkpoints", [Guarded("csv", MetricsCsv(folder))], progress_bar=progress_bar
    )
    clock = Clock()
    clock.watch(trainer)
    with _terminal() if progress_bar else _nothing():
        trainer.fit(module, datamodule=data)
    return clock.seconds


def rows(settings: Settings) -> list[Row]:
    """The share for tiny, whose epochs are shortest, and what the progress bar adds."""
    epochs = 6 if settings.root is None else 3
    found: list[Row] = []
    for size in ("tiny", "medium") if settings.form is Form.full else ("tiny",):
        config = settings.config(f"model={size}", f"trainer.max_epochs={epochs}")
        for bar in (False, True):
            spent = measure(settings, config, progress_bar=bar)
            parts = {key: value / spent["all"] for key, value in spent.items() if key != "all"}
            rest = 1 - sum(parts.values())
            found.append(
                Row(
                    "epoch",
                    f"{size}, {settings.recordings}: share of an epoch that is not steps"
                    + (", with the progress bar" if bar else ""),
                    1 - parts["steps"],
                    # made-up recordings are few: their epochs take a second or two
                    GOAL if settings.root is not None and not bar else None,
                    None if bar else BOUND,
                    note=f"validation {parts['validation']:.3f}, checkpoints {parts['checkpoints']:.3f}, "
                    f"rest {rest:.3f}; an epoch takes {spent['all'] / (epochs - 1):.2f} s",
                )
            )
    return found


@contextmanager
def _terminal() -> Iterator[None]:
    """What rich takes for a terminal, which shows nothing."""
    before = os.environ.get("FORCE_COLOR")
    os.environ["FORCE_COLOR"] = "1"
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        if before is None:
            del os.environ["FORCE_COLOR"]
        else:
            os.environ["FORCE_COLOR"] = before


@contextmanager
def _nothing() -> Iterator[None]:
    yield
