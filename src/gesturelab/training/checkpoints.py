"""Checkpoints: the epoch with the lowest validation loss, and the last one."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint

BEST = "best.ckpt"
LAST = "last.ckpt"


class BestCheckpoint(ModelCheckpoint):
    """Keeps ``best.ckpt``, also when the run's folder was moved before it is resumed.

    Lightning stores whole paths, and forgets the best loss so far when the folder's path has changed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder, filename=Path(BEST).stem, monitor="validation_loss", enable_version_counter=False
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the best loss so far up again, with the paths of this folder."""
        here = Path(self.dirpath or "")
        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {key: str(here / Path(state_dict[key]).name) for key in paths if state_dict[key]}
        best = {str(here / Path(path).name): loss for path, loss in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **moved, "best_k_models": best, "dirpath": str(here)})


def last_checkpoint(folder: Path) -> ModelCheckpoint:
    """Keeps ``last.ckpt``, written after every epoch: Lightning's own ``save_last`` waits for a new best one."""
    return ModelCheckpoint(
        dirpath=folder,
        filename=Path(LAST).stem,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
