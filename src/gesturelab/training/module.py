"""The LightningModule: a shell around the recogniser."""

import logging
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_accuracy

from gesturelab.config.training import OnNotFinite, SchedulerConfig
from gesturelab.errors import RunError
from gesturelab.evaluation.windows import combine_windows
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.runs.info import Epoch, RestartInfo
from gesturelab.training.loader import TrainingLoader, mixed_seed
from gesturelab.training.optimizers import make_optimizer, refuse_clipped_scaled, with_schedule
from gesturelab.training.steps import RobustModule, lower_rate, require_finite

log = logging.getLogger(__name__)

_DROPOUT = 1
"""Keeps dropout's seed apart from the loader's."""


class GestureModule(RobustModule):
    """Trains a recogniser."""

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
        super().__init__(on_not_finite)
        self.recogniser = recogniser
        self.data_identity = data_identity
        self.loss = loss
        self.optimizer_options = optimizer
        self.scheduler = scheduler
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.history: list[Epoch] = []
        self.report: Callable[[Epoch], None] | None = None
        self.seconds = 0.0
        self._since = time.monotonic()
        self._resumed = False
        self.restarts: list[RestartInfo] = []
        self._halvings = 0
        self._within: dict[str, Any] | None = None
        """What a checkpoint from the middle of an epoch held of it."""
        self._validated: list[tuple[Tensor, Batch]] = []

    def forward(self, positions: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.recogniser(positions)

    def on_fit_start(self) -> None:
        """Starts the clock."""
        self._since = time.monotonic()

    def on_train_start(self) -> None:
        """Takes up what Lightning leaves out of its checkpoints or restores too late, and the rate of a restart."""
        within = self._within
        if within is not None:  # Lightning calls `on_train_epoch_start` at an epoch's start only
            cast(TrainingLoader, self.trainer.train_dataloader).go_on(within["loader"])
            self.sums = within["sums"].to(self.device)
            torch.set_rng_state(within["random"].cpu())
            if self.device.type == "cuda":
                torch.cuda.set_rng_state(within["random_gpu"].cpu(), self.device)
        elif self._resumed:  # a plateau is judged after the epoch's checkpoint was written
            for config in self.trainer.lr_scheduler_configs:
                if config.reduce_on_plateau:
                    config.scheduler.step(self.history[-1]["validation_loss"])  # type: ignore[call-arg]
        self._resumed = False
        schedules = [each.scheduler for each in self.trainer.lr_scheduler_configs]
        if getattr(self.trainer.precision_plugin, "scaler", None) is not None:  # float16
            refuse_clipped_scaled(self.trainer.optimizers[0], self.trainer.gradient_clip_val)  # type: ignore[arg-type]
        lower_rate(self.trainer.optimizers[0], schedules, 0.5**self._halvings)
        self.begin_steps(0 if within is None else within["left_out"])

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Ends the exception that Lightning makes of a resumed epoch: its end is one like any other."""
        if self._within is not None:
            self.trainer.fit_loop.restarting, self._within = False, None

    def on_train_epoch_start(self) -> None:
        """Tells the loader which epoch's order and augmentation to draw; dropout follows the epoch too.

        So a resumed training draws what an undisturbed one would have drawn.
        """
        loader = cast(TrainingLoader, self.trainer.train_dataloader)
        loader.epoch = self.current_epoch
        torch.manual_seed(mixed_seed(loader.seed, self.current_epoch, self.global_rank, _DROPOUT))
        self.sums = torch.zeros(3, device=self.device)

    def compute_loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "batch classes"]]:
        """The mean loss of a batch, and its logits."""
        logits = self(batch.positions)
        return self.loss(logits, batch.classes), logits

    def loss_weight(self, batch: Batch) -> Tensor | float:
        """How much a batch counts in a mean: its windows, or the weights of their classes."""
        of_class = cast(Tensor | None, self.class_weights)
        return float(len(batch.classes)) if of_class is None else of_class[batch.classes].sum()

    def on_validation_start(self) -> None:
        """Checks the epoch's steps before anything of it is logged, as trackers keep what they were given.

        Raises:
            NonFiniteError: If one was not finite.
        """
        self.check_steps()

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
        self.end_steps()
        sums = cast(Tensor, self.all_gather(self.sums))  # of all processes
        loss, correct, count = sums.reshape(-1, 3).sum(dim=0).tolist()
        measured = self.trainer.callback_metrics
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        epoch = Epoch(
            epoch=self.current_epoch,
            train_loss=loss / count,
            train_accuracy=correct / count,
            validation_loss=float(measured["validation_loss"]),
            validation_accuracy=float(measured["validation_accuracy"]),
            learning_rate=float(self.trainer.optimizers[0].param_groups[0]["lr"]),
        )
        require_finite(epoch)
        self.history.append(epoch)
        for key in ("train_loss", "train_accuracy", "learning_rate"):
            self.log(key, epoch[key])
        if self.trainer.is_global_zero:
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
            if self.report is not None:
                self.report(epoch)

    def predict_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> Float[Tensor, "batch classes"]:
        """Probabilities."""
        return self._answers(batch)

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
        self.check_steps()
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
            loader = cast(TrainingLoader, self.trainer.train_dataloader)
            saved["within"] = {
                "loader": loader.position(),
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
            RunError: If the recordings, or who is on which side, are not those that the training began with.
        """
        saved = checkpoint["gesturelab"]
        if saved["data"] != self.data_identity:
            raise RunError(
                "this run began with other recordings, or with other people on its sides: going on could test people "
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
