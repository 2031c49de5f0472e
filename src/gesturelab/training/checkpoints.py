"""Checkpoints: the epoch with the lowest validation loss, and the last one."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint

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


def last_checkpoint(folder: Path) -> RunCheckpoint:
    """Keeps ``last.ckpt``, written after every epoch: Lightning's own ``save_last`` waits for a new best one."""
    name = Path(LAST).stem
    return RunCheckpoint(dirpath=folder, filename=name, save_on_train_epoch_end=True, enable_version_counter=False)
