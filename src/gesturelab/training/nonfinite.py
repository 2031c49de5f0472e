"""Losses and gradients that are not finite: found, told with their step, and left out where that is wanted."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from gesturelab.errors import RunError
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.runs.info import Epoch
from gesturelab.runs.status import GRADIENT_NOT_FINITE, NOT_FINITE

LOOK_EVERY = 20
"""Steps between two looks at a GPU's losses: each look waits for the device, and until then it keeps the batches."""
MOST_SKIPPED = 0.1
"""Share of an epoch's steps that may be left out (trainer.on_not_finite=skip); one step always may."""
MOST_NAMED = 5
"""Recordings named in an error."""
ADVICE = (
    "lower optimizer.lr, or set a smaller trainer.gradient_clip_norm; trainer.on_not_finite=restart goes back to the "
    "last whole epoch with half the rate"
)


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


Features = Callable[[Tensor], Tensor]


@dataclass
class Step:
    """What tells whether a step was sound, left on the device.

    Attributes:
        epoch: From 0.
        number: In the epoch, from 1.
        steps: In the epoch.
        learning_rate: It was taken with.
        loss: Of the whole batch.
        norm: Of the gradient before clipping.
        logits: Of the batch, in one or several parts.
        batches: Those parts.
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
class Watch:
    """Judges steps, at once or some at a time.

    Args:
        names: Of the recordings.
        features: What a network sees of positions.
        every: Steps between two looks; None waits to be told.
        of_gradient: Whether the gradient must be finite, too. With float16 it now and then is not, and the scaler
            leaves such a step out.
        agree: Whether any process that trains sees a reason to stop, given whether this one does.
    """

    names: Sequence[str]
    features: Features
    every: int | None = 1
    of_gradient: bool = True
    agree: Callable[[bool], bool] = bool
    _seen: list[Step] = field(default_factory=list[Step])

    def see(self, step: Step) -> None:
        """Takes note of a step, and looks if it is time to.

        Raises:
            NonFiniteError: See `look`.
        """
        self._seen.append(step)
        if self.every is not None and len(self._seen) >= self.every:
            self.look()

    def look(self) -> None:
        """Looks at all steps since the last look. All processes look at the same time.

        Raises:
            NonFiniteError: If one was not finite; of several, about the first.
        """
        seen, self._seen = self._seen, []
        if not seen:
            return
        bad = next((step for step, fine in zip(seen, self._fine(seen), strict=True) if not fine), None)
        anywhere = self.agree(bad is not None)  # before any leaves: the others would wait for its answer
        if bad is not None:
            raise NonFiniteError(explain(bad, self.names, self.features), bad.epoch, bad.number, bad.learning_rate)
        if anywhere:
            last = seen[-1]
            text = f"{NOT_FINITE} in epoch {last.epoch + 1} on another device, whose log says more; {ADVICE}"
            raise NonFiniteError(text, last.epoch, None, last.learning_rate)

    def is_sound(self, step: Step) -> bool:
        """Whether a step was finite; waits for the device."""
        return self._fine([step])[0]

    def _fine(self, seen: Sequence[Step]) -> list[bool]:
        values = [step.loss for step in seen]
        if self.of_gradient:
            values += [step.norm for step in seen]
        finite = torch.stack([value.float() for value in values]).isfinite().view(-1, len(seen)).all(dim=0)
        return finite.tolist()


@torch.no_grad()
def explain(step: Step, names: Sequence[str], features: Features) -> str:
    """Which step was not finite, which recordings are to blame, and what to do; one line.

    Args:
        step: Which was not finite.
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
    broken = torch.cat([~_finite_windows(*part) for part in zip(step.logits, step.batches, strict=True)])
    if bool(broken.all()):
        return (
            f"{NOT_FINITE} {where}: nor that of any window in the step, so the weights were broken before it; {ADVICE}"
        )
    if bool(broken.any()):
        return (
            f"{NOT_FINITE} {where}: nor that of windows of {_listed(recordings[broken], names)}; look at these "
            "recordings, or leave such steps out with trainer.on_not_finite=skip; if nothing is wrong with them, "
            f"{ADVICE}"
        )
    what = GRADIENT_NOT_FINITE if math.isfinite(loss) else NOT_FINITE
    return f"{what} {where}, though the loss of each window is: the step is too long; {ADVICE}"


def _listed(recordings: Int[Tensor, " some"], names: Sequence[str]) -> str:
    numbers: list[int] = recordings.unique().tolist()
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return ", ".join(names[number] for number in numbers[:MOST_NAMED]) + more


def _finite_windows(logits: Float[Tensor, "batch classes"], batch: Batch) -> Bool[Tensor, " batch"]:
    return functional.cross_entropy(logits.float(), batch.classes, reduction="none").isfinite()


def require_finite(epoch: Epoch) -> None:
    """Makes sure that the losses of an epoch are finite, those of validation subjects too.

    Raises:
        NonFiniteError: Naming both losses and the learning rate.
    """
    if math.isfinite(epoch["train_loss"]) and math.isfinite(epoch["validation_loss"]):
        return
    text = (
        f"{NOT_FINITE} in epoch {epoch['epoch'] + 1} (training {epoch['train_loss']:g}, validation "
        f"{epoch['validation_loss']:g}, learning rate {epoch['learning_rate']:g}): {ADVICE}"
    )
    raise NonFiniteError(text, epoch["epoch"], None, epoch["learning_rate"])


def may_skip(skipped: int, steps: int) -> bool:
    """Whether so few steps of an epoch were left out that it still is one.

    >>> [may_skip(skipped, 40) for skipped in (0, 4, 5)], may_skip(1, 2), may_skip(1, 1)
    ([True, True, False], True, False)
    """
    return skipped < steps and skipped <= max(1, MOST_SKIPPED * steps)


def too_many_skipped(epoch: int, skipped: int, steps: int, learning_rate: float) -> NonFiniteError:
    """The error about an epoch of which too much was left out."""
    text = (
        f"{NOT_FINITE} in epoch {epoch + 1} too often: {skipped} of {steps} steps were left out, more than "
        f"{100 * MOST_SKIPPED:g} % (learning rate {learning_rate:g}): {ADVICE}"
    )
    return NonFiniteError(text, epoch, None, learning_rate)
