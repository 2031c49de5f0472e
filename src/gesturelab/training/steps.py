"""What becomes of a step: whether it fits into memory, and whether it is finite."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.optim import Optimizer

from gesturelab.config.training import OnNotFinite
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.runs.info import SkippedInfo
from gesturelab.training.datamodule import GestureData
from gesturelab.training.micro_batching import Division
from gesturelab.training.nonfinite import LOOK_EVERY, Step, Watch, explain, may_skip, too_many_skipped

log = logging.getLogger(__name__)


class Steps:
    """Takes a module's steps: divided where memory is short, and judged.

    Args:
        on_not_finite: What to do with a step whose loss or gradient is not finite.
    """

    def __init__(self, on_not_finite: OnNotFinite) -> None:
        self.division = Division()
        self.skipped: list[SkippedInfo] = []
        self.left_out = False
        """Whether the step at hand was left out."""
        self._on_not_finite = on_not_finite
        self._watch = Watch((), lambda positions: positions)
        self.left_out_now = 0
        """How many steps of the epoch at hand were."""
        self._parts: list[tuple[Tensor, Tensor, Batch]] = []
        self._running: list[Tensor] = []
        self._undo: Callable[[], None] = lambda: None

    def begin(self, trainer: Trainer, module: LightningModule, left_out: int) -> None:
        """Looks at what trains, before the first step; `left_out` steps of the epoch were left out before."""
        several = trainer.world_size > 1
        self.division.alone = not several
        every = LOOK_EVERY if several or module.device.type != "cpu" else 1
        self._watch = Watch(
            cast(GestureData, cast(Any, trainer).datamodule).dataset.names,
            cast(Any, module).recogniser.features,
            every=every,
            of_gradient=getattr(trainer.precision_plugin, "scaler", None) is None,
            agree=lambda here: trainer.strategy.reduce_boolean_decision(here, all=False),
        )
        norms = [each for each in module.modules() if isinstance(each, _BatchNorm)]
        self._running = [buffer for norm in norms for buffer in norm.buffers()]
        self.left_out_now = left_out

    def take(self, optimizer: Optimizer | LightningOptimizer, closure: Callable[[], Any]) -> None:
        """Takes a step; `closure` computes a gradient, of each part of the batch if it is divided."""
        running = [buffer.clone() for buffer in self._running]

        @torch.no_grad()
        def undo() -> None:
            self._parts = []
            optimizer.zero_grad()
            for buffer, before in zip(self._running, running, strict=True):
                buffer.copy_(before)

        self._parts = []
        self._undo = undo
        self.left_out = False
        optimizer.step(closure=partial(self.division.whole, closure, undo))

    def add(self, loss: Float[Tensor, ""], logits: Float[Tensor, "batch classes"], part: Batch) -> None:
        """Takes note of what was computed of a part: its share of the loss, and the answers."""
        self._parts.append((loss.detach(), logits.detach(), part))

    def judge(
        self, trainer: Trainer, learning_rate: float, norm: Float[Tensor, ""]
    ) -> Float[Tensor, "3"] | None:  # fmt: skip
        """Judges a step whose gradient is known, before it changes weights.

        Returns:
            Sum of losses, right answers and windows; None if the step is left out, so that it changes nothing.

        Raises:
            NonFiniteError: If it was seen that this step, or one before, was not finite.
        """
        losses, logits, batches = map(list, zip(*self._parts, strict=True))
        self._parts = []
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        number = trainer.fit_loop.epoch_loop.batch_idx + 1
        steps = int(trainer.num_training_batches)
        step = Step(trainer.current_epoch, number, steps, learning_rate, loss, norm, logits, batches)
        if self._on_not_finite is not OnNotFinite.skip:
            self._watch.see(step)
        elif not self._watch.is_sound(step):
            self._leave_out(step)
            return None
        windows = sum(len(batch.classes) for batch in batches)
        right = [(rows.argmax(dim=1) == batch.classes).sum() for rows, batch in zip(logits, batches, strict=True)]
        correct = right[0] if len(right) == 1 else torch.stack(right).sum()
        return torch.stack([loss.float() * windows, correct, correct.new_tensor(windows)])

    def _leave_out(self, step: Step) -> None:
        """Makes a step change nothing: optimizers pass over parameters without a gradient."""
        if not self.left_out_now:
            log.warning("left out: %s", explain(step, self._watch.names, self._watch.features))
        self._undo()
        self.left_out = True
        self.left_out_now += 1

    def look(self) -> None:
        """Looks at all steps that nobody has looked at.

        Raises:
            NonFiniteError: If one was not finite.
        """
        self._watch.look()

    def end_epoch(self, trainer: Trainer) -> None:
        """Says how many steps of the epoch were left out.

        Raises:
            NonFiniteError: If a step was not finite, or too many were left out.
        """
        self.look()
        left_out, self.left_out_now = self.left_out_now, 0
        if not left_out:
            return
        epoch, steps = trainer.current_epoch, int(trainer.num_training_batches)
        if not may_skip(left_out, steps):
            raise too_many_skipped(epoch, left_out, steps, float(trainer.optimizers[0].param_groups[0]["lr"]))
        log.warning("epoch %d: %d of %d steps were left out, not being finite", epoch + 1, left_out, steps)
        self.skipped.append(SkippedInfo(epoch=epoch, steps=left_out))
