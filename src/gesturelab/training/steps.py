"""Steps that fit into memory and are finite: `RobustModule` takes them.

A batch that does not fit is computed in micro-batches (`gesturelab.training.micro_batching`). `FiniteCheck` looks
whether losses and gradients are finite; where they are not, training stops, skips the step, or restarts at the last
whole epoch with half the learning rate (`add_restart`, `lower_rate`).
"""

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from gesturelab.config.training import OnNotFinite
from gesturelab.errors import RunError
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.runs.info import Epoch, RestartInfo, SkippedInfo
from gesturelab.runs.status import GRADIENT_NOT_FINITE, NOT_FINITE
from gesturelab.training.datamodule import GestureData
from gesturelab.training.micro_batching import MicroBatches

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
        bad = next((step for step, finite in zip(steps, self._finite(steps), strict=True) if not finite), None)
        anywhere = self.agree(bad is not None)  # before any leaves: the others would wait for its answer
        if bad is not None:
            raise NonFiniteError(explain(bad, self.names, self.features), bad.epoch, bad.number, bad.learning_rate)
        if anywhere:
            last = steps[-1]
            text = f"{NOT_FINITE} in epoch {last.epoch + 1} on another device, whose log says more; {LOWER_RATE}"
            raise NonFiniteError(text, last.epoch, None, last.learning_rate)

    def is_finite(self, step: Step) -> bool:
        """Whether a step is finite; waits for the device."""
        return self._finite([step])[0]

    def _finite(self, steps: Sequence[Step]) -> list[bool]:
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
    # first of all, since batch normalisation spreads what is not finite over the whole batch
    spoilt = torch.cat([~features(batch.positions).flatten(1).isfinite().all(dim=1) for batch in step.batches])
    if bool(spoilt.any()):
        return (
            f"{NOT_FINITE} {where}: features of {_listed(recordings[spoilt], names)} are not; look at these "
            "recordings, or leave such steps out with trainer.on_not_finite=skip"
        )
    broken = torch.cat([~_finite_windows(*each) for each in zip(step.logits, step.batches, strict=True)])
    if bool(broken.all()):
        return (
            f"{NOT_FINITE} {where}: nor that of any window in the step, so the weights were broken before it; "
            f"{LOWER_RATE}"
        )
    if bool(broken.any()):
        return (
            f"{NOT_FINITE} {where}: nor that of windows of {_listed(recordings[broken], names)}; look at these "
            "recordings, or leave such steps out with trainer.on_not_finite=skip; if nothing is wrong with them, "
            f"{LOWER_RATE}"
        )
    what = GRADIENT_NOT_FINITE if math.isfinite(loss) else NOT_FINITE
    return f"{what} {where}, though the loss of each window is: the step is too long; {LOWER_RATE}"


def _listed(recordings: Int[Tensor, " some"], names: Sequence[str]) -> str:
    numbers: list[int] = recordings.unique().tolist()
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return ", ".join(names[number] for number in numbers[:MOST_NAMED]) + more


def _finite_windows(logits: Float[Tensor, "batch classes"], batch: Batch) -> Bool[Tensor, " batch"]:
    return functional.cross_entropy(logits.float(), batch.classes, reduction="none").isfinite()


def require_finite(epoch: Epoch) -> None:
    """Makes sure that the losses of an epoch are finite: on validation people, too.

    Raises:
        NonFiniteError: Naming both losses and the learning rate.
    """
    if math.isfinite(epoch["train_loss"]) and math.isfinite(epoch["validation_loss"]):
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


