"""Batches that do not fit into memory: divided, so that a training's result keeps its meaning."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from gesturelab.errors import RunError
from gesturelab.preprocessing.frame_store import Batch

log = logging.getLogger(__name__)

SAID = (
    *("out of memory", "can't allocate memory", "not enough memory"),
    *("_STATUS_ALLOC_FAILED", "miopenStatusAllocFailed", "hipErrorOutOfMemory", "HIPBLAS_STATUS_ALLOC_FAILED"),
)
"""What torch, CUDA, HIP and their libraries say when memory is short, also in errors of no class of their own."""
ADVICE = (
    "take a smaller model, shorten window.length_frames, end what else uses the device, or train on another one "
    "(trainer.device)"
)

Answer = TypeVar("Answer")


class NoMemoryError(RunError):
    """A training does not fit into memory, however it is divided."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."))
    True
    >>> is_out_of_memory(RuntimeError("shapes differ"))
    False
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)


@contextmanager
def memory_told() -> Generator[None]:
    """Turns what is left of such errors in the block into one that says what to do.

    Raises:
        NoMemoryError: In their place.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise NoMemoryError(f"out of memory ({_first_line(error)}): {ADVICE}") from error
        raise


class Division:
    """Halves what is computed at once, whenever it does not fit.

    A step's batch is computed part by part, and their gradients are added up, so that the step is that of the whole
    batch: the same windows, the mean of the same losses, clipped afterwards. Only batch normalisation tells the
    difference: it normalises each part by itself.
    """

    def __init__(self) -> None:
        self.size: int | None = None
        """Windows in a part of a step; None: in one piece."""
        self.alone = True
        """Whether one process trains; several would wait for each other if one divided."""
        self._windows = 0
        self._first = 0
        self._evaluated: int | None = None

    @property
    def begins(self) -> bool:
        """Whether the part at hand is the first of its step."""
        return self._first == 0

    def part(self, batch: Batch) -> Batch:
        """The windows of a batch whose turn it is."""
        self._windows = len(batch.classes)
        if self.size is None or self.size >= self._windows:
            return batch
        part = slice(self._first, self._first + self.size)
        return Batch(batch.positions[part], batch.classes[part], batch.recordings[part])

    def whole(self, compute: Callable[[], Answer], undo: Callable[[], None]) -> Answer:
        """Computes all parts of a step, in smaller ones if need be.

        Args:
            compute: One part, which it asks `part` for.
            undo: Takes back what parts have left when one did not fit.

        Returns:
            What the last part gave.

        Raises:
            NoMemoryError: If one window does not fit, or if several processes train.
        """
        while True:
            try:
                self._first = 0
                answer = compute()
                while self.size is not None and self._first + self.size < self._windows:
                    self._first += self.size
                    answer = compute()
                self._first = 0
                return answer
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                said = _first_line(error)
            undo()  # here, where the error no longer holds what the part has left
            _free()
            self._divide(said)

    def _divide(self, said: str) -> None:
        windows = min(self.size or self._windows, self._windows)
        if not self.alone:
            raise NoMemoryError(f"out of memory ({said}): with several devices halve trainer.batch_size yourself")
        if windows == 1:
            raise NoMemoryError(f"out of memory with one window at a time ({said}): {ADVICE}")
        level = logging.INFO if self.size else logging.WARNING
        self.size = -(-windows // 2)
        log.log(
            level,
            "out of memory (%s): steps are computed %d windows at a time from now on. A step is still of the whole "
            "batch; only batch normalisation sees fewer windows at once",
            said,
            self.size,
        )

    def evaluate(
        self, compute: Callable[[Tensor], Tensor], positions: Float[Tensor, "batch frames joints 3"]
    ) -> Float[Tensor, "batch classes"]:
        """Computes windows without gradients, in smaller parts if need be; the answers do not depend on it.

        Raises:
            NoMemoryError: If one window does not fit.
        """
        while True:
            size = min(self._evaluated or len(positions), len(positions))
            try:
                if size == len(positions):
                    return compute(positions)
                return torch.cat([compute(part) for part in positions.split(size)])
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                said = _first_line(error)
            _free()
            if size == 1:
                raise NoMemoryError(f"out of memory with one window at a time ({said}): {ADVICE}")
            self._evaluated = -(-size // 2)
            log.info("out of memory (%s): windows are evaluated %d at a time from now on", said, self._evaluated)


def _free() -> None:
    """Gives back what torch keeps for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
