"""Batches that do not fit into memory: computed in micro-batches, so that a training's result keeps its meaning."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from gesturelab.errors import RunError, first_line
from gesturelab.preprocessing.frame_store import Batch

log = logging.getLogger(__name__)

OUT_OF_MEMORY = (
    *("out of memory", "can't allocate memory", "not enough memory"),
    *("_STATUS_ALLOC_FAILED", "miopenStatusAllocFailed", "hipErrorOutOfMemory", "HIPBLAS_STATUS_ALLOC_FAILED"),
)
"""What torch, CUDA, HIP and their libraries say when memory is short, also in errors of no class of their own."""
SAVE_MEMORY = (
    "take a smaller model, shorten window.length_frames, end what else uses the device, or train on another one "
    "(trainer.device)"
)

_Answer = TypeVar("_Answer")


class NoMemoryError(RunError):
    """A training does not fit into memory, however small its micro-batches."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."))
    True
    >>> is_out_of_memory(RuntimeError("shapes differ"))
    False
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY)


@contextmanager
def explain_out_of_memory() -> Generator[None]:
    """Turns what is left of such errors in the block into one that says what to do.

    Raises:
        NoMemoryError: In their place.
    """
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise NoMemoryError(f"out of memory ({first_line(error)}): {SAVE_MEMORY}") from error
        raise


class MicroBatches:
    """Halves what is computed at once, whenever it does not fit.

    A step's batch is computed in micro-batches whose gradients are accumulated, so that the step is that of the whole
    batch: the same windows, the mean of the same losses, clipped afterwards. Only batch normalisation tells the
    difference: it normalises each micro-batch by itself.
    """

    def __init__(self) -> None:
        self.size: int | None = None
        """Windows in a micro-batch; None: the whole batch."""
        self.single_process = True
        """Whether one process trains; several would wait for each other if one took smaller micro-batches."""
        self._windows = 0
        self._first = 0
        self._evaluated: int | None = None

    @property
    def is_first(self) -> bool:
        """Whether the micro-batch at hand is the first of its step."""
        return self._first == 0

    def select(self, batch: Batch) -> Batch:
        """The micro-batch of a batch that is computed now; the batch itself if that is all of it."""
        self._windows = len(batch.classes)
        if self.size is None or self.size >= self._windows:
            return batch
        windows = slice(self._first, self._first + self.size)
        return Batch(batch.positions[windows], batch.classes[windows], batch.recordings[windows])

    def run_step(self, compute: Callable[[], _Answer], undo: Callable[[], None]) -> _Answer:
        """Computes all micro-batches of a step, with smaller ones if need be.

        Args:
            compute: One micro-batch, which it asks `select` for.
            undo: Takes back what micro-batches have left when one did not fit.

        Returns:
            What the last micro-batch gave.

        Raises:
            NoMemoryError: If one window does not fit, or if several processes train.
        """
        while True:
            result = _attempt(lambda: self._compute_all(compute))
            if not isinstance(result, _Shortage):
                return result
            undo()  # here, where the error no longer holds what the micro-batch has left
            _free_memory()
            self._halve(result)

    def _compute_all(self, compute: Callable[[], _Answer]) -> _Answer:
        self._first = 0
        result = compute()
        while self.size is not None and self._first + self.size < self._windows:
            self._first += self.size
            result = compute()
        self._first = 0
        return result

    def _halve(self, reason: str) -> None:
        windows = min(self.size or self._windows, self._windows)
        if not self.single_process:
            raise NoMemoryError(f"out of memory ({reason}): with several devices halve trainer.batch_size yourself")
        if windows == 1:
            raise NoMemoryError(f"out of memory with one window at a time ({reason}): {SAVE_MEMORY}")
        level = logging.INFO if self.size else logging.WARNING
        self.size = -(-windows // 2)
        log.log(
            level,
            "out of memory (%s): steps are computed %d windows at a time from now on. A step is still of the whole "
            "batch; only batch normalisation sees fewer windows at once",
            reason,
            self.size,
        )

    def evaluate(
        self, compute: Callable[[Tensor], Tensor], positions: Float[Tensor, "batch frames joints 3"]
    ) -> Float[Tensor, "batch *numbers"]:
        """Computes windows without gradients, fewer at a time if need be; the results do not depend on it.

        Raises:
            NoMemoryError: If one window does not fit.
        """
        while True:
            size = min(self._evaluated or len(positions), len(positions))
            result = _attempt(lambda: [compute(some) for some in positions.split(size)])  # noqa: B023
            if not isinstance(result, _Shortage):
                return result[0] if len(result) == 1 else torch.cat(result)
            _free_memory()
            if size == 1:
                raise NoMemoryError(f"out of memory with one window at a time ({result}): {SAVE_MEMORY}")
            self._evaluated = -(-size // 2)
            log.info("out of memory (%s): windows are evaluated %d at a time from now on", result, self._evaluated)


class _Shortage(str):
    """Why memory was too short."""


def _attempt(compute: Callable[[], _Answer]) -> _Answer | _Shortage:
    """What is computed; the reason where memory is too short for it."""
    try:
        return compute()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return _Shortage(first_line(error))


def _free_memory() -> None:
    """Gives back what torch keeps for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
