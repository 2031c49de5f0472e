"""Logger ``tensorboard``: event files in the run's folder."""

import warnings
from typing import Any, cast

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger

from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info
from gesturelab.training.trackers.tracker import TrackedRun, Tracker, epoch_values, pictures, scores


class TensorboardTracker(Tracker):
    """Lightning's TensorBoard logger; steps are epochs."""

    package = "tensorboard"
    extra = "tensorboard"

    def __init__(self, run: TrackedRun) -> None:
        self._run = run
        self._logger = self._from(None)

    def _from(self, epoch: int | None) -> TensorBoardLogger:
        """A logger whose readers forget what earlier attempts wrote of this epoch and of later ones."""
        options: dict[str, Any] = {} if epoch is None else {"purge_step": epoch}
        return TensorBoardLogger(self._run.folder, name="", version="logs", default_hp_metric=False, **options)

    def log(self, values: dict[str, float], epoch: int) -> None:
        """Writes values of an epoch."""
        self._logger.log_metrics(values, epoch)

    def save(self) -> None:
        """Writes what waits in memory."""
        self._logger.experiment.flush()

    def resume(self, history: list[Epoch]) -> None:
        """Begins a new event file, which takes back epochs that will be trained again."""
        known = self._known() if history else set[tuple[str, int]]()
        self._logger = self._from(len(history))
        for epoch in history:
            values = {key: value for key, value in epoch_values(epoch).items() if (key, epoch["epoch"]) not in known}
            self.log(values, epoch["epoch"])
        self._logger.experiment.add_text("about", self._run.description or self._run.name, 0)

    def _known(self) -> set[tuple[str, int]]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(self._run.folder / "logs"), size_guidance={"scalars": 0})
        events.Reload()
        return {(tag, event.step) for tag in cast(list[str], events.Tags()["scalars"]) for event in events.Scalars(tag)}

    def finish(self, run: RunDir, info: Info) -> None:
        """Writes settings beside scores, the pictures and the caveats."""
        import matplotlib.image

        step = info["training"]["best_epoch"]
        settings: dict[str, Any] = {
            **{key: "" if value is None else value for key, value in self._run.settings.items()},
            "caveats": " ".join(self._run.caveats),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorBoard's own code, with numpy's newest version
            self._logger.log_hyperparams(settings, scores(info), step)
            for name, path in pictures(run).items():
                pixels = (255 * np.asarray(matplotlib.image.imread(path))[..., :3]).astype(np.uint8)
                self._logger.experiment.add_image(name, pixels, step, dataformats="HWC")
        self._logger.finalize("success")

    def fail(self) -> None:
        """Writes what waits in memory, and closes the file."""
        self._logger.finalize("failed")