class RobustModule(LightningModule):
    """Takes steps that fit into memory and are finite; a subclass says what the loss of a batch is.

    A step logs nothing and, on a GPU, reads nothing back from the device: sums stay there until the epoch ends, what
    tells whether a step is finite for some steps. Only to skip steps it must look at each.

    Args:
        on_not_finite: What to do with a step whose loss or gradient is not finite.
    """

    def __init__(self, on_not_finite: OnNotFinite) -> None:
        super().__init__()
        self.micro_batches = MicroBatches()
        self.skipped: list[SkippedInfo] = []
        self.skipped_now = 0
        """Steps of the epoch at hand that were skipped."""
        self.step_was_skipped = False
        self.sums: Float[Tensor, 3] = torch.zeros(3)
        """Losses, right answers and windows of the epoch at hand; no buffer, as it belongs into no state dict."""
        self._on_not_finite = on_not_finite
        self._check = FiniteCheck((), lambda positions: positions)
        self._computed: list[tuple[Tensor, Tensor, Batch]] = []
        self._running: list[Tensor] = []
        self._undo: Callable[[], None] = lambda: None

    @abstractmethod
    def compute_loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
        """The mean loss of a batch, and its logits."""

    @abstractmethod
    def loss_weight(self, batch: Batch) -> Tensor | float:
        """How much a batch counts in the mean loss of several."""

    def begin_steps(self, skipped_now: int) -> None:
        """Looks at what trains, before the first step; of the epoch at hand so many steps were skipped before."""
        trainer = self.trainer
        several = trainer.world_size > 1
        self.micro_batches.single_process = not several
        self._check = FiniteCheck(
            cast(GestureData, cast(Any, trainer).datamodule).dataset.names,
            cast(Any, self).recogniser.features,
            every=CHECK_EVERY if several or self.device.type != "cpu" else 1,
            of_gradient=getattr(trainer.precision_plugin, "scaler", None) is None,
            agree=lambda here: trainer.strategy.reduce_boolean_decision(here, all=False),
        )
        norms = [module for module in self.modules() if isinstance(module, _BatchNorm)]
        self._running = [buffer for norm in norms for buffer in norm.buffers()]
        self.skipped_now = skipped_now

    def training_step(self, batch: Batch, _index: int) -> Float[Tensor, ""]:
        """The loss of a batch, or what a micro-batch of it adds to that."""
        micro_batch = self.micro_batches.select(batch)
        loss, logits = self.compute_loss(micro_batch)
        if micro_batch is not batch:
            loss = loss * self.loss_weight(micro_batch) / self.loss_weight(batch)
        self._computed.append((loss.detach(), logits.detach(), micro_batch))
        return loss

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Takes a step whose gradient may be accumulated over micro-batches."""
        assert optimizer_closure is not None, "Lightning computes the gradient in a closure"
        running = [buffer.clone() for buffer in self._running]

        @torch.no_grad()
        def undo() -> None:
            self._computed = []
            optimizer.zero_grad()
            for buffer, before in zip(self._running, running, strict=True):
                buffer.copy_(before)

        self._computed = []
        self.step_was_skipped = False
        self._undo = undo
        optimizer.step(closure=partial(self.micro_batches.run_step, optimizer_closure, undo))

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Forgets the gradient of the last step; micro-batches accumulate theirs."""
        if self.micro_batches.is_first:
            optimizer.zero_grad()

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips the gradient of the whole batch; then checks step and loss, before they change weights.

        Raises:
            NonFiniteError: If it was seen that this step, or one before, is not finite.
        """
        norm = self._clip(gradient_clip_val)
        losses, logits, batches = map(list, zip(*self._computed, strict=True))
        self._computed = []
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        number = self.trainer.fit_loop.epoch_loop.batch_idx + 1
        steps, rate = int(self.trainer.num_training_batches), float(optimizer.param_groups[0]["lr"])
        step = Step(self.current_epoch, number, steps, rate, loss, norm, logits, batches)
        if self._on_not_finite is not OnNotFinite.skip:
            self._check.add(step)
        elif not self._check.is_finite(step):
            self._skip(step)
            return
        windows = sum(len(batch.classes) for batch in batches)
        right = [(rows.argmax(dim=1) == batch.classes).sum() for rows, batch in zip(logits, batches, strict=True)]
        correct = right[0] if len(right) == 1 else torch.stack(right).sum()
        self.sums += torch.stack([loss.float() * windows, correct, correct.new_tensor(windows)])

    @torch.no_grad()
    def _clip(self, longest: float | None) -> Float[Tensor, ""]:
        """The norm of the gradient, which is made no longer than that."""
        parameters = cast(Any, self).recogniser.parameters
        if longest is not None:
            return torch.nn.utils.clip_grad_norm_(parameters(), longest)
        return torch.nn.utils.get_total_norm([each.grad for each in parameters() if each.grad is not None])

    def _skip(self, step: Step) -> None:
        """Makes a step change nothing: optimizers pass over parameters without a gradient."""
        if not self.skipped_now:
            log.warning("left out: %s", explain(step, self._check.names, self._check.features))
        self._undo()
        self.step_was_skipped = True
        self.skipped_now += 1

    def check_steps(self) -> None:
        """Checks all steps that were not checked yet.

        Raises:
            NonFiniteError: If one is not finite.
        """
        self._check.check()

    def end_steps(self) -> None:
        """Says how many steps of the epoch were skipped.

        Raises:
            NonFiniteError: If a step is not finite, or too many were skipped.
        """
        self.check_steps()
        skipped, self.skipped_now = self.skipped_now, 0
        if not skipped:
            return
        epoch, steps = self.current_epoch, int(self.trainer.num_training_batches)
        if not may_skip(skipped, steps):
            rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
            text = (
                f"{NOT_FINITE} in epoch {epoch + 1} too often: {skipped} of {steps} steps were left out, more than "
                f"{100 * MOST_SKIPPED:g} % (learning rate {rate:g}): {LOWER_RATE}"
            )
            raise NonFiniteError(text, epoch, None, rate)
        log.warning("epoch %d: %d of %d steps were left out, not being finite", epoch + 1, skipped, steps)
        self.skipped.append(SkippedInfo(epoch=epoch, steps=skipped))
