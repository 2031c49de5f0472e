"""The steps of one epoch, for many models at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from lightning.pytorch import Trainer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop  # pyright: ignore[reportPrivateUsage]
from torch import Generator, Tensor
from torch.nn import functional
from torch.optim import Optimizer

from gesturelab.models.lstm import LSTMClassifier
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.preprocessing.random_streams import Streams
from gesturelab.training.averaging import WeightAveraging
from gesturelab.training.loader import TrainingLoader
from gesturelab.training.module import GestureModule
from gesturelab.training.stack.network import classify, mask_shapes
from gesturelab.training.stack.randomness import RandomState
from gesturelab.training.stack.weights import StackedWeights


@dataclass(eq=False)
class Member:
    """One model of a stack, with all that Lightning keeps for it."""

    trainer: Trainer
    module: GestureModule
    clip_norm: float | None
    optimizer_options: dict[str, Any]
    random: RandomState = field(default_factory=RandomState)
    """Where the dropout of the epoch at hand is drawn from."""

    @property
    def loop(self) -> _TrainingEpochLoop:
        """Lightning's counters of steps."""
        return self.trainer.fit_loop.epoch_loop

    @property
    def loader(self) -> TrainingLoader:
        """The model's own windows."""
        return cast(TrainingLoader, self.trainer.train_dataloader)

    @property
    def classifier(self) -> LSTMClassifier:
        """The network itself."""
        return cast(LSTMClassifier, self.module.recogniser.classifier)

    @property
    def averages(self) -> list[WeightAveraging]:
        """The only callbacks that look at each step."""
        return [each for each in self.trainer.callbacks if isinstance(each, WeightAveraging)]  # type: ignore[attr-defined]

    @property
    def optimizer(self) -> Optimizer:
        """Its state is a view of the stack's."""
        optimizer = self.trainer.optimizers[0]
        return cast(Optimizer, getattr(optimizer, "optimizer", optimizer))


class EpochSteps:
    """Trains models through an epoch, each with its own windows, order, augmentation, dropout and learning rate.

    Args:
        before_step: Is called before each step; what it raises ends the epoch.
    """

    def __init__(self, before_step: Callable[[], None]) -> None:
        self._before_step = before_step
        self._weights: StackedWeights | None = None
        self._stacked: list[Member] = []

    def __call__(self, members: Sequence[Member]) -> None:
        """One epoch of all members; afterwards each one's Lightning has counted its own steps."""
        if self._weights is None or self._stacked != list(members):
            self._weights = StackedWeights([each.classifier for each in members], [each.optimizer for each in members])
            self._stacked = list(members)
        orders = [member.loader.order().split(member.loader.batch_size) for member in members]
        orders = [
            order[: int(member.trainer.num_training_batches)] for order, member in zip(orders, members, strict=True)
        ]
        draws = [member.loader.draws() for member in members]
        for step in range(max(map(len, orders))):
            self._before_step()
            chosen = [order[step] if step < len(order) else order[0][:0] for order in orders]
            self._step(members, chosen, draws)
        self._weights.settle()

    def _step(self, members: Sequence[Member], chosen: list[Tensor], draws: list[Generator]) -> None:
        weights = self._weights
        assert weights is not None, "models are stacked before the first step"
        first = members[0]
        batch, valid = gather(first.loader, chosen, draws)
        masks = self._masks(members, batch.positions.shape[1], [len(each) for each in chosen], valid.shape[1])
        with first.trainer.precision_plugin.forward_context():
            features = first.module.recogniser.features(batch.positions).unflatten(0, valid.shape)
            mean, deviation = (
                torch.stack([getattr(member.module.recogniser, name) for member in members])[:, None, None]
                for name in ("mean", "deviation")
            )
            features = ((features - mean) / deviation).transpose(1, 2).contiguous()  # models frames batch features
            logits = classify(first.classifier, weights.by_name, features, valid, iter(masks))
            classes = batch.classes.view(valid.shape)
            losses = cross_entropy(logits, classes, valid, _class_weights(members), first.module.loss.label_smoothing)
        weights.backward(losses.sum())
        present = [number for number, each in enumerate(chosen) if len(each)]
        weights.step(present, first.clip_norm)
        with torch.no_grad():
            correct = ((logits.argmax(dim=2) == classes) & valid).sum(dim=1)
            count = valid.sum(dim=1)
            sums = torch.stack([losses.detach().float() * count, correct, count], dim=1)
        for number in present:
            members[number].module.count(sums[number])
            _count_step(members[number])

    def _masks(self, members: Sequence[Member], frames: int, counts: list[int], most: int) -> list[Tensor]:
        """Dropout masks, one a layer, each model's drawn as its own network would draw them."""
        device = members[0].loader.store.device
        drawn: list[list[Tensor]] = []
        for member, count in zip(members, counts, strict=True):
            with member.random.current(device):
                own: list[Tensor] = []
                for share, shape in mask_shapes(member.classifier, frames, count):
                    mask = functional.dropout(torch.ones(shape, device=device), share, training=True)
                    own.append(functional.pad(mask, [0, 0, 0, most - count]) if count < most else mask)
                drawn.append(own)
        return [torch.stack(each) for each in zip(*drawn, strict=True)]


