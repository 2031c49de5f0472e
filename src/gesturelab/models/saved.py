"""A finished run's weights and scaler, put together again to be used."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from gesturelab.config.data import FeaturesConfig, Target, WindowConfig
from gesturelab.config.options import from_values, read_free
from gesturelab.config.saved import upgrade
from gesturelab.config.training import LSTMConfig
from gesturelab.errors import RunError
from gesturelab.files import refuse_special_file, why
from gesturelab.models.flops import flops_to_answer, on_meta_device
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.runs.folder import RunDir
from gesturelab.skeletons.definition import restored

MAX_BYTES = 2**32
MAX_FRAMES, MAX_LAYERS = 1_000_000, 100


@dataclass(frozen=True)
class Saved:
    """What a run learned.

    Attributes:
        recogniser: Ready to answer, dropout off.
        length_frames: Frames in a window.
        joints: How many the skeleton has.
        flops_per_window: As `gesturelab.models.flops.flops_to_answer` counts them.
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
    model: LSTMConfig
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
        saved = _read(run.weights)
        skeleton = restored(saved["skeleton"])
        model = from_values(LSTMConfig, upgrade({"model": saved["model"]})["model"], "model")
        features = read_free(FeaturesConfig, saved["features"], "features")
        window = from_values(WindowConfig, saved["window"], "window")
        target = Target(saved.get("target", "gesture"))
        classes = tuple(map(str, saved["gestures"]))
        made = Features(features, skeleton)
        names = list(made.names)
        if saved["feature_names"] != names:
            raise ValueError("its features are others than this version makes")
        classifier = _classifier(saved["state_dict"], model, len(names), len(classes), made.summaries)
        length = window.length_frames
        if not 0 < length <= MAX_FRAMES:
            raise ValueError(f"its windows have {length} frames")
        mirrored = _mirrored(saved) if saved.get("mirror_at_test") else None
    except FileNotFoundError:
        raise RunError(f"{run.weights} is missing: run the training again") from None
    except Exception as error:  # torch raises whatever a damaged file leads it to
        raise RunError(f"{run.weights} cannot be read by this version: {why(error)}") from error
    scaler = Scaler.load(run.scaler)
    if list(scaler.names) != names:
        raise RunError(f"{run.scaler} does not belong to {run.weights.name}: it has other features")
    recogniser = Recogniser(features, skeleton, scaler, classifier, mirrored).eval()
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


def _read(path: Path) -> dict[str, Any]:
    """What a weights file holds, which is no more than the file has bytes.

    Raises:
        ValueError: If it is not what torch writes.
    """
    refuse_special_file(path, MAX_BYTES)
    with zipfile.ZipFile(path) as members:  # also refuses the form before torch 1.6, whose sizes nobody checks
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
            raise ValueError("it is compressed, as no weights file is")
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(saved, dict):
        raise ValueError("it does not hold a network")
    return cast(dict[str, Any], saved)


def _classifier(
    weights: dict[str, torch.Tensor], model: LSTMConfig, inputs: int, classes: int, summaries: int
) -> LSTMClassifier:
    """The network, made only after its weights are known to be there."""
    if not 0 < model.layers <= MAX_LAYERS or not 0 <= model.head_layers <= MAX_LAYERS:
        raise ValueError(f"it has {model.layers} LSTM layers and {model.head_layers} head layers")
    wanted = {
        name: value.shape for name, value in on_meta_device(inputs, classes, model, summaries).state_dict().items()
    }
    there = {name: value.shape for name, value in weights.items() if value.is_contiguous()}
    if there != wanted:
        odd = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        raise ValueError(f"its weights are not those of such a network: {', '.join(odd[:3])}")
    classifier = LSTMClassifier(inputs, classes, model, summaries)
    classifier.load_state_dict(weights)
    return classifier


def _mirrored(saved: dict[str, Any]) -> tuple[int, ...]:
    classes = tuple(saved["mirrored_gestures"])
    if sorted(classes) != list(range(len(saved["gestures"]))):
        raise ValueError("its mirrored gestures are not its gestures")
    return classes
