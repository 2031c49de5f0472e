"""Losses and gradients that are not finite: how they are noticed, explained, and answered.

`FiniteCheck` looks at the steps of a training; where one is not finite, training stops, skips the step, or restarts at
the last whole epoch with half the learning rate (`add_restart`, `lower_rate`).
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from gesturelab.errors import RunError
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.runs.info import Epoch, RestartInfo
from gesturelab.runs.status import GRADIENT_NOT_FINITE, NOT_FINITE

log = logging.getLogger(__name__)

CHECK_EVERY = 20
"""Steps between two looks at a GPU's losses: each look waits for the device, and until then it keeps the batches."""
MOST_SKIPPED = 0.1
"""Share of an epoch's steps that may be skipped (trainer.on_not_finite=skip); one step always may."""
MOST_RESTARTS = 3
"""In one run; after that the rate is an eighth, and something else is wrong."""
MOST_NAMED = 5
"""Recordings named in an error."""
LOWER_RATE = (
    "lower optimizer.lr, or set a smaller trainer.gradient_clip_norm; trainer.on_not_finite=restart goes back to the "
    "last whole epoch with half the rate"
)
Features = Callable[[Tensor], Tensor]


class NonFiniteError(RunError):
    """A loss or gradient is not finite.

    Attributes:
        epoch: From 0.
        step: Of the epoch, from 1; None where it is not known.
        learning_rate: Of that step.
    """

    def __init__(self, text: str, epoch: int, step: int | None, learning_rate: float) -> None:
        super().__init__(text)
        self.epoch = epoch
        self.step = step
        self.learning_rate = learning_rate


@dataclass
class Step:
    """What tells whether a step is finite, left on the device.

    Attributes:
        epoch: From 0.
        number: In the epoch, from 1.
        steps: In the epoch.
        learning_rate: It was taken with.
        loss: Of the whole batch.
        norm: Of the gradient before clipping.
        logits: Of each micro-batch.
        batches: The micro-batches.
    """

    epoch: int
    number: int
    steps: int
    learning_rate: float
    loss: Float[Tensor, ""]
    norm: Float[Tensor, ""]
    logits: list[Float[Tensor, "batch classes"]]
    batches: list[Batch]


@dataclass
class FiniteCheck:
    """Looks whether steps are finite, at once or some at a time.

    Args:
        names: Of the recordings.
        features: What a network sees of positions.
        every: Steps between two looks.
        of_gradient: Whether the gradient must be finite, too. With float16 it now and then is not, and the scaler
            leaves such a step out.
        agree: Whether any process that trains has a reason to stop, given whether this one does.
    """

    names: Sequence[str]
    features: Features
    every: int = 1
    of_gradient: bool = True
    agree: Callable[[bool], bool] = bool
    _unchecked: list[Step] = field(default_factory=list[Step])

    def add(self, step: Step) -> None:
        """Takes note of a step, and checks if it is time to.

        Raises:
            NonFiniteError: See `check`.
        """
        self._unchecked.append(step)
        if len(self._unchecked) >= self.every:
            self.check()

    def check(self) -> None:
        """Checks all steps since the last time. All processes do so at the same time.

        Raises:
            NonFiniteError: If one is not finite; of several, about the first.
        """
        steps, self._unchecked = self._unchecked, []
        if not steps:
            return
        bad = next((step for step, finite in zip(steps, self.are_finite(steps), strict=True) if not finite), None)
        anywhere = self.agree(bad is not None)  # before any leaves: the others would wait for its answer
        if bad is not None:
            raise NonFiniteError(explain(bad, self.names, self.features), bad.epoch, bad.number, bad.learning_rate)
        if anywhere:
            last = steps[-1]
            text = f"{NOT_FINITE} in epoch {last.epoch + 1} on another device, whose log says more; {LOWER_RATE}"
            raise NonFiniteError(text, last.epoch, None, last.learning_rate)

    def are_finite(self, steps: Sequence[Step]) -> list[bool]:
        """Whether each step is finite; waits for the device."""
        values = [step.loss for step in steps]
        if self.of_gradient:
            values += [step.norm for step in steps]
        finite = torch.stack([value.float() for value in values]).isfinite().view(-1, len(steps)).all(dim=0)
        return finite.tolist()


