"""Stops a training cleanly when it was asked to."""

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from gesturelab.errors import StoppedError
from gesturelab.runs.stop_request import asked_to_stop


class StopWhenAsked(Callback):
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
