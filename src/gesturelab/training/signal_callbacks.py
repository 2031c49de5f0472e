"""Who answers which signal: nobody but us, as long as a training lasts."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gesturelab.runs.signals import listen_again, raise_if_received

PATIENCE_S = 10.0
"""So long after a signal a validation may still go on, for the sake of the epoch's checkpoint."""


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
