"""Torch's own random numbers, kept apart for several models in one process."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


class RandomState:
    """The state of torch's default generators, as one model would have it in a process of its own."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None

    @contextmanager
    def current(self, device: torch.device) -> Generator[None]:
        """In the block, what is drawn on a device follows this state, which moves on."""
        if device.type == "cuda":
            assert self._gpu is not None, "there is a GPU, or no batch could be on one"
            torch.cuda.set_rng_state(self._gpu, device)
            yield
            self._gpu = torch.cuda.get_rng_state(device)
        else:
            torch.set_rng_state(self._cpu)
            yield
            self._cpu = torch.get_rng_state()

    def restore(self) -> None:
        """Makes this state the current one."""
        torch.set_rng_state(self._cpu)
        if self._gpu is not None:
            torch.cuda.set_rng_state(self._gpu)
