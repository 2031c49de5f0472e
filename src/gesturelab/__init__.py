"""Experiments in skeleton gesture recognition, with honest numbers on unseen people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesturelab.config.composing import compose as compose
    from gesturelab.datasets.recording import Dataset as Dataset
    from gesturelab.datasets.recording import Recording as Recording
    from gesturelab.datasets.source import RecordingSource as RecordingSource
    from gesturelab.export.load import load as load
    from gesturelab.export.model import Model as Model
    from gesturelab.export.model import Prediction as Prediction
    from gesturelab.models.network import FittedNetwork as FittedNetwork
    from gesturelab.models.network import Network as Network
    from gesturelab.predict.adaptation import adapt as adapt
    from gesturelab.predict.explanation import explain as explain
    from gesturelab.preprocessing.features import Feature as Feature
    from gesturelab.report.comparison import compare as compare
    from gesturelab.report.results import Comparison as Comparison
    from gesturelab.skeletons.skeleton import Skeleton as Skeleton
    from gesturelab.splits.split import Fold as Fold
    from gesturelab.splits.split import RecordingTable as RecordingTable
    from gesturelab.training.train import TrainResult as TrainResult
    from gesturelab.training.train import train as train

__version__ = "1.0.0"

_PUBLIC = {
    "Dataset": "datasets.recording",
    "Feature": "preprocessing.features",
    "FittedNetwork": "models.network",
    "Fold": "splits.split",
    "Model": "export.model",
    "Network": "models.network",
    "Prediction": "export.model",
    "Recording": "datasets.recording",
    "RecordingSource": "datasets.source",
    "RecordingTable": "splits.split",
    "Skeleton": "skeletons.skeleton",
    "adapt": "predict.adaptation",
    "compare": "report.comparison",
    "Comparison": "report.results",
    "TrainResult": "training.train",
    "explain": "predict.explanation",
    "compose": "config.composing",
    "load": "export.load",
    "train": "training.train",
}
"""What is there from Python, and its module, which is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gesturelab.{_PUBLIC[name]}"), name)
