"""Who answers which signal: nobody but us, as long as a training lasts."""

import logging
import signal
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gesturelab.runs.signals import listen_again

log = logging.getLogger(__name__)


class StayUntilKilled(Callback):
    """In a job of our Slurm launcher, trains on after SIGTERM.

    Slurm sends it when it takes the node for another job, and puts the job back into the queue only if it is still
    there when its grace is over; Lightning would end it. Nothing is lost: each epoch has left its checkpoint.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes SIGTERM back from Lightning, which gives it back after the fit."""
        signal.signal(signal.SIGTERM, _note)


class LeaveWhenTold(Callback):
    """Keeps Lightning from answering SIGTERM in its own way; `gesturelab.runs.signals` does."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals back from Lightning, which restores what was there before after the fit."""
        listen_again()


def _note(number: int, _frame: FrameType | None, *_: Any) -> None:
    log.info("%s: training on until Slurm ends the job", signal.Signals(number).name)
