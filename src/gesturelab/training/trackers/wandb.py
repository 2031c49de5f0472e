"""Logger ``wandb``: Weights & Biases, without an account in a folder until it is synchronised."""

import os
import shutil
from pathlib import Path
from typing import Any

from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info
from gesturelab.training.trackers.tracker import TrackedRun, Tracker, attachments, epoch_values, pictures, scores
from gesturelab.training.trackers.wandb_file import read_rows


class WandbTracker(Tracker):
    """A run of Weights & Biases; steps are epochs, which Lightning's own logger cannot say.

    A run that is resumed offline is written anew from its first epoch on, and replaces the folder of the attempt
    before, since Weights & Biases cannot join two folders of one run.
    """

    package = "wandb"
    extra = "wandb"

    def __init__(self, run: TrackedRun, offline: bool, dir: str, entity: str | None) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._folder = Path(run.recall("wandb") or dir).absolute()
        self._offline = offline
        self._tracked = run
        self._before = sorted(self._folder.glob(f"wandb/offline-run-*-{run.id}"))
        self._folder.mkdir(parents=True, exist_ok=True)
        run.remember("wandb", str(self._folder))
        self._run: Any = wandb.init(
            project=run.experiment,
            entity=entity,
            name=run.name,
            id=run.id,
            dir=str(self._folder),
            mode="offline" if offline else "online",
            resume=None if offline else "allow",
            reinit="create_new",
            config={**run.settings, "caveats": run.caveats},
            tags=[label[:64] for label in run.labels],
            notes=run.description,
            settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
        )
        self._first = int(self._run.step)

    def log(self, values: dict[str, float], epoch: int) -> None:
        """Writes values of an epoch; those of the training are its last."""
        if epoch >= self._first:
            self._run.log(values, step=epoch, commit="train_loss" in values)

    def resume(self, history: list[Epoch]) -> None:
        """Copies what the attempts before wrote, and what they did not."""
        if self._offline:
            rows: dict[int, dict[str, float]] = {}
            for folder in self._before:
                for epoch, row in read_rows(folder / f"run-{self._tracked.id}.wandb").items():
                    rows.setdefault(epoch, {}).update(row)
            for epoch in history:
                self.log({**rows.get(epoch["epoch"], {}), **epoch_values(epoch)}, epoch["epoch"])
            for folder in self._before:
                shutil.rmtree(folder)
            self._before = []

    def finish(self, run: RunDir, info: Info) -> None:
        """Writes scores as the run's summary, attaches files and pictures, and ends the run."""
        import wandb

        self._run.summary.update({**scores(info), "best_epoch": info["training"]["best_epoch"]})
        self._run.log({name: wandb.Image(str(path)) for name, path in pictures(run).items()})
        for path in attachments(run):
            shutil.copyfile(path, copy := Path(self._run.dir) / _renamed(path))
            self._run.save(str(copy), base_path=self._run.dir, policy="end")
        self._run.finish()

    def fail(self) -> None:
        """Ends the run as failed."""
        self._run.finish(exit_code=1)


def _renamed(path: Path) -> str:
    """Weights & Biases has a config.yaml of its own."""
    return f"gesturelab_{path.name}" if path.name == "config.yaml" else path.name
