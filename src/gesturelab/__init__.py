"""Experiments in skeleton gesture recognition, with honest numbers on unseen people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesturelab.export.load import load as load
    from gesturelab.export.model import Model as Model
    from gesturelab.export.model import Prediction as Prediction
    from gesturelab.report.comparison import compare as compare
    from gesturelab.report.results import Comparison as Comparison
    from gesturelab.training.train import TrainResult as TrainResult
    from gesturelab.training.train import train as train

__version__ = "0.1.0"

_PUBLIC = {
    "load": "export.load",
    "Model": "export.model",
    "Prediction": "export.model",
    "compare": "report.comparison",
    "Comparison": "report.results",
    "train": "training.train",
    "TrainResult": "training.train",
}
"""What is there from Python, and its module, which is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gesturelab.{_PUBLIC[name]}"), name)
