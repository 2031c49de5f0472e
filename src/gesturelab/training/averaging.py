"""A moving average of the weights: what is validated, kept and tested, while training goes on with its own."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class WeightAveraging(Callback):
    """Exponential moving average of weights and running statistics, updated after each step.

    Steps are noisy; their average is usually better, and changes less from epoch to epoch. After step k the average
    keeps the share min(decay, (1 + k) / (10 + k)), so that it soon forgets the random weights that it begins with (as
    TensorFlow's ``ExponentialMovingAverage`` does). Whole numbers, such as the count of batches, are not averaged.

    In a checkpoint, ``state_dict`` is the average, and ``training_weights`` is what a resumed training goes on with.
    Lightning's own callback came with 2.6, and has no such beginning.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        self._average: dict[str, Tensor] = {}

    def share(self, step: int) -> float:
        """How much of the average stays at a step, counted from 1.

        >>> [round(WeightAveraging(0.98).share(step), 3) for step in (1, 8, 1000)]
        [0.182, 0.5, 0.98]
        """
        return min(self._decay, (1 + step) / (10 + step))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begins with the weights as they are, or with the average that a checkpoint brought."""
        weights = pl_module.state_dict()
        begun = self._average or weights
        self._average = {name: begun[name].detach().to(value.device, copy=True) for name, value in weights.items()}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Moves the average towards the new weights; after a step that was left out there are none."""
        if getattr(pl_module, "step_was_skipped", False):
            return
        self._steps += 1
        update(self._average, pl_module.state_dict(), self.share(self._steps))

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validates the average."""
        swap(self._average, pl_module.state_dict())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Goes on training the weights."""
        swap(self._average, pl_module.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """How many steps there were."""
        return {"steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on counting."""
        self._steps = state_dict["steps"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts the average where others look for weights."""
        checkpoint["training_weights"] = checkpoint["state_dict"]
        checkpoint["state_dict"] = self._average

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Takes both up again."""
        self._average = checkpoint["state_dict"]
        pl_module.load_state_dict(checkpoint["training_weights"])


@torch.no_grad()
def update(average: dict[str, Tensor], weights: dict[str, Tensor], share: float) -> None:
    """Makes an average that share of itself, and for the rest the weights."""
    for name, value in weights.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - share)
        else:
            average[name].copy_(value)


@torch.no_grad()
def swap(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    """Exchanges the values of two sets of tensors, in place."""
    for name, value in second.items():
        kept = value.clone()
        value.copy_(first[name])
        first[name].copy_(kept)
