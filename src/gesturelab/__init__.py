"""Experiments in skeleton gesture recognition, with honest numbers on unseen people."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gesturelab.export.load import load as load
    from gesturelab.export.model import Model as Model
    from gesturelab.export.model import Prediction as Prediction

__version__ = "0.1.0"

_IN_USE = {"load": "load", "Model": "model", "Prediction": "model"}
"""What is there from Python for using a model, and its module of gesturelab.export; torch is imported with it."""


def __getattr__(name: str) -> Any:
    if name not in _IN_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"gesturelab.export.{_IN_USE[name]}"), name)