def gather(
    loader: TrainingLoader, chosen: Sequence[Int[Tensor, " _"]], draws: Sequence[Generator]
) -> tuple[Batch, Bool[Tensor, "models batch"]]:
    """The windows of all models in a row, each model's changed by its own draws, and which of them count.

    Batches that are shorter than the longest are filled up with the first window of all.
    """
    counts = [len(each) for each in chosen]
    most = max(counts)
    index = torch.cat([functional.pad(each, [0, most - len(each)]) for each in chosen])
    streams = Streams(draws, counts, most)
    batch = loader.store.gather(index, loader.augment.speeds(len(index), streams))
    places = torch.arange(most, device=index.device)
    valid = places < torch.tensor(counts, device=index.device)[:, None]
    return loader.augment(batch, streams), valid


def cross_entropy(
    logits: Float[Tensor, "models batch classes"],
    gestures: Int[Tensor, "models batch"],
    valid: Bool[Tensor, "models batch"],
    class_weights: Float[Tensor, "models classes"] | None,
    smoothing: float,
) -> Float[Tensor, " models"]:
    """Each model's mean loss, as ``torch.nn.functional.cross_entropy`` has it; 0 for a model without windows."""
    likelihood = logits.float().log_softmax(dim=2)
    weights = torch.ones_like(likelihood[:, 0]) if class_weights is None else class_weights
    weighted = likelihood * weights[:, None]
    own = -weighted.gather(2, gestures[:, :, None])[:, :, 0]
    every = -weighted.sum(dim=2) / likelihood.shape[2]
    losses = ((1 - smoothing) * own + smoothing * every) * valid
    total = (weights.gather(1, gestures) * valid).sum(dim=1)
    return losses.sum(dim=1) / torch.where(total > 0, total, 1.0)


def _class_weights(members: Sequence[Member]) -> Tensor | None:
    own = [cast(Tensor | None, member.module.class_weights) for member in members]
    return torch.stack([each for each in own if each is not None]) if own[0] is not None else None


def _count_step(member: Member) -> None:
    """What Lightning would have done after a step of this model: its counters, its schedule, its average."""
    loop, optimized = member.loop, member.loop.automatic_optimization.optim_progress.optimizer
    progress = loop.batch_progress
    progress.increment_ready()
    progress.increment_started()
    progress.is_last_batch = progress.current.ready == member.trainer.num_training_batches
    for each in (optimized.zero_grad, optimized.step):
        each.increment_ready()
    optimized.zero_grad.increment_started()
    for each in (optimized.zero_grad, optimized.step):
        each.increment_completed()
    progress.increment_processed()
    loop.update_lr_schedulers("step", update_plateau_schedulers=False)
    if progress.is_last_batch:
        loop.update_lr_schedulers("epoch", update_plateau_schedulers=False)
    else:  # of the last one Lightning counts this itself
        loop._batches_that_stepped += 1  # pyright: ignore[reportPrivateUsage]
    for callback in member.averages:
        callback.on_train_batch_end(member.trainer, member.module, None, None, progress.current.ready - 1)
    progress.increment_completed()
