"""Optimizers, learning-rate schedules and losses, from the class or function that a configuration names."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from gesturelab.config.options import TARGET, arguments_of, construct, target_of
from gesturelab.config.training import Interval, LossConfig, SchedulerConfig
from gesturelab.errors import ConfigError


def make_optimizer(network: nn.Module, options: Mapping[str, Any]) -> Optimizer:
    """An optimizer of class ``_target_`` with the other options.

    Raises:
        ConfigError: If there is no such class, or it does not take these options.
    """
    arguments = {key: value for key, value in options.items() if key != TARGET}
    target = target_of(options)
    return construct("optimizer", target, arguments, None, network.parameters(), kind=Optimizer)


def with_schedule(optimizer: Optimizer, config: SchedulerConfig, steps: int, epochs: int) -> OptimizerLRScheduler:
    """The optimizer and its schedule, as Lightning's ``configure_optimizers`` returns them.

    Args:
        optimizer: Whose learning rate changes.
        config: Which schedule; one that takes ``total_steps`` is given the number of its intervals.
        steps: Of the whole training.
        epochs: Of the whole training.

    Raises:
        ConfigError: If the schedule cannot be made, or is no schedule of torch's.
    """
    interval = Interval(config.interval)
    context = {"total_steps": steps if interval is Interval.step else epochs}
    target = target_of(config)
    schedule = construct("scheduler", target, arguments_of(config, SchedulerConfig), context, optimizer)
    if schedule is None:
        return optimizer
    if isinstance(schedule, ReduceLROnPlateau):
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "validation_loss"}}
    if not isinstance(schedule, LRScheduler):
        raise ConfigError(f"scheduler._target_={target}: must make a torch.optim.lr_scheduler.LRScheduler")
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": str(interval)}}


def constant(optimizer: Optimizer) -> None:
    """No schedule: the learning rate stays."""


def cosine(optimizer: Optimizer, total_steps: int, warmup_fraction: float, final_fraction: float) -> LambdaLR:
    """Linear warm-up, then half a cosine down (I. Loshchilov, F. Hutter, SGDR, ICLR 2017, without restarts)."""
    return LambdaLR(optimizer, lambda step: cosine_share(step, total_steps, warmup_fraction, final_fraction))


def cosine_share(step: int, total_steps: int, warmup_fraction: float, final_fraction: float) -> float:
    """Share of the full learning rate at a step: linear up to the end of the warm-up, then half a cosine down.

    >>> [round(cosine_share(step, 100, 0.1, 0.0), 3) for step in (0, 9, 55, 100)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warmup = warmup_fraction * total_steps
    if step + 1 <= warmup:
        return (step + 1) / warmup
    progress = min((step - warmup) / max(total_steps - warmup, 1), 1)
    return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2


def make_loss(config: LossConfig, class_weights: Float[Tensor, " classes"] | None, classes: int) -> nn.Module:
    """The loss of logits (batch, classes) and classes (batch).

    Args:
        config: Which loss.
        class_weights: Given as ``weight``, to losses that take one.
        classes: How many there are, for a trial with made-up logits.

    Raises:
        ConfigError: If it cannot be made, or gives anything but one finite number that depends on the logits.
    """
    target = target_of(config)
    loss = construct("loss", target, arguments_of(config, LossConfig), {"weight": class_weights})
    if class_weights is not None and getattr(loss, "weight", None) is None:
        raise ConfigError(f"loss.class_weights=true: {target} takes no argument weight; set it to false")
    if not isinstance(loss, nn.Module):
        raise ConfigError(f"loss._target_={target}: must be a torch.nn.Module, such as torch.nn.CrossEntropyLoss")
    logits = torch.linspace(-1, 1, 2 * classes).reshape(2, classes).requires_grad_()
    try:
        value: Any = loss(logits, torch.arange(2) % classes)
    except Exception as error:
        raise ConfigError(f"loss: {target} fails on logits (batch, classes) and classes (batch): {error}") from error
    if not isinstance(value, Tensor) or value.shape != () or not value.isfinite() or not value.requires_grad:
        shown = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(f"loss: {target} must give one finite number that depends on the logits, but gave {shown}")
    return loss


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