@torch.no_grad()
def explain(step: Step, names: Sequence[str], features: Features) -> str:
    """Which step is not finite, which recordings are to blame, and what to do; one line.

    Args:
        step: Which is not finite.
        names: Of the recordings.
        features: What a network sees of positions.
    """
    loss, norm = step.loss.item(), step.norm.item()
    where = (
        f"in epoch {step.epoch + 1} (step {step.number} of {step.steps}, loss {loss:g}, learning rate "
        f"{step.learning_rate:g}, gradient norm {norm:g})"
    )
    recordings = torch.cat([batch.recordings for batch in step.batches])
    look = "look at these recordings, or leave such steps out with trainer.on_not_finite=skip"
    # first of all, since batch normalisation spreads what is not finite over the whole batch
    spoilt = torch.cat([~features(batch.positions).flatten(1).isfinite().all(dim=1) for batch in step.batches])
    if bool(spoilt.any()):
        return f"{NOT_FINITE} {where}: features of {_listed(recordings[spoilt], names)} are not; {look}"
    broken = torch.cat([~_finite_windows(*each) for each in zip(step.logits, step.batches, strict=True)])
    if bool(broken.all()):
        weights = "nor that of any window in the step, so the weights were broken before it"
        return f"{NOT_FINITE} {where}: {weights}; {LOWER_RATE}"
    if bool(broken.any()):
        return (
            f"{NOT_FINITE} {where}: nor that of windows of {_listed(recordings[broken], names)}; {look}; if nothing is "
            f"wrong with them, {LOWER_RATE}"
        )
    what = GRADIENT_NOT_FINITE if math.isfinite(loss) else NOT_FINITE
    return f"{what} {where}, though the loss of each window is: the step is too long; {LOWER_RATE}"


def _listed(recordings: Int[Tensor, " some"], names: Sequence[str]) -> str:
    numbers: list[int] = recordings.unique().tolist()
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return ", ".join(names[number] for number in numbers[:MOST_NAMED]) + more


def _finite_windows(logits: Float[Tensor, "batch classes"], batch: Batch) -> Bool[Tensor, " batch"]:
    return functional.cross_entropy(logits.float(), batch.classes, reduction="none").isfinite()


def require_finite(epoch: Epoch, *, validated: bool = True) -> None:
    """Makes sure that the losses of an epoch are finite: on validation people too, where there was a validation.

    Raises:
        NonFiniteError: Naming both losses and the learning rate.
    """
    if math.isfinite(epoch["train_loss"]) and (math.isfinite(epoch["validation_loss"]) or not validated):
        return
    text = (
        f"{NOT_FINITE} in epoch {epoch['epoch'] + 1} (training {epoch['train_loss']:g}, validation "
        f"{epoch['validation_loss']:g}, learning rate {epoch['learning_rate']:g}): {LOWER_RATE}"
    )
    raise NonFiniteError(text, epoch["epoch"], None, epoch["learning_rate"])


def may_skip(skipped: int, steps: int) -> bool:
    """Whether so few steps of an epoch were skipped that it still is one.

    >>> [may_skip(skipped, 40) for skipped in (0, 4, 5)], may_skip(1, 2), may_skip(1, 1)
    ([True, True, False], True, False)
    """
    return skipped < steps and skipped <= max(1, MOST_SKIPPED * steps)


def add_restart(before: list[RestartInfo], error: NonFiniteError) -> list[RestartInfo]:
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
    restart = RestartInfo(epoch=error.epoch, step=error.step, learning_rate=error.learning_rate, reason=str(error))
    return [*before, restart]


def lower_rate(optimizer: Optimizer, schedules: list[LRScheduler | ReduceLROnPlateau], share: float) -> None:
    """Multiplies the learning rate of an optimizer, and what its schedules make it from."""
    for group in optimizer.param_groups:
        for key in ("lr", "initial_lr"):
            if key in group:
                group[key] *= share
    for schedule in schedules:
        if isinstance(schedule, LambdaLR):
            schedule.base_lrs = [rate * share for rate in schedule.base_lrs]
