"""Lightning callbacks that take the time within a training on a GPU, write a JSON file and end the training."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from gesturelab.config.saved import read_config
from gesturelab.training.build import make_scaler
from suite.machine import wall_clock
from suite.training_step import BareLoop, EnoughError, OriginalLoop, TakeTurns

WARM_UP = 3
"""Steps that do not count: libraries choose or compile their kernels in them."""
GROUP_S = 0.15
"""Steps whose time is taken together last at least so long, so that waiting for the device does not count."""


class MeasureSteps(Callback):
    """Windows a second of the first epoch's steps, and the most memory that they take.

    Args:
        path: Of the JSON file to write.
        seconds: How long to measure.
    """

    def __init__(self, path: str, seconds: float) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._steps = self._group = self._windows = 0
        self._size = 1
        """Steps in a group."""
        self._rates: list[float] = []
        self._began = self._since = 0.0
        self._dtype = ""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Sees in which arithmetic the first recurrent layer answers: autocast may choose another one for it."""

        def see(_module: Any, _inputs: Any, outputs: Any) -> None:
            self._dtype = str(outputs[0].dtype).removeprefix("torch.")
            hook.remove()

        hook = pl_module.recogniser.classifier.layers[0].register_forward_hook(see)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Counts steps; takes the time after each group of them.

        Raises:
            EnoughError: When enough was measured.
        """
        device = batch.positions.device
        clock = wall_clock(device)
        if pl_module.micro_batches.size is not None:
            self._end({"error": "out of memory", "micro_batch": pl_module.micro_batches.size})
        self._steps += 1
        if self._steps < WARM_UP:
            return
        if self._steps == WARM_UP:
            self._began = self._since = clock()
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            return
        self._group += 1
        self._windows += len(batch.classes)
        last = batch_idx + 1 >= trainer.num_training_batches
        if self._group < self._size and not last:
            return
        now = clock()
        if now - self._since < GROUP_S and not last:
            self._size *= 2  # the group was too short: what it took belongs to the next, longer one
        else:
            if now - self._since >= GROUP_S or not self._rates:
                self._rates.append(self._windows / (now - self._since))
            self._group, self._windows, self._since = 0, 0, now
        if last or now - self._began > self._seconds:
            memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
            rate = max(self._rates)
            self._end({"windows_per_s": rate, "groups": len(self._rates), "memory_gib": memory, "lstm": self._dtype})

    def _end(self, result: dict[str, Any]) -> None:
        self._path.write_text(json.dumps(result), encoding="utf-8")
        raise EnoughError


class CompareLoops(TakeTurns):
    """Lightning in the training's precision against a bare loop in the same, and the original's way in float32.

    Args:
        path: Of the JSON file to write.
        steps: Of Lightning in a turn.
        turns: How many at most.
        seconds: Ends after so long, if there were two turns.
    """

    def __init__(self, path: str, steps: int, turns: int, seconds: float) -> None:
        super().__init__({}, steps, turns, seconds, batch=0, limit=lambda: 0.0)
        self._path = Path(path)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Makes the other ways of the training's own data and configuration."""
        config = read_config(Path(trainer.default_root_dir) / "config.yaml")
        data, device = trainer.datamodule, pl_module.device
        scaler = make_scaler(config, data)
        bf16 = trainer.precision == "bf16-mixed"
        self.batch, self.clock = config.trainer.batch_size, wall_clock(device)
        self.others = {
            "bare": BareLoop(config, data, scaler, bf16, device),
            "original": OriginalLoop(config, data, scaler, device),
        }
        self._began = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Takes turns, and writes their figures at the end.

        Raises:
            EnoughError: When there were enough of them.
        """
        try:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            if batch_idx + 1 >= trainer.num_training_batches and self.lightning:
                raise EnoughError
        except EnoughError:
            windows = self.steps * self.batch
            rates = {name: windows / min(seconds) for name, seconds in self.other.items()}
            result = {
                "turns": len(self.lightning),
                "against_bare": self.faster_than("bare"),
                "against_original": self.faster_than("original"),
                "windows_per_s": self.windows_a_second,
                "bare_windows_per_s": rates["bare"],
                "original_windows_per_s": rates["original"],
            }
            self._path.write_text(json.dumps(result), encoding="utf-8")
            raise
