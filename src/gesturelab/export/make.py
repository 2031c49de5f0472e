"""From a finished run to a model, and to the file that it travels in."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from safetensors.torch import save

from gesturelab.errors import BundleError, RunError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export.archive import write_archive
from gesturelab.export.contents import UNSURE_BELOW, Contents
from gesturelab.export.facts import facts
from gesturelab.export.model import Model
from gesturelab.export.model_card import card
from gesturelab.files import sha256
from gesturelab.models.saved import read_recogniser
from gesturelab.report.collect import check
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import is_peer

PREDICTED_WITH = ("weights", "scaler", "predictions")
"""The files of a run that a model is made of; they must be those that the run wrote."""


def model_of(run: RunDir, trust: Collection[str] = ()) -> Model:
    """The model that a finished run trained.

    Args:
        run: A finished run.
        trust: Classes from outside gesturelab that it may name.

    Raises:
        TrustError: If it names a class that is neither gesturelab's nor trusted.
        GesturelabError: If the run is unfinished, damaged, changed since, or of a method from elsewhere.
    """
    info = run.read_info()
    check(info, run.info)
    if is_peer(info):
        raise RunError(f"{run.path} is a run of {info['model']['size']}, a method from elsewhere: it has no weights")
    for path in (getattr(run, name) for name in PREDICTED_WITH):
        if path.is_file() and sha256(path) != info["files"].get(path.name, ""):
            raise RunError(f"{path} is not the file that the run wrote (its SHA-256 differs from the info file's)")
    saved = read_recogniser(run, trust)
    recogniser = saved.recogniser
    contents = Contents(
        name=info["name"],
        size=info["model"]["size"],
        target=saved.target,
        classes=saved.classes,
        model=saved.model,
        features=recogniser.features.config,
        window=saved.window,
        skeleton=recogniser.features.skeleton,
        scaler=saved.scaler,
        mirrored_classes=saved.mirrored_classes,
        rate_hz=float(info["data"]["options"]["rate_hz"]),
        temperature=float(info.get("temperature", 1.0)),
        unsure_below=float(info.get("unsure_below", UNSURE_BELOW)),
        unsure_fitted="unsure_below" in info,
        facts=facts(info, read_predictions(run.predictions)),
    )
    return Model(contents, recogniser)


def run_of(folder: Path) -> RunDir:
    """The one finished run in a folder.

    Raises:
        RunError: If there is none, or several.
    """
    sizes = sorted(path.stem.removeprefix("info_") for path in folder.glob("info_*.json"))
    if len(sizes) != 1:
        found = f"it holds several: {', '.join(sizes)}" if sizes else "there is no info_<size>.json"
        raise RunError(f"{folder} is not the folder of one finished run: {found}")
    return RunDir(folder, sizes[0])


def write_bundle(model: Model, path: Path) -> None:
    """Writes the model as one file that describes itself, whole or not at all; equal models give equal bytes.

    Raises:
        RunError: If it cannot be written.
        BundleError: If a weight is not finite.
    """
    tensors = {
        name: value.detach().clone().contiguous() for name, value in model.recogniser.classifier.state_dict().items()
    }
    if odd := [name for name, value in tensors.items() if not np.isfinite(value.numpy()).all()]:
        raise BundleError(f"the weights {odd[0]} are not finite: the training diverged; nothing was written")
    write_archive(path, model.contents.to_plain(), save(tensors), card(model.contents))
