"""Schemas of the loggers: where values by epoch, scores and pictures are shown."""

from dataclasses import dataclass


@dataclass
class LoggerConfig:
    """One logger; any of Lightning's can be given as _target_."""

    _target_: str = "gesturelab.training.metrics_csv.MetricsCsv"
    """The logger's class; one of Lightning's is given save_dir, name and version."""


@dataclass
class MlflowConfig(LoggerConfig):
    """MLflow."""

    _target_: str = "gesturelab.training.trackers.mlflow.MlflowTracker"
    tracking_uri: str = "sqlite:///mlruns/mlflow.db"
    """A local store, sqlite:///<file>, or a server, such as http://127.0.0.1:5000."""


@dataclass
class WandbConfig(LoggerConfig):
    """Weights & Biases."""

    _target_: str = "gesturelab.training.trackers.wandb.WandbTracker"
    offline: bool = True
    """Write into a folder only, for wandb sync; false needs an account and a network."""
    dir: str = "."
    """Where the folder wandb is made."""
    entity: str | None = None
    """The user or team whose project it is; null: your own."""
