"""Optimizers and learning-rate schedules."""

import math
from typing import Any

from hydra.utils import get_class
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from gesturelab.config.training import Schedule, SchedulerConfig
from gesturelab.errors import ConfigError


def make_optimizer(network: nn.Module, options: dict[str, Any]) -> Optimizer:
    """An optimizer of class ``_target_`` with the other options.

    Raises:
        ConfigError: If there is no such class, or it does not take these options.
    """
    arguments = dict(options)
    target = arguments.pop("_target_")
    try:
        found = get_class(target)
        if not issubclass(found, Optimizer):
            raise ConfigError(f"optimizer._target_={target}: is no optimizer of torch's")
        return found(network.parameters(), **arguments)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"optimizer {target} with {arguments} cannot be made: {error}") from error


def with_schedule(optimizer: Optimizer, config: SchedulerConfig, steps: int) -> OptimizerLRScheduler:
    """What Lightning wants to hear of an optimizer and its schedule over so many steps."""
    if config.kind is Schedule.constant:
        return optimizer
    if config.kind is Schedule.plateau:
        plateau = ReduceLROnPlateau(optimizer, factor=config.factor, patience=config.patience)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "validation_loss"}}
    cosine = LambdaLR(optimizer, lambda step: cosine_share(step, steps, config))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}


def cosine_share(step: int, steps: int, config: SchedulerConfig) -> float:
    """Share of the full learning rate at a step: linear up to the end of the warm-up, then half a cosine down.

    >>> config = SchedulerConfig(Schedule.cosine, warmup_fraction=0.1, final_fraction=0.0, factor=0.5, patience=5)
    >>> [round(cosine_share(step, 100, config), 3) for step in (0, 9, 55, 100)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warmup = config.warmup_fraction * steps
    if step + 1 <= warmup:
        return (step + 1) / warmup
    progress = min((step - warmup) / max(steps - warmup, 1), 1)
    return config.final_fraction + (1 - config.final_fraction) * (1 + math.cos(math.pi * progress)) / 2


def refuse_clipped_scaled(optimizer: Optimizer, clip_norm: float | None) -> None:
    """For float16, refuses optimizers that undo the scale of gradients in their own step (fused ones) with clipping.

    What would be clipped is thousands of times too long.

    Raises:
        ConfigError: If it is such an optimizer.
    """
    if clip_norm is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
        raise ConfigError(
            "optimizer.fused with trainer.precision=float16: its gradients cannot be clipped; leave fused out, or take "
            "trainer.precision=bf16, or trainer.gradient_clip_norm=null"
        )
