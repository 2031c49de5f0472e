"""Checkpoints: the epoch whose weights are kept, and the last one."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint

from gesturelab.config.training import Keep
from gesturelab.info import Epoch

BEST = "best.ckpt"
LAST = "last.ckpt"


class RunCheckpoint(ModelCheckpoint):
    """Keeps one checkpoint in a run's folder, also when the folder was moved before the run is resumed.

    Lightning stores whole paths, and forgets the best loss so far when the folder's path has changed.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the best loss so far up again, with the paths of this folder."""
        here = Path(self.dirpath or "")
        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {key: str(here / Path(state_dict[key]).name) for key in paths if state_dict[key]}
        best = {str(here / Path(path).name): loss for path, loss in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": str(here)})


def best_checkpoint(folder: Path) -> RunCheckpoint:
    """Keeps ``best.ckpt``, written when the validation loss is lower than ever."""
    name = Path(BEST).stem
    return RunCheckpoint(dirpath=folder, filename=name, monitor="validation_loss", enable_version_counter=False)


def kept_epoch(history: list[Epoch], keep: Keep) -> int:
    """The epoch whose weights are kept, from 0: with the lowest validation loss, the first of equals; or the last."""
    kept = history[-1] if keep is Keep.last else min(history, key=lambda epoch: epoch["validation_loss"])
    return kept["epoch"]


def kept_checkpoint(folder: Path, keep: Keep) -> Path:
    """The checkpoint of that epoch."""
    return folder / (LAST if keep is Keep.last else BEST)


def last_checkpoint(folder: Path) -> RunCheckpoint:
    """Keeps ``last.ckpt``, written after every epoch: Lightning's own ``save_last`` waits for a new best one."""
    name = Path(LAST).stem
    return RunCheckpoint(dirpath=folder, filename=name, save_on_train_epoch_end=True, enable_version_counter=False)
