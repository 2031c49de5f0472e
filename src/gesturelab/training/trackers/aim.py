"""Logger ``aim``: a local repository of Aim."""

import logging
from pathlib import Path
from typing import Any

from gesturelab.info import Epoch, Info
from gesturelab.runs import RunDir
from gesturelab.training.trackers.tracker import TrackedRun, Tracker, attachments, epoch_values, pictures, scores

SIDES = {"subset": {"train": "train_", "validation": "validation_"}}
"""Aim shows one curve for train_loss and validation_loss, told apart by their subset."""


class AimTracker(Tracker):
    """Aim's own Lightning logger; steps are epochs."""

    package = "aim"
    extra = "aim"

    def __init__(self, run: TrackedRun, repo: str) -> None:
        from aim.pytorch_lightning import AimLogger  # type: ignore[import-not-found]

        logging.getLogger("aim").setLevel(logging.ERROR)  # it warns of each lock that a killed process left
        self._repo = Path(run.recall("aim_repo") or repo).absolute()
        self._repo.mkdir(parents=True, exist_ok=True)
        run.remember("aim_repo", str(self._repo))
        self._logger: Any = AimLogger(
            repo=str(self._repo),
            experiment=run.experiment,
            run_name=run.name,
            run_hash=run.recall("aim"),
            context_prefixes=SIDES,
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )
        self._run: Any = self._logger.experiment
        run.remember("aim", self._run.hash)
        self._run["settings"] = run.settings
        self._run.description = run.description
        for label in {*run.labels} - {*self._run.tags}:
            self._run.add_tag(label)
        self._known = {
            (metric.name, metric.context.to_dict().get("subset"), int(step))
            for metric in self._run.metrics()
            for step in metric.values.sparse_list()[0]
        }

    def log(self, values: dict[str, float], epoch: int) -> None:
        """Writes those values that the repository does not have."""
        for key, value in values.items():
            name, context = self._logger.parse_context(key)
            mark = (name, context.get("subset"), epoch)
            if mark not in self._known:
                self._run.track(value, name=name, step=epoch, epoch=epoch, context=context)
                self._known.add(mark)

    def resume(self, history: list[Epoch]) -> None:
        """Writes what a killed attempt did not."""
        for epoch in history:
            self.log(epoch_values(epoch), epoch["epoch"])

    def finish(self, run: RunDir, info: Info) -> None:
        """Writes scores, files and pictures, and ends the run."""
        import aim  # type: ignore[import-not-found]

        step = info["training"]["best_epoch"]
        self.log(scores(info), step)
        self._run["scores"] = scores(info)
        for name, path in pictures(run).items():
            self._run.track(aim.Image(str(path)), name=name, step=step)
        self._run.set_artifacts_uri((self._repo / ".aim" / "artifacts").as_uri())
        for path in attachments(run):
            self._run.log_artifact(str(path), block=True)
        self._run.close()

    def fail(self) -> None:
        """Closes the run."""
        self._run.close()
