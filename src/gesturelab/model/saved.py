"""A finished run's weights and scaler, put together again to be used."""

import pickle
from dataclasses import dataclass

import torch

from gesturelab.config.data import FeaturesConfig, Target, WindowConfig
from gesturelab.config.saved import SINCE, from_values
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
        model: Of the network.
        window: How windows are cut.
        target: What it recognises.
        classes: What it tells apart.
        scaler: As it was fitted.
        mirrored_classes: Only where the mirror image of a window has a say.
    """

    recogniser: Recogniser
    length_frames: int
    joints: int
    flops_per_window: int
    model: ModelConfig
    window: WindowConfig
    target: Target
    classes: tuple[str, ...]
    scaler: Scaler
    mirrored_classes: tuple[int, ...] | None


def read_recogniser(run: RunDir) -> Saved:
    """Reads the weights and the scaler of a run.

    Raises:
        RunError: If the weights are missing, damaged, or of a network that this version does not know.
        DataError: If the scaler is missing or damaged.
    """
    try:
        saved = torch.load(run.weights, map_location="cpu", weights_only=True)
        skeleton = restored(saved["skeleton"])
        model = from_values(ModelConfig, saved["model"])
        features = from_values(FeaturesConfig, saved["features"], SINCE["features"])
        window = from_values(WindowConfig, saved["window"])
        target = Target(saved.get("target", SINCE["data"]["target"]))
        classes = tuple(map(str, saved["gestures"]))
        names = saved["feature_names"]
        summaries = Features(features, skeleton).summaries
        classifier = LSTMClassifier(len(names), len(classes), model, summaries)
        classifier.load_state_dict(saved["state_dict"])
        mirrored = tuple(saved["mirrored_gestures"]) if saved.get("mirror_at_test") else None
    except FileNotFoundError:
        raise RunError(f"{run.weights} is missing: run the training again") from None
    except (
        OSError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError, ConfigError
    ) as error:  # fmt: skip
        raise RunError(f"{run.weights} cannot be read by this version: {error}") from error
    scaler = Scaler.load(run.scaler)
    recogniser = Recogniser(features, skeleton, scaler, classifier, mirrored).eval()
    length = window.length_frames
    return Saved(
        recogniser,
        length,
        len(skeleton.joints),
        flops_to_answer(recogniser, length),
        model,
        window,
        target,
        classes,
        scaler,
        mirrored,
    )
