"""A callback that gives tests time to disturb a training, without using the processor."""

import os
import time

from lightning.pytorch import Callback


class Pace(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        time.sleep(float(os.environ.get("PACE_S", "0")))
