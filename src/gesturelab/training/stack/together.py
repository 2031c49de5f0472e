"""Runs several trainings in one process that take their steps together.

Each training is the same code as a separate one, in a thread of its own; only one thread is ever at work. A training
that has come to the steps of an epoch waits until all others have, too, or have ended. Then the steps of all are taken
at once, and each goes on by itself: validation, checkpoints, early stopping, its last words.
"""

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop  # pyright: ignore[reportPrivateUsage]

from gesturelab.config.training import TrainConfig
from gesturelab.errors import PreemptedError, StoppedError
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.training.build import as_options
from gesturelab.training.datamodule import GestureData
from gesturelab.training.micro_batching import NoMemoryError, is_out_of_memory
from gesturelab.training.module import GestureModule
from gesturelab.training.stack.randomness import RandomState
from gesturelab.training.stack.steps import EpochSteps, Member
from gesturelab.training.stack.weights import require_known


class Seat:
    """A training's place in the stack."""

    def __init__(self, stack: "Stack") -> None:
        self._stack = stack
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self.member: Member | None = None
        self.waits = False
        self.ended = False
        self.error: BaseException | None = None

    def join(self, config: TrainConfig, trainer: Trainer, module: GestureModule, data: GestureData) -> None:
        """Makes Lightning leave the steps of each epoch to the stack. Called by the training before it fits."""
        self.member = Member(trainer, module, config.trainer.gradient_clip_norm, as_options(config.optimizer))
        old = trainer.fit_loop.epoch_loop
        trainer.fit_loop.epoch_loop = _SharedEpoch(self, trainer, min_steps=old.min_steps, max_steps=old.max_steps)
        data.store = self._stack.store_for(trainer, data)

    def wait_for_steps(self) -> None:
        """Returns when the steps of this epoch are taken. Called by the training.

        Raises:
            BaseException: What ended the steps, for all members alike.
        """
        assert self.member is not None, "a training joins before it fits"
        require_known(self.member.optimizer, list(self.member.optimizer_options))
        self.member.random = RandomState()
        self.waits = True
        self._back.release()
        self._go.acquire()
        self.waits = False
        self.member.random.restore()
        if self.error is not None:
            raise self.error

    def go_on(self) -> None:
        """Lets the training go on, and returns when it waits for its steps or has ended."""
        self._go.release()
        self._back.acquire()

    def begin(self, training: Callable[["Seat"], Any]) -> None:
        """Begins the training, and returns when it waits for its steps or has ended."""

        def work() -> None:
            self._go.acquire()
            try:
                training(self)
            finally:
                self.ended = True
                self._back.release()

        threading.Thread(target=work, daemon=True).start()
        self.go_on()


class Stack:
    """Trainings that take their steps together."""

    def __init__(self) -> None:
        self._store: FrameStore | None = None
        self._stopped: signal.Signals | None = None

    def run(self, trainings: Sequence[Callable[[Seat], Any]]) -> None:
        """Returns when all have ended, each in its own way; a failure of one is no other's.

        Args:
            trainings: Each trains one model, handing its seat to `gesturelab.training.train.train`. They catch what
                they raise.
        """
        seats = [Seat(self) for _ in trainings]
        for seat, training in zip(seats, trainings, strict=True):
            if self._stopped is None:
                seat.begin(training)
        take_steps = EpochSteps(self._check)
        while waiting := [seat for seat in seats if seat.waits]:
            error: BaseException | None = None
            try:
                take_steps([seat.member for seat in waiting if seat.member is not None])
            except Exception as caught:
                error = caught
                if is_out_of_memory(caught):
                    error = NoMemoryError(
                        f"out of memory with {len(waiting)} models at once ({str(caught)[:200]}): lower "
                        "launcher.models_at_once, or set launcher.together=false"
                    )
            for seat in waiting:
                seat.error = error
                seat.go_on()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Ends all trainings before their next step; what they have kept stays. May be called by a signal's handler."""
        self._stopped = how

    def store_for(self, trainer: Trainer, data: GestureData) -> FrameStore:
        """All frames, held once: all members have the same recordings, cut into the same windows."""
        if self._store is None:
            self._store = FrameStore(data.dataset, data.windows, trainer.strategy.root_device)
        return self._store

    def _check(self) -> None:
        kept = "; the last whole epoch is kept. Go on with the same command"
        if self._stopped is signal.SIGINT:
            raise StoppedError(f"stopped by Ctrl-C{kept}")
        if self._stopped is not None:
            raise PreemptedError(f"left on {self._stopped.name}{kept}")


class _SharedEpoch(_TrainingEpochLoop):
    """Lightning's loop over the steps of an epoch; a stack takes them all at the first."""

    def __init__(self, seat: Seat, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seat = seat

    def advance(self, data_fetcher: Any) -> None:
        """All steps of the epoch."""
        if self.restarting and self._should_check_val_fx(data_fetcher):
            super().advance(data_fetcher)  # the checkpoint was of an epoch's end: there is no step left to take
            return
        self.val_loop.restarting = False
        self._seat.wait_for_steps()
