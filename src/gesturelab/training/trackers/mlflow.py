"""Logger ``mlflow``: a local store in SQLite, or a server."""

import logging
import os
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger

from gesturelab.errors import ConfigError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info
from gesturelab.runs.locking import exclusive_lock
from gesturelab.training.trackers.tracker import TrackedRun, Tracker, attachments, epoch_values, scores

SQLITE = "sqlite:///"


class MlflowTracker(Tracker):
    """Lightning's MLflow logger; steps are epochs. Our run is found again by its tag ``gesturelab.run``."""

    package = "mlflow"
    extra = "mlflow"

    def __init__(self, run: TrackedRun, tracking_uri: str) -> None:
        # the client would wait two minutes, seven times, for a server that is gone; and it would report its use
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        for name in ("alembic", "mlflow.store.db.utils", "lightning.pytorch.loggers.mlflow"):
            logging.getLogger(name).setLevel(logging.WARNING)
        store, artifacts = _place(run, tracking_uri)
        with warnings.catch_warnings(), _in_turn(store):
            warnings.simplefilter("ignore")  # MLflow's tables use what SQLAlchemy 2.1 deprecates
            from mlflow import MlflowClient

            self._client: Any = MlflowClient(store)
        self._id = self._find_or_begin(run, artifacts)
        self._logger = MLFlowLogger(run.experiment, tracking_uri=store, run_id=self._id)
        self._logger.log_hyperparams(run.settings)
        self._known = {
            (key, point.step): point.value
            for key in self._client.get_run(self._id).data.metrics
            for point in self._client.get_metric_history(self._id, key)
        }

    def _find_or_begin(self, run: TrackedRun, artifacts: str | None) -> str:
        from mlflow.exceptions import MlflowException

        client = self._client
        experiment = client.get_experiment_by_name(run.experiment)
        if experiment is None:
            try:
                client.create_experiment(run.experiment, artifact_location=artifacts)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another job was faster
                    raise
            experiment = client.get_experiment_by_name(run.experiment)
        if experiment.lifecycle_stage == "deleted":
            raise ConfigError(
                f"logger.mlflow: the experiment {run.experiment!r} was deleted in MLflow; restore it there "
                f"(mlflow experiments restore -x {experiment.experiment_id}), or choose another name="
            )
        where = f"tags.`gesturelab.run` = '{run.id}'"
        runs = client.search_runs([experiment.experiment_id], where, max_results=1)
        if runs:
            client.update_run(runs[0].info.run_id, status="RUNNING")
            return runs[0].info.run_id
        tags = {"gesturelab.run": run.id, "tags": ", ".join(run.tags), "caveats": "\n".join(run.caveats)}
        tags["mlflow.note.content"] = run.description
        tags = {key: value for key, value in tags.items() if value}
        return client.create_run(experiment.experiment_id, run_name=run.name, tags=tags).info.run_id

    def log(self, values: dict[str, float], epoch: int) -> None:
        """Sends those values that the store does not have."""
        new = {key: value for key, value in values.items() if (key, epoch) not in self._known}
        if new:
            self._logger.log_metrics(new, epoch)
            self._known |= {(key, epoch): value for key, value in new.items()}

    def resume(self, history: list[Epoch]) -> None:
        """Sends what a killed attempt did not."""
        for epoch in history:
            self.log(epoch_values(epoch), epoch["epoch"])

    def finish(self, run: RunDir, info: Info) -> None:
        """Sends scores and files, and ends the run."""
        step = info["training"]["best_epoch"]
        new = {key: value for key, value in scores(info).items() if self._known.get((key, step)) != value}
        if new:
            self._logger.log_metrics(new, step)
        for path in attachments(run):
            self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id, "FINISHED")

    def fail(self) -> None:
        """Ends the run as failed; to resume it makes it run again."""
        self._client.set_terminated(self._id, "FAILED")


def _in_turn(store: str) -> AbstractContextManager[None]:
    """Lets one job at a time make the tables of a local store; MLflow's own lock fails when two begin together."""
    if not store.startswith(SQLITE):
        return nullcontext()
    return exclusive_lock(Path(store.removeprefix(SQLITE)).with_suffix(".lock"))


def _place(run: TrackedRun, uri: str) -> tuple[str, str | None]:
    """The store's address from anywhere, and the folder for files of a local store.

    A run resumed from another folder goes on in the store where it began.
    """
    if not uri.startswith(SQLITE):
        return uri, None
    before = run.recall("mlflow")
    path = Path(uri.removeprefix(SQLITE))
    if before is not None and not path.is_absolute() and Path(before).is_file():
        path = Path(before)
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"logger.mlflow.tracking_uri: cannot make {path.parent}: {error.strerror}") from error
    run.remember("mlflow", str(path))
    return f"{SQLITE}{path}", (path.parent / "artifacts" / run.experiment).as_uri()
