"""Goes back to the last whole epoch when a training diverges, with half the learning rate."""

import logging

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from gesturelab.runs.info import RestartInfo
from gesturelab.training.nonfinite import NonFiniteError

log = logging.getLogger(__name__)

MOST_RESTARTS = 3
"""In one run; after that the rate is an eighth, and something else is wrong."""


def with_restart(before: list[RestartInfo], error: NonFiniteError) -> list[RestartInfo]:
    """The restarts of a run and one more, which is announced.

    Args:
        before: Those that it has behind it.
        error: Why there must be another.

    Raises:
        NonFiniteError: If there were enough.
    """
    if len(before) >= MOST_RESTARTS:
        raise NonFiniteError(
            f"{error} (restarted {len(before)} times already, each time with half the learning rate)",
            error.epoch,
            error.step,
            error.learning_rate,
        ) from error
    log.warning("%s", error)
    log.warning(
        "restart %d of at most %d: back to the last whole epoch, with half the learning rate",
        len(before) + 1,
        MOST_RESTARTS,
    )
    one = RestartInfo(epoch=error.epoch, step=error.step, learning_rate=error.learning_rate, reason=str(error))
    return [*before, one]


def lower_rate(optimizer: Optimizer, schedules: list[LRScheduler | ReduceLROnPlateau], share: float) -> None:
    """Multiplies the learning rate of an optimizer, and what its schedules make it from."""
    for group in optimizer.param_groups:
        for key in ("lr", "initial_lr"):
            if key in group:
                group[key] *= share
    for schedule in schedules:
        if isinstance(schedule, LambdaLR):
            schedule.base_lrs = [rate * share for rate in schedule.base_lrs]
