"""A finished run's weights and scaler, put together again to be used."""

import pickle
from dataclasses import dataclass
from typing import Any, cast

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gesturelab.config.data import FeaturesConfig
from gesturelab.config.training import ModelConfig
from gesturelab.data.definition import restored
from gesturelab.data.features import Features
from gesturelab.data.scaler import Scaler
from gesturelab.errors import ConfigError, RunError
from gesturelab.model.cost import flops_to_answer
from gesturelab.model.lstm import LSTMClassifier
from gesturelab.model.recogniser import Recogniser
from gesturelab.runs import RunDir


@dataclass(frozen=True)
class Saved:
    """What a run learned.

    Attributes:
        recogniser: Ready to answer, dropout off.
        length_frames: Frames in a window.
        joints: How many the skeleton has.
        flops_per_window: As `gesturelab.model.cost.flops_to_answer` counts them.
    """

    recogniser: Recogniser
    length_frames: int
    joints: int
    flops_per_window: int


def read_recogniser(run: RunDir) -> Saved:
    """Reads the weights and the scaler of a run.

    Raises:
        RunError: If the weights are missing, damaged, or of a network that this version does not know.
        DataError: If the scaler is missing or damaged.
    """
    try:
        saved = torch.load(run.weights, map_location="cpu", weights_only=True)
        skeleton = restored(saved["skeleton"])
        model = _typed(ModelConfig, saved["model"])
        features = _typed(FeaturesConfig, saved["features"])
        names = saved["feature_names"]
        summaries = Features(features, skeleton).summaries
        classifier = LSTMClassifier(len(names), len(saved["gestures"]), model, summaries)
        classifier.load_state_dict(saved["state_dict"])
        length = int(saved["window"]["length_frames"])
        mirrored = tuple(saved["mirrored_gestures"]) if saved.get("mirror_at_test") else None
    except FileNotFoundError:
        raise RunError(f"{run.weights} is missing: run the training again") from None
    except (
        OSError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError,
        OmegaConfBaseException, ConfigError,
    ) as error:  # fmt: skip
        raise RunError(f"{run.weights} cannot be read by this version: {error}") from error
    recogniser = Recogniser(features, skeleton, Scaler.load(run.scaler), classifier, mirrored)
    return Saved(recogniser.eval(), length, len(skeleton.joints), flops_to_answer(recogniser, length))


def _typed(schema: type[Any], values: dict[str, Any]) -> Any:
    return cast(Any, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), values)))
