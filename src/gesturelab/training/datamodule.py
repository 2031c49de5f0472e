"""The LightningDataModule: a shell around windows, split and loaders."""

import hashlib
import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from lightning.pytorch import LightningDataModule

from gesturelab.datasets.recording import Dataset
from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.frame_store import Batch, FrameStore
from gesturelab.preprocessing.windows import Windows
from gesturelab.splits.split import Sides
from gesturelab.training.loader import TrainingLoader, WindowLoader

EVALUATION_BATCH = {"cpu": 128}
"""Windows in a batch without gradients by kind of device, fewer if they are long; results do not depend on it. On a CPU
what a batch of 512 needs leaves the caches, and medium takes 1.7 times as long."""
LARGE_EVALUATION_BATCH = 512
"""The same on any other device."""
EVALUATION_FRAMES = 65_536
"""Frames in such a batch: AMD's LSTM was reported to compute more of them wrongly."""


class GestureData(LightningDataModule):
    """Windowed recordings, divided into sides."""

    def __init__(
        self, dataset: Dataset, windows: Windows, sides: Sides, *, augment: Augment, batch_size: int, seed: int
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.windows = windows
        self.sides = sides
        self.augment = augment
        self.batch_size = batch_size
        self.seed = seed

    def identity(self) -> str:
        """A hash of the recordings and of what is on each side: a training may only go on with the same."""
        parts = (self.windows.start, self.windows.step, self.sides.train, self.sides.validation, self.sides.test)
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
            self.sides.train,
            self.batch_size,
            augment=self.augment,
            seed=self.seed,
            rank=self.trainer.global_rank,
            processes=self.trainer.world_size,
        )

    def train_dataloader(self) -> TrainingLoader:
        """Training windows, in random order, changed at random."""
        return self.training

    def val_dataloader(self) -> WindowLoader:
        """Validation windows, as they are."""
        return WindowLoader(self.store, self.sides.validation, self._evaluation_batch)

    def training_windows(self, limit: int | float | None = None) -> Iterator[Batch]:
        """Training windows as they are, neither shuffled nor changed: all of them, or so many batches."""
        index = self.sides.train
        if isinstance(limit, int) and limit < math.ceil(len(index) / self.batch_size):
            index = np.sort(self.training.order().cpu().numpy()[: limit * self.batch_size])
        return iter(WindowLoader(self.store, index, self._evaluation_batch))

    def predict_dataloader(self) -> list[WindowLoader]:
        """Training, validation and test windows, as they are."""
        sides = (self.sides.train, self.sides.validation, self.sides.test)
        return [WindowLoader(self.store, side, self._evaluation_batch) for side in sides]

    @property
    def _evaluation_batch(self) -> int:
        batch = EVALUATION_BATCH.get(self.store.device.type, LARGE_EVALUATION_BATCH)
        return max(min(batch, EVALUATION_FRAMES // self.windows.length_frames), 1)
