"""The loop itself: from the last checkpoint to the end of a training, and what the kept weights then say."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch import Trainer

from gesturelab.config.training import Keep, OnNotFinite, TrainConfig
from gesturelab.errors import RunError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.signals import raise_if_received, stop_error
from gesturelab.training.checkpoints import (
    LAST,
    WITHIN,
    find_checkpoint,
    kept_checkpoint,
    kept_epoch,
    read_checkpoint,
)
from gesturelab.training.datamodule import GestureData, WindowLoader
from gesturelab.training.module import GestureModule
from gesturelab.training.nonfinite import NonFiniteError

log = logging.getLogger(__name__)

SCORES_MISSING = "training is over, its scores are not written"


def fit(
    config: TrainConfig, trainer: Trainer, module: GestureModule, data: GestureData, run: RunDir, checkpoints: Path
) -> NonFiniteError | None:
    """Trains to the end, or to where it diverged if it should go back from there.

    Args:
        config: Whose trainer.on_not_finite decides whether to go back.
        trainer: Of this training.
        module: What is trained.
        data: What it is trained on.
        run: For messages.
        checkpoints: Whose last one it resumes from, if there is one.

    Returns:
        Why to go back to the last whole epoch; None when training is over.

    Raises:
        NonFiniteError: If it diverged and should stop there.
        StoppedError: If it was asked to leave.
        RunError: If a checkpoint cannot be read or written.
    """
    # several processes would need the random states of all
    checkpoint = find_checkpoint(checkpoints, Keep(config.trainer.keep), within=trainer.world_size == 1)
    if checkpoint is not None:
        log.info("resuming from %s", checkpoint)
    try:
        with stoppable(run, lambda: _what_is_kept(checkpoints)):
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        with stoppable(run, lambda: SCORES_MISSING):
            raise_if_received()
    except NonFiniteError as error:
        (checkpoints / WITHIN).unlink(missing_ok=True)  # no validation has seen whether its weights are any good
        if OnNotFinite(config.trainer.on_not_finite) is not OnNotFinite.restart:
            raise
        return error
    except OSError as error:
        raise RunError(
            f"cannot write {error.filename or run.path}: {error.strerror or error}; make room, then go on with: "
            f"gesturelab resume {run.path}"
        ) from error
    except RunError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        raise RunError(f"{error}; make room, then go on with: gesturelab resume {run.path}") from error
    return None


@contextmanager
def stoppable(run: RunDir, kept: Callable[[], str]) -> Generator[None]:
    """Turns the leaving on a signal into the error of a training that was stopped.

    Args:
        run: To go on with.
        kept: Says what is kept of it.

    Raises:
        StoppedError: In place of KeyboardInterrupt.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt):  # the first is what Lightning makes of the second
        raise stop_error(f"; {kept()}. Go on with: gesturelab resume {run.path}") from None


def _what_is_kept(checkpoints: Path) -> str:
    last, within = checkpoints / LAST, checkpoints / WITHIN
    if within.exists():
        return f"the epoch at hand, as far as it was kept, is in {within}"
    return f"the last whole epoch is in {last}" if last.exists() else "no epoch was finished, so nothing was kept"


def predict_subsets(
    trainer: Trainer,
    module: GestureModule,
    loaders: list[WindowLoader],
    run: RunDir,
    checkpoints: Path,
    keep: Keep,
) -> list[Float[np.ndarray, "_ classes"]]:
    """Probabilities of each loader's windows, with the weights that are kept.

    Raises:
        RunError: If these weights are not in their checkpoint.
        StoppedError: If it was asked to leave.
    """
    path, epoch = kept_checkpoint(checkpoints, keep), kept_epoch(module.history, keep)
    kept = read_checkpoint(path, module.device)
    if kept["epoch"] != epoch:
        raise RunError(f"{path} is not of epoch {epoch + 1}, whose weights should be kept; train anew")
    module.load_state_dict(kept["state_dict"])
    with stoppable(run, lambda: SCORES_MISSING):
        subsets = trainer.predict(module, dataloaders=loaders)
    assert subsets is not None, "every process predicts all subsets"
    of_each = cast(list[list[torch.Tensor]], subsets if len(loaders) > 1 else [subsets])  # of one it makes no list
    return [torch.cat(batches).cpu().numpy() for batches in of_each]
