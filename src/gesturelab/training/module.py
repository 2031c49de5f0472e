"""The LightningModule: a shell around the recogniser."""

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.optim import Optimizer
from torchmetrics.functional.classification import multiclass_accuracy

from gesturelab.config.training import OnNotFinite, SchedulerConfig
from gesturelab.errors import RunError
from gesturelab.evaluation.windows import combine_windows
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.runs.info import Epoch, RestartInfo, SkippedInfo
from gesturelab.runs.status import NOT_FINITE
from gesturelab.training.datamodule import GestureData, TrainingLoader, mixed_seed
from gesturelab.training.micro_batching import MicroBatches
from gesturelab.training.nonfinite import (
    CHECK_EVERY,
    LOWER_RATE,
    MOST_SKIPPED,
    FiniteCheck,
    NonFiniteError,
    Step,
    explain,
    lower_rate,
    may_skip,
    require_finite,
)
from gesturelab.training.optimizers import make_optimizer, refuse_clipped_scaled, with_schedule
from gesturelab.training.trackers.tracker import EpochLogger

log = logging.getLogger(__name__)

_DROPOUT = 1
"""Keeps dropout's seed apart from the loader's."""


class GestureModule(LightningModule):
    """Trains a recogniser, by steps that fit into memory and are finite.

    A step logs nothing and, on a GPU, reads nothing back from the device: sums stay there until the epoch ends, what
    tells whether a step is finite for some steps. Only to skip steps it must look at each.

    Args:
        recogniser: What is trained.
        data_identity: Of what it is trained on; a checkpoint of other data is refused.
        loss: Of logits and classes.
        optimizer: The keys of the configured optimizer.
        scheduler: Which schedule of the learning rate.
        class_weights: What a window of each class counts in the loss.
        on_not_finite: What to do with a step whose loss or gradient is not finite.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        data_identity: str,
        loss: nn.Module,
        optimizer: dict[str, Any],
        scheduler: SchedulerConfig,
        class_weights: Float[Tensor, " classes"] | None,
        on_not_finite: OnNotFinite = OnNotFinite.stop,
    ) -> None:
        super().__init__()
        self.recogniser = recogniser
        self.data_identity = data_identity
        self.loss = loss
        self.optimizer_options = optimizer
        self.scheduler = scheduler
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.history: list[Epoch] = []
        self.report: Callable[[Epoch, int, bool], None] | None = None
        self.is_refit = False
        """Whether it trains on validation people too, so that there is no validation."""
        self.seconds = 0.0
        self.micro_batches = MicroBatches()
        self.skipped: list[SkippedInfo] = []
        self.skipped_now = 0
        """Steps of the epoch at hand that were skipped."""
        self.step_was_skipped = False
        self.restarts: list[RestartInfo] = []
        self.sums: Float[Tensor, 3] = torch.zeros(3)
        """Losses, right answers and windows of the epoch at hand; no buffer, as it belongs into no state dict."""
        self._since = time.monotonic()
        self._resumed = False
        self._halvings = 0
        self._within: dict[str, Any] | None = None
        """What a checkpoint from the middle of an epoch held of it."""
        self._on_not_finite = on_not_finite
        self._check = FiniteCheck((), recogniser.features)
        self._computed: list[tuple[Tensor, Tensor, Batch]] = []
        self._running: list[Tensor] = []
        self._undo: Callable[[], None] = lambda: None
        self._validated: list[tuple[Tensor, Batch]] = []

    def forward(self, positions: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.recogniser(positions)

    def on_fit_start(self) -> None:
        """Tells the loggers which epochs the checkpoint holds, which was read by now, and starts the clock."""
        for logger in self.trainer.loggers:
            if isinstance(logger, EpochLogger):
                logger.resume(list(self.history))
        self._since = time.monotonic()

    def on_train_start(self) -> None:
        """Takes up what Lightning leaves out of its checkpoints or restores too late, and the rate of a restart."""
        trainer, within = self.trainer, self._within
        if within is not None:  # Lightning calls `on_train_epoch_start` at an epoch's start only
            self._loader.go_on(within["loader"])
            self.sums = within["sums"].to(self.device)
            torch.set_rng_state(within["random"].cpu())
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(within["random_gpu"].cpu(), self.device)
        elif self._resumed:  # a plateau is judged after the epoch's checkpoint was written
            for config in trainer.lr_scheduler_configs:
                if config.reduce_on_plateau:
                    config.scheduler.step(self.history[-1]["validation_loss"])  # type: ignore[call-arg]
        self._resumed = False
        self.skipped_now = 0 if within is None else within["left_out"]
        is_float16 = getattr(trainer.precision_plugin, "scaler", None) is not None
        if is_float16:
            refuse_clipped_scaled(trainer.optimizers[0], trainer.gradient_clip_val)  # type: ignore[arg-type]
        lower_rate(
            trainer.optimizers[0], [each.scheduler for each in trainer.lr_scheduler_configs], 0.5**self._halvings
        )
        several = trainer.world_size > 1
        self.micro_batches.single_process = not several
        self._check = FiniteCheck(
            cast(GestureData, cast(Any, trainer).datamodule).dataset.names,
            self.recogniser.features,
            every=CHECK_EVERY if several or self.device.type != "cpu" else 1,
            of_gradient=not is_float16,
            agree=lambda here: trainer.strategy.reduce_boolean_decision(here, all=False),
        )
        norms = [module for module in self.modules() if isinstance(module, _BatchNorm)]
        self._running = [buffer for norm in norms for buffer in norm.buffers()]

    @property
    def _loader(self) -> TrainingLoader:
        return cast(TrainingLoader, self.trainer.train_dataloader)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Ends the exception that Lightning makes of a resumed epoch: its end is one like any other."""
        if self._within is not None:
            self.trainer.fit_loop.restarting, self._within = False, None

    def on_train_epoch_start(self) -> None:
        """Tells the loader which epoch's order and augmentation to draw; dropout follows the epoch too.

        So a resumed training draws what an undisturbed one would have drawn.
        """
        self._loader.epoch = self.current_epoch
        torch.manual_seed(mixed_seed(self._loader.seed, self.current_epoch, self.global_rank, _DROPOUT))
        self.sums = torch.zeros(3, device=self.device)

    def training_step(self, batch: Batch, _index: int) -> Float[Tensor, ""]:
        """The mean loss of a batch, or what a micro-batch of it adds to that."""
        micro_batch = self.micro_batches.select(batch)
        logits = self(micro_batch.positions)
        loss = self.loss(logits, micro_batch.classes)
        if micro_batch is not batch:
            loss = loss * self._loss_weight(micro_batch) / self._loss_weight(batch)
        self._computed.append((loss.detach(), logits.detach(), micro_batch))
        return loss

    def _loss_weight(self, batch: Batch) -> Tensor | float:
        """How much a batch counts in the mean loss of several: its windows, or the weights of their classes."""
        of_class = cast(Tensor | None, self.class_weights)
        return float(len(batch.classes)) if of_class is None else of_class[batch.classes].sum()

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
        elif not self._check.are_finite([step])[0]:
            self._skip(step)
            return
        windows = sum(len(batch.classes) for batch in batches)
        right = [(rows.argmax(dim=1) == batch.classes).sum() for rows, batch in zip(logits, batches, strict=True)]
        correct = right[0] if len(right) == 1 else torch.stack(right).sum()
        self.sums += torch.stack([loss.float() * windows, correct, correct.new_tensor(windows)])

    @torch.no_grad()
    def _clip(self, longest: float | None) -> Float[Tensor, ""]:
        """The norm of the gradient, which is made no longer than that."""
        parameters = list(self.recogniser.parameters())
        if longest is not None:
            return torch.nn.utils.clip_grad_norm_(parameters, longest)
        return torch.nn.utils.get_total_norm([each.grad for each in parameters if each.grad is not None])

    def _skip(self, step: Step) -> None:
        """Makes a step change nothing: optimizers pass over parameters without a gradient."""
        if not self.skipped_now:
            log.warning("left out: %s", explain(step, self._check.names, self._check.features))
        self._undo()
        self.step_was_skipped = True
        self.skipped_now += 1

    def on_validation_start(self) -> None:
        """Checks the epoch's steps before anything of it is logged, as trackers keep what they were given.

        Raises:
            NonFiniteError: If one was not finite.
        """
        self._check.check()

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Keeps the probabilities of a batch for the end of the epoch."""
        self._validated.append((self._answers(batch), batch))

    def _answers(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        return self.micro_batches.evaluate(self.recogniser.probabilities, batch.positions)

    def on_validation_epoch_end(self) -> None:
        """Scores the validation windows and recordings."""
        probabilities = torch.cat([rows for rows, _ in self._validated])
        truth = torch.cat([batch.classes for _, batch in self._validated])
        recording = torch.cat([batch.recordings for _, batch in self._validated])
        self._validated = []
        likelihood = probabilities.gather(1, truth[:, None]).clamp(min=1e-12)[:, 0]
        of_class = cast(Tensor | None, self.class_weights)
        weights = torch.ones_like(likelihood) if of_class is None else of_class[truth]
        self.log("validation_loss", -(weights * likelihood.log()).sum() / weights.sum(), sync_dist=True)
        self.log(
            "validation_accuracy",
            multiclass_accuracy(probabilities, truth, probabilities.shape[1], average="micro"),
            sync_dist=True,
        )
        ids, combined = combine_windows(recording.cpu().numpy(), probabilities.cpu().numpy())
        gesture = dict(zip(recording.tolist(), truth.tolist(), strict=True))
        right = combined.argmax(axis=1) == np.array([gesture[number] for number in ids.tolist()])
        self.log("validation_recording_accuracy", float(right.mean()), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Writes the epoch into the history, the logger and the log.

        Raises:
            NonFiniteError: If a loss is not finite, or too many steps were left out.
        """
        self._check.check()
        self._count_skipped()
        sums = cast(Tensor, self.all_gather(self.sums))  # of all processes
        loss, correct, count = sums.reshape(-1, 3).sum(dim=0).tolist()
        measured = self.trainer.callback_metrics
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        epoch = Epoch(
            epoch=self.current_epoch,
            train_loss=loss / count,
            train_accuracy=correct / count,
            validation_loss=float(measured["validation_loss"]) if not self.is_refit else math.nan,
            validation_accuracy=float(measured["validation_accuracy"]) if not self.is_refit else math.nan,
            learning_rate=float(self.trainer.optimizers[0].param_groups[0]["lr"]),
        )
        require_finite(epoch, validated=not self.is_refit)
        self.history.append(epoch)
        for key in ("train_loss", "train_accuracy", "learning_rate"):
            self.log(key, epoch[key])
        if self.trainer.is_global_zero and self.is_refit:
            log.info(
                "refit %3d of %d  loss %.3f  accuracy %.1f %%  (training and validation people)  %.0f s",
                epoch["epoch"] + 1,
                self.trainer.max_epochs,
                epoch["train_loss"],
                100 * epoch["train_accuracy"],
                self.seconds,
            )
        elif self.trainer.is_global_zero:
            log.info(
                "epoch %3d of %d  loss %.3f / %.3f  accuracy %.1f %% / %.1f %%  (training / validation)  %.0f s",
                epoch["epoch"] + 1,
                self.trainer.max_epochs,
                epoch["train_loss"],
                epoch["validation_loss"],
                100 * epoch["train_accuracy"],
                100 * epoch["validation_accuracy"],
                self.seconds,
            )
        if self.trainer.is_global_zero and self.report is not None:
            self.report(epoch, cast(int, self.trainer.max_epochs), self.is_refit)

    def _count_skipped(self) -> None:
        """Says how many steps of the epoch were skipped.

        Raises:
            NonFiniteError: If they were too many.
        """
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

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Float[Tensor, "batch classes"]:
        """Probabilities."""
        return self._answers(batch)

    def __getstate__(self) -> dict[str, Any]:
        """For callbacks that copy the module, such as Lightning's averages of weights: only the original reports."""
        return {**super().__getstate__(), "report": None}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The configured optimizer and schedule."""
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = make_optimizer(self.recogniser, self.optimizer_options)
        return with_schedule(optimizer, self.scheduler, steps, cast(int, self.trainer.max_epochs))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds history and clock, as plain values; in the middle of an epoch also what was summed and drawn so far.

        Weights that are broken are not saved.

        Raises:
            NonFiniteError: If a step that was not checked yet is not finite.
        """
        self._check.check()
        saved: dict[str, Any] = {
            "history": [dict(epoch) for epoch in self.history],
            "seconds": self.seconds,
            "data": self.data_identity,
            "micro_batch": self.micro_batches.size,
            "skipped": [dict(epoch) for epoch in self.skipped],
            "restarts": [dict(restart) for restart in self.restarts],
        }
        if len(self.history) <= self.current_epoch:
            saved["seconds"] += time.monotonic() - self._since
            saved["within"] = {
                "loader": self._loader.position(),
                "sums": self.sums,
                "left_out": self.skipped_now,
                "random": torch.get_rng_state(),
            }
            if self.device.type == "cuda":
                saved["within"]["random_gpu"] = torch.cuda.get_rng_state(self.device)
        checkpoint["gesturelab"] = saved

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes history and clock up again.

        Raises:
            RunError: If the recordings, or who is in which subset, are not those that the training began with.
        """
        saved = checkpoint["gesturelab"]
        if saved["data"] != self.data_identity:
            raise RunError(
                "this run began with other recordings, or with other people in its subsets: going on could test people "
                "whom it has already seen; bring the data back, or train in a new folder"
            )
        self.history = saved["history"]
        self.seconds = saved["seconds"]
        self.micro_batches.size = saved.get("micro_batch")
        self.skipped = saved.get("skipped", [])
        behind: list[RestartInfo] = saved.get("restarts", [])
        self.restarts = self.restarts or behind
        self._halvings = len(self.restarts) - len(behind)
        self._within = saved.get("within")
        self._resumed = True

    def restart(self, restarts: list[RestartInfo]) -> None:
        """Makes ready to go back, for the last of these reasons, with half the learning rate for each."""
        self.restarts = restarts
        self._halvings = len(restarts)
