"""Who sees what: windows of training, validation and test people, and the batches that are made of them.

Batches are gathered by index: no worker processes, no work for each sample in Python.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from lightning.pytorch import LightningDataModule

from gesturelab.datasets.recording import Dataset
from gesturelab.datasets.selection import draw_sample
from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.frame_store import Batch, FrameStore
from gesturelab.preprocessing.windows import Windows
from gesturelab.progress import FIRST_S, show_progress
from gesturelab.splits.split import Subsets
from gesturelab.training.device import MIOPEN_FRAMES

EVALUATION_BATCH = {"cpu": 128}
"""Windows in a batch without gradients by kind of device, fewer if they are long; results do not depend on it. On a CPU
what a batch of 512 needs leaves the caches, and medium takes 1.7 times as long."""
EPOCH_S = 30.0
"""Seconds after which an epoch, or its validation, says how far it is: each ends with a line of its own."""
LARGE_EVALUATION_BATCH = 512
"""The same on any other device."""


def evaluation_batch(device: torch.device, frames: int, training_batch: int) -> int:
    """How many windows of so many frames are scored at a time.

    With MIOpen no more than in a training step: that is the batch at which ``gesturelab doctor`` compares its results.
    """
    batch = EVALUATION_BATCH.get(device.type, LARGE_EVALUATION_BATCH)
    if device.type != "cpu" and torch.version.hip is not None and torch.backends.cudnn.enabled:
        batch = min(batch, training_batch)
    return max(min(batch, MIOPEN_FRAMES // frames), 1)


class WindowLoader:
    """Some windows of a store in batches, always in the same order.

    Args:
        store: All frames.
        index: Which windows.
        batch_size: Windows in a batch.
        doing: What is said while they are gone through, if that takes long; empty says nothing.
        first_s: Seconds before it is said for the first time.
    """

    def __init__(
        self,
        store: FrameStore,
        index: Int64[np.ndarray, " windows"],
        batch_size: int,
        doing: str = "",
        first_s: float = FIRST_S,
    ) -> None:
        self.store = store
        self._doing = doing
        self._first_s = first_s
        self.index = torch.from_numpy(index).to(store.device)
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Batches."""
        return math.ceil(len(self.index) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Every window once."""
        for chosen in self._show(self.index.split(self.batch_size)):
            yield self.store.gather(chosen)

    def _show(self, batches: Iterable[torch.Tensor]) -> Iterable[torch.Tensor]:
        return show_progress(batches, f"{self._doing}, batches", first_s=self._first_s) if self._doing else batches


class TrainingLoader(WindowLoader):
    """Windows in random order, changed at random; both follow from the seed, the epoch and the process's rank alone.

    A resumed training therefore sees what an undisturbed one would have seen. With several processes, each takes every
    n-th window; the few that are left over after dealing evenly sit the epoch out, so that all take as many steps.
    """

    def __init__(
        self,
        store: FrameStore,
        index: Int64[np.ndarray, " windows"],
        batch_size: int,
        *,
        augment: Augment,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        passes: int = 1,
        doing: str = "",
    ) -> None:
        super().__init__(store, index, batch_size, doing, EPOCH_S)
        self.augment = augment
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.passes = passes
        self.epoch = 0
        self._seen = 0
        """Windows of the epoch that were handed out."""
        self._drawing: torch.Generator | None = None
        """What the epoch's speed and augmentation are drawn from."""
        self._goes_on = False

    def __len__(self) -> int:
        """Batches of this process."""
        return self.passes * math.ceil(len(self.index) // self.processes / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """This process's windows of the current epoch, or what is left of them after `go_on`."""
        if not self._goes_on or self._drawing is None:
            self._seen, self._drawing = 0, self._new_generator()
        self._goes_on = False
        generator = self._drawing
        order = self.order()
        passes = order.split(len(order) // self.passes)
        batches = [chosen for one in passes for chosen in one.split(self.batch_size)]
        ends = np.cumsum([len(chosen) for chosen in batches])
        for chosen in self._show(batches[int(np.searchsorted(ends, self._seen, side="right")) :]):
            self._seen += len(chosen)
            batch = self.store.gather(chosen, self.augment.speeds(len(chosen), generator))
            yield self.augment(batch, generator)

    def position(self) -> dict[str, Any]:
        """Where in the epoch the loader is, for a checkpoint."""
        draws = None if self._drawing is None else self._drawing.get_state()
        return {"epoch": self.epoch, "seen": self._seen, "draws": draws}

    def go_on(self, position: dict[str, Any]) -> None:
        """Makes the next iteration begin in the middle of the epoch."""
        if position["draws"] is not None:
            self.epoch, self._seen, self._goes_on = position["epoch"], position["seen"], True
            self._drawing = torch.Generator(self.store.device)
            self._drawing.set_state(position["draws"].cpu())

    def order(self) -> Int64[torch.Tensor, " windows"]:
        """This process's windows in the order of the current epoch, each as often as there are passes."""
        generator = _generator(torch.device("cpu"), self.seed, self.epoch)
        last = len(self.index) // self.processes * self.processes
        orders = [
            torch.randperm(len(self.index), generator=generator)[self.rank : last : self.processes]
            for _ in range(self.passes)
        ]
        return self.index[torch.cat(orders).to(self.index.device)]

    def _new_generator(self) -> torch.Generator:
        """What speed and augmentation of the current epoch are drawn from."""
        return _generator(self.store.device, self.seed, self.epoch, self.rank + 1)


def mixed_seed(*entropy: int) -> int:
    """A seed for torch that follows from several numbers."""
    return int(np.random.SeedSequence(entropy).generate_state(1, dtype=np.uint64)[0]) & (2**63 - 1)


def _generator(device: torch.device, *entropy: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(mixed_seed(*entropy))


class GestureData(LightningDataModule):
    """Windowed recordings, divided into subsets."""

    def __init__(
        self,
        dataset: Dataset,
        windows: Windows,
        subsets: Subsets,
        *,
        augment: Augment,
        batch_size: int,
        seed: int,
        scored_training_recordings: int | None = None,
    ) -> None:
        super().__init__()
        self._scored_training_recordings = scored_training_recordings
        self.dataset = dataset
        self.windows = windows
        self.subsets = subsets
        self.augment = augment
        self.batch_size = batch_size
        self.seed = seed
        self.passes = 1
        """How often an epoch goes over the training windows."""

    def with_validation_people(self) -> "GestureData":
        """The same, with validation people among those who train: for the refit, which is not validated."""
        subsets = replace(self.subsets, train=np.sort(np.concatenate([self.subsets.train, self.subsets.validation])))
        return GestureData(
            self.dataset, self.windows, subsets, augment=self.augment, batch_size=self.batch_size, seed=self.seed
        )

    def identity(self) -> str:
        """A hash of the recordings and of what is in each subset: a training may only go on with the same."""
        parts = (self.windows.start, self.windows.step, self.subsets.train, self.subsets.validation, self.subsets.test)
        digest = hashlib.sha256(f"{self.dataset.fingerprint} {self.windows.length_frames}".encode())
        for part in parts:
            digest.update(part.tobytes())
        return digest.hexdigest()

    @cached_property
    def store(self) -> FrameStore:
        """All frames, on the trainer's device."""
        assert self.trainer is not None, "a datamodule's loaders belong to a trainer"
        return FrameStore(self.dataset, self.windows, self.trainer.strategy.root_device)

    @cached_property
    def training(self) -> TrainingLoader:
        """Training windows, in random order, changed at random."""
        assert self.trainer is not None, "a datamodule's loaders belong to a trainer"
        return TrainingLoader(
            self.store,
            self.subsets.train,
            self.batch_size,
            augment=self.augment,
            seed=self.seed,
            rank=self.trainer.global_rank,
            processes=self.trainer.world_size,
            passes=self.passes,
            doing=self._while("training"),
        )

    def train_dataloader(self) -> TrainingLoader:
        """Training windows, in random order, changed at random."""
        return self.training

    def val_dataloader(self) -> WindowLoader:
        """Validation windows, as they are."""
        return WindowLoader(
            self.store, self.subsets.validation, self._evaluation_batch, self._while("validating"), EPOCH_S
        )

    def training_windows(self, limit: int | float | None = None) -> Iterator[Batch]:
        """Training windows as they are, neither shuffled nor changed: all of them, or so many batches."""
        index = self.subsets.train
        if isinstance(limit, int) and limit < math.ceil(len(index) / self.batch_size):
            index = np.sort(self.training.order().cpu().numpy()[: limit * self.batch_size])
        return iter(WindowLoader(self.store, index, self._evaluation_batch))

    def predict_dataloader(self) -> list[WindowLoader]:
        """Training windows (of a sample of the recordings, if they are many), validation and test windows."""
        subsets = {"training": self.scored_train, "validation": self.subsets.validation, "test": self.subsets.test}
        return [
            WindowLoader(self.store, subset, self._evaluation_batch, self._while(f"scoring {name} recordings"))
            for name, subset in subsets.items()
        ]

    def _while(self, doing: str) -> str:
        """What a loader says it is doing; nothing beside a progress bar, nor in the second of several processes."""
        assert self.trainer is not None, "a datamodule's loaders belong to a trainer"
        quiet = self.trainer.progress_bar_callback is not None or not self.trainer.is_global_zero
        return "" if quiet else doing

    @cached_property
    def scored_train(self) -> Int64[np.ndarray, " windows"]:
        """Training windows whose answers are scored: of all recordings, or of a sample of them."""
        train, recording = self.subsets.train, self.windows.recording
        ids = np.unique(recording[train])
        subjects = [self.dataset.subjects[number] for number in ids.tolist()]
        chosen = draw_sample(subjects, self.dataset.classes[ids], self._scored_training_recordings, self.seed)
        return train if len(chosen) == len(ids) else train[np.isin(recording[train], ids[chosen])]

    @property
    def _evaluation_batch(self) -> int:
        return evaluation_batch(self.store.device, self.windows.length_frames, self.batch_size)
