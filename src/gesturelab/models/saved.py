"""A finished run's weights and scaler, put together again to be used."""

import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from gesturelab.config.data import FeaturesConfig, Target, WindowConfig
from gesturelab.config.options import add_search_path, arguments_of, from_values, read_free
from gesturelab.config.saved import read_search_path, upgrade
from gesturelab.config.training import ModelConfig
from gesturelab.config.typed import typed_config
from gesturelab.errors import RunError, TrustError
from gesturelab.files import refuse_special_file, why
from gesturelab.models.flops import flops_to_answer, on_meta_device
from gesturelab.models.known_gestures import KnownGestures, read_known
from gesturelab.models.recogniser import Recogniser
from gesturelab.models.trust import refuse_untrusted
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.runs.folder import RunDir
from gesturelab.skeletons.definition import restored

MAX_BYTES = 2**32
MAX_FRAMES, MAX_LAYERS, MAX_WIDTH = 1_000_000, 100, 2**31


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
        known: Where the gestures lie that it knows; None for runs that did not fit it.
    """

    recogniser: Recogniser
    length_frames: int
    joints: int
    flops_per_window: int | None
    model: ModelConfig
    window: WindowConfig
    target: Target
    classes: tuple[str, ...]
    scaler: Scaler
    mirrored_classes: tuple[int, ...] | None
    known: KnownGestures | None


def read_recogniser(run: RunDir, trust: Collection[str] = ()) -> Saved:
    """Reads the weights and the scaler of a run.

    Args:
        run: A finished run.
        trust: Classes from outside gesturelab that it may name.

    Raises:
        TrustError: If it names a class that is neither gesturelab's nor trusted.
        RunError: If the weights are missing, damaged, or of a network that this version does not know.
        DataError: If the scaler is missing or damaged.
    """
    try:
        saved = _read(run.weights)
        plain = upgrade({key: saved[key] for key in ("model", "features", "window")})
        refuse_untrusted(plain, trust, str(run.weights))
        if trust:
            add_search_path(read_search_path(run.config))
        skeleton = restored(saved["skeleton"])
        model = typed_config({"model": plain["model"]}).model
        features = read_free(FeaturesConfig, plain["features"], "features")
        window = from_values(WindowConfig, plain["window"], "window")
        target = Target(saved.get("target", "gesture"))
        classes = tuple(map(str, saved["gestures"]))
        table = Features(features, skeleton)
        names = list(table.names)
        if saved["feature_names"] != names:
            raise ValueError("its features are others than this version makes")
        length = window.length_frames
        if not 0 < length <= MAX_FRAMES:
            raise ValueError(f"its windows have {length} frames")
        classifier = _classifier(saved["state_dict"], model, table, len(classes), length)
        mirrored = _mirrored(saved) if saved.get("mirror_at_test") else None
        known = read_known(saved["known"], classifier, len(classes)) if saved.get("known") else None
    except FileNotFoundError:
        raise RunError(f"{run.weights} is missing: run the training again") from None
    except TrustError:
        raise
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
        known,
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
    weights: dict[str, torch.Tensor], model: ModelConfig, features: Features, classes: int, frames: int
) -> nn.Module:
    """The network; of one that comes with gesturelab memory is taken only for weights that are there."""
    refuse_excess(model, MAX_WIDTH, MAX_LAYERS)
    classifier = on_meta_device(model, features, classes, frames)
    expected = {name: (value.shape, value.dtype) for name, value in classifier.state_dict().items()}
    shapes = {name: (value.shape, value.dtype) for name, value in weights.items() if value.is_contiguous()}
    if shapes != expected:
        odd = sorted(name for name in expected.keys() | shapes.keys() if expected.get(name) != shapes.get(name))
        raise ValueError(f"its weights are not those of such a network: {', '.join(odd[:3])}")
    classifier.load_state_dict(weights, assign=True)
    return classifier


def refuse_excess(model: ModelConfig, width: int, layers: int) -> None:
    """Refuses a network of more than so many layers, or so wide, before it is built.

    Raises:
        ValueError: Naming the key.
    """
    values = arguments_of(model, ModelConfig)
    for key, most in (("hidden", width), ("layers", layers), ("head_layers", layers)):
        if isinstance(value := values.get(key), int) and not 0 <= value <= most:
            raise ValueError(f"model.{key} is {value:,}; at most {most:,} is possible")


def _mirrored(saved: dict[str, Any]) -> tuple[int, ...]:
    classes = tuple(saved["mirrored_gestures"])
    if sorted(classes) != list(range(len(saved["gestures"]))):
        raise ValueError("its mirrored gestures are not its gestures")
    return classes
