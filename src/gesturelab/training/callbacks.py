"""When checkpoints are written, and when a training leaves: on a signal, or because it was asked to stop."""

import time
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping

from gesturelab.config.training import Keep
from gesturelab.errors import StoppedError
from gesturelab.runs.info import Epoch
from gesturelab.runs.signals import listen_again, raise_if_received, received_signal
from gesturelab.runs.status import asked_to_stop
from gesturelab.training.checkpoints import LAST, WITHIN, kept_epoch, remember_best

PATIENCE_S = 10.0
"""So long after a signal a validation may still go on, for the sake of the epoch's checkpoint."""


class KeepCheckpoints(Checkpoint):
    """Writes a run's checkpoints; what they are is in `gesturelab.training.checkpoints`.

    Which epoch is the best follows from the module's history, so there is nothing to remember here. Checkpoints within
    an epoch are of one process: those of several would need all processes' random states.

    Args:
        folder: Where they are.
        keep: Whether the best epoch is kept.
        minutes: How often to write one within an epoch; None: only before leaving.
    """

    def __init__(self, folder: Path, keep: Keep, minutes: float | None) -> None:
        self._folder = folder
        self._keep = keep
        self._seconds = float("inf") if minutes is None else 60 * minutes
        self._since = time.monotonic()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A training that was killed after it stopped early has stopped."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, EarlyStopping) and callback.wait_count >= callback.patience:
                trainer.should_stop = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._since = time.monotonic()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves between two epochs.

        Raises:
            KeyboardInterrupt: If a signal asked for that.
        """
        raise_if_received()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes a checkpoint when it is time; after the last step of an epoch the epoch's own follows soon.

        Raises:
            KeyboardInterrupt: If a signal asked to leave; the checkpoint is written.
        """
        leaving = received_signal() is not None
        if not leaving and time.monotonic() - self._since < self._seconds:
            return
        step = batch_idx + 1
        if step >= trainer.num_training_batches or step % trainer.accumulate_grad_batches:
            return
        if trainer.world_size == 1:
            trainer.save_checkpoint(self._folder / WITHIN)
            self._since = time.monotonic()
        raise_if_received()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the last checkpoint, and names it the best one if it is."""
        trainer.save_checkpoint(self._folder / LAST)
        if trainer.is_global_zero:
            history = cast(list[Epoch], pl_module.history)
            if self._keep is Keep.best and kept_epoch(history, Keep.best) == history[-1]["epoch"]:
                remember_best(self._folder)
            (self._folder / WITHIN).unlink(missing_ok=True)
        trainer.strategy.barrier()
        self._since = time.monotonic()


class LeaveOnSignal(Callback):
    """Leaves a validation that lasts, and a scoring; training's own steps are `KeepCheckpoints`' business.

    Lightning takes SIGTERM before each fit and predict, to answer it in its own way; it is taken back, and Lightning
    restores what was there afterwards.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals back from Lightning.

        Raises:
            KeyboardInterrupt: If one came already.
        """
        listen_again()
        raise_if_received()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The same."""
        listen_again()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Leaves a validation that lasts.

        Raises:
            KeyboardInterrupt: If a signal asked for that, some time ago.
        """
        raise_if_received(PATIENCE_S)

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Leaves the scoring.

        Raises:
            KeyboardInterrupt: If a signal asked for that.
        """
        raise_if_received()


class StopOnRequest(Callback):
    """Looks for a request before each epoch, when the checkpoint of the last one is written.

    A training that has finished its last epoch is past stopping: it keeps its result.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends all processes of the training together.

        Raises:
            StoppedError: With the reason that was given.
        """
        reason = asked_to_stop(self._folder) if trainer.is_global_zero else ""
        if trainer.strategy.reduce_boolean_decision(bool(reason), all=False):
            raise StoppedError(reason or "stopped with the others")
