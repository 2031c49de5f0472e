"""Batches for training and evaluation, gathered by index: no worker processes, no work for each sample in Python."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.frame_store import Batch, FrameStore


class WindowLoader:
    """Some windows of a store in batches, always in the same order."""

    def __init__(self, store: FrameStore, index: Int64[np.ndarray, " windows"], batch_size: int) -> None:
        self.store = store
        self.index = torch.from_numpy(index).to(store.device)
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Batches."""
        return math.ceil(len(self.index) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Every window once."""
        for chosen in self.index.split(self.batch_size):
            yield self.store.gather(chosen)


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
    ) -> None:
        super().__init__(store, index, batch_size)
        self.augment = augment
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = 0
        self._seen = 0
        """Windows of the epoch that were handed out."""
        self._drawing: torch.Generator | None = None
        """What the epoch's speed and augmentation are drawn from."""
        self._goes_on = False

    def __len__(self) -> int:
        """Batches of this process."""
        return math.ceil(len(self.index) // self.processes / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """This process's windows of the current epoch, or what is left of them after `go_on`."""
        if not self._goes_on or self._drawing is None:
            self._seen, self._drawing = 0, self._new_generator()
        self._goes_on = False
        generator = self._drawing
        for chosen in self.order()[self._seen :].split(self.batch_size):
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
        """This process's windows in the order of the current epoch."""
        order = torch.randperm(len(self.index), generator=_generator(torch.device("cpu"), self.seed, self.epoch))
        each = len(self.index) // self.processes
        return self.index[order[self.rank : each * self.processes : self.processes].to(self.index.device)]

    def _new_generator(self) -> torch.Generator:
        """What speed and augmentation of the current epoch are drawn from."""
        return _generator(self.store.device, self.seed, self.epoch, self.rank + 1)


def mixed_seed(*entropy: int) -> int:
    """A seed for torch that follows from several numbers."""
    return int(np.random.SeedSequence(entropy).generate_state(1, dtype=np.uint64)[0]) & (2**63 - 1)


def _generator(device: torch.device, *entropy: int) -> torch.Generator:
    return torch.Generator(device).manual_seed(mixed_seed(*entropy))
