"""Who answers which signal of Slurm."""

import logging
import signal
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class StayUntilKilled(Callback):
    """In a job of our Slurm launcher, trains on after SIGTERM.

    Slurm sends it when it takes the node for another job, and puts the job back into the queue only if it is still
    there when its grace is over; Lightning would end it. Nothing is lost: each epoch has left its checkpoint.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes SIGTERM back from Lightning, which gives it back after the fit."""
        signal.signal(signal.SIGTERM, _note)


def _note(number: int, _frame: FrameType | None, *_: Any) -> None:
    log.info("%s: training on until Slurm ends the job", signal.Signals(number).name)
