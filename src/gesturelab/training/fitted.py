"""Networks without gradients, on the path of all others: one epoch of one step, which fits instead of descending."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import SGD, Optimizer

from gesturelab.config.training import Precision, TrainConfig
from gesturelab.errors import ConfigError
from gesturelab.models.network import FittedNetwork
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.training.datamodule import GestureData
from gesturelab.training.module import GestureModule

log = logging.getLogger(__name__)


def fitted_options(config: TrainConfig) -> TrainConfig:
    """The configuration of a training that fits: one epoch, in full precision, without callbacks of epochs.

    Raises:
        ConfigError: If several devices should train.
    """
    if config.trainer.processes > 1:
        raise ConfigError(
            f"trainer.devices={config.trainer.devices}: {config.model.name} is fitted to all windows at once, which "
            "one device does; set trainer.devices=1 and trainer.num_nodes=1"
        )
    trainer = replace(config.trainer, max_epochs=1, precision=Precision.float32, checkpoint_minutes=None)
    return replace(config, trainer=trainer, callbacks={})


class FittedModule(GestureModule):
    """Fits a `FittedNetwork` to all training windows, as they are, before the only validation."""

    def on_fit_start(self) -> None:
        """Says what is not used."""
        super().on_fit_start()
        if not self.is_refit:
            log.info("fitted at once: optimizer, scheduler, loss, augmentation, callbacks and max_epochs are not used")

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Nothing: a batch is a part of what is fitted later."""
        return self._nothing.sum()

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Counts a step, so that checkpoints and trackers know that there was one."""
        optimizer.step(closure=optimizer_closure)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """There is no gradient."""

    def configure_optimizers(self) -> Optimizer:
        """An optimizer of nothing, as Lightning wants one."""
        self._nothing = torch.zeros(1, device=self.device, requires_grad=True)
        return SGD([self._nothing], lr=0.0)

    def on_validation_start(self) -> None:
        """Fits, as all batches were seen.

        Raises:
            ConfigError: If that fails, or changes what weights there are.
        """
        super().on_validation_start()
        self._fit()

    def on_train_epoch_end(self) -> None:
        """Fits where there is no validation."""
        if self.is_refit:
            self._fit()
        super().on_train_epoch_end()

    def _fit(self) -> None:
        data = cast(GestureData, cast(Any, self.trainer).datamodule)
        network = cast(FittedNetwork, self.recogniser.classifier)
        with torch.inference_mode(False), torch.no_grad():  # what is learned is trained with, saved and loaded again
            batches = list(data.training_windows(limit=self.trainer.limit_train_batches))
            features = torch.cat([self.recogniser.scaled_features(batch.positions) for batch in batches])
            classes = torch.cat([batch.classes for batch in batches])
            shapes = {name: value.shape for name, value in network.state_dict().items()}
            name = f"{type(network).__module__}.{type(network).__qualname__}"
            try:
                network.fit(features, classes)
                logits = torch.cat([network(some) for some in features.split(data.batch_size)])
            except Exception as error:  # a guest may raise anything
                raise ConfigError(f"model: fit of {name} raised {type(error).__name__}: {error}") from error
            if {name: value.shape for name, value in network.state_dict().items()} != shapes:
                raise ConfigError(f"model: fit of {name} must keep the names and shapes of its buffers")
            loss = self.loss(logits, classes) * len(classes)
            correct = (logits.argmax(dim=1) == classes).sum()
        self.sums = torch.stack([loss, correct.float(), loss.new_tensor(len(classes))])
