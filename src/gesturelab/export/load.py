"""A model from a finished run, or from the file that it travels in, and that file: ``gesturelab.load``."""

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from torch import nn

from gesturelab.config.data import DataConfig, Target
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load as load_dataset
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import BundleError, ConfigError, RunError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export.archive import WEIGHTS, read_archive, write_archive
from gesturelab.export.contents import UNSURE_BELOW, Contents, facts_of, from_plain
from gesturelab.export.model import Model, load_onnx
from gesturelab.export.model_card import card
from gesturelab.files import sha256
from gesturelab.models.adapted_head import add_adapted_head
from gesturelab.models.flops import on_meta_device
from gesturelab.models.known_gestures import expected_tensors, read_known
from gesturelab.models.recogniser import Recogniser
from gesturelab.models.saved import read_recogniser
from gesturelab.models.trust import refuse_untrusted
from gesturelab.preprocessing.features import Features
from gesturelab.report.collect import check
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import is_peer

MADE_OF = ("model", "features", "window", "skeleton")
"""Keys of ``bundle.json`` that objects are made of; classes they name must be gesturelab's or trusted."""

Datasets = dict[tuple[str, Target], Dataset]
"""Datasets that are loaded already, by fingerprint and by what is to be recognised in them."""

KNOWN = "known."
"""What the names of `KnownGestures`' tensors begin with among the weights."""

HEADER_BYTES = 2**20
"""More than the names and shapes of any size take."""


def load(path: str | Path, trust: Collection[str] = (), *, none_of_these: bool = False) -> Model:
    """A trained model, ready to answer: ``load("model.zip").predict(positions, rate_hz)``.

    Args:
        path: A file that ``gesturelab export`` wrote (for ``.onnx`` onnxruntime is needed), or the folder of a
            finished run.
        trust: Classes from outside gesturelab that the model may name, such as ``["mypkg.TCN"]``; loading runs their
            code, so they are refused otherwise.
        none_of_these: Answer movements that are like no class with "none of these".

    Raises:
        ConfigError: If it cannot tell unknown movements.
        TrustError: If it names a class that is neither gesturelab's nor trusted; no code of it was run.
        BundleError: If the file is damaged, of a newer version, or no model file.
        RunError: If the folder is not that of one finished run.
    """
    model = _load(Path(path).expanduser(), trust)
    if none_of_these:
        model.refuse_unknown()
    return model


def _load(path: Path, trust: Collection[str]) -> Model:
    if path.is_dir():
        return model_of(run_of(path), trust)
    if path.suffix == ".onnx":
        return load_onnx(path)
    description, weights = read_archive(path)
    refuse_untrusted({key: description.get(key) for key in MADE_OF}, trust, str(path))
    try:
        contents = from_plain(description)
        return _model(contents, weights)
    except (BundleError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from error
    except ConfigError as error:
        raise BundleError(f"{path}: bundle.json: {error}") from error


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
    for path in (run.weights, run.scaler, run.predictions):
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
        facts=facts_of(info, read_predictions(run.predictions)),
        unknown_above=None if saved.known is None else info.get("unknown_above"),
    )
    return Model(contents, recogniser, saved.known)


def load_tested_run(
    run: RunDir, trust: Collection[str] = (), root: str | None = None, datasets: Datasets | None = None
) -> tuple[Model, DataConfig, Dataset]:
    """A run's model and the data that it was made from, to test the model in another way on the same people.

    Args:
        run: A finished run.
        trust: Classes from outside gesturelab that it may name.
        root: Where the data are, if not where the run found them.
        datasets: Loaded for other runs; what is not among them is loaded and added.

    Raises:
        RunError: If the run is leaky, or its data are not those it was made from.
        GesturelabError: If the run or the data cannot be read.
    """
    model = model_of(run, trust)
    if model.contents.facts["split"]["leaky"]:
        raise RunError(f"{run.path} is LEAKY: its test people are no new people, so there is nobody to test on")
    config = read_config(run.config).data
    if root is not None:
        config.move(root)
    key = model.contents.facts["data"]["fingerprint"], model.contents.target
    known = {} if datasets is None else datasets
    if key not in known:
        dataset = load_dataset(config)
        if dataset.fingerprint != key[0]:
            raise RunError(f"{run.path}: the data are not those that the run was made from (another fingerprint)")
        known[key] = dataset
    return model, config, known[key]


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


def _model(contents: Contents, weights: bytes) -> Model:
    features = Features(contents.features, contents.skeleton)
    if features.names != contents.scaler.names:
        raise BundleError("bundle.json: the scaler is of other features than the configuration")
    classifier = on_meta_device(contents.model, features, len(contents.classes), contents.window.length_frames)
    if contents.adaptation is not None:
        add_adapted_head(classifier)
    tensors = _read_tensors(contents, classifier, weights)
    known = None
    if contents.unknown_above is not None:
        own = {name: tensors.pop(f"{KNOWN}{name}") for name in expected_tensors(classifier, len(contents.classes))}
        known = read_known(own, classifier, len(contents.classes))
    classifier.load_state_dict(tensors, assign=True)
    features = contents.features, contents.skeleton, contents.scaler
    return Model(contents, Recogniser(*features, classifier, contents.mirrored_classes), known)


def _read_tensors(contents: Contents, classifier: nn.Module, weights: bytes) -> dict[str, torch.Tensor]:
    """The weights of a network that was just built, and where known gestures lie."""
    expected = classifier.state_dict()
    if contents.unknown_above is not None:
        known = expected_tensors(classifier, len(contents.classes))
        expected |= {f"{KNOWN}{name}": value for name, value in known.items()}
    bytes_expected = sum(math.prod(value.shape) * value.element_size() for value in expected.values())
    if not bytes_expected <= len(weights) <= bytes_expected + HEADER_BYTES:
        raise BundleError(f"{WEIGHTS} has {len(weights):,} bytes, but the network of bundle.json {bytes_expected:,}")
    try:
        tensors = load_tensors(weights)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{WEIGHTS} cannot be read: {error}") from error
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors or name not in expected:
            raise BundleError(f"{WEIGHTS} {'has no' if name in expected else 'has an unknown'} tensor {name}")
        kind, needed = (f"{each[name].dtype} {list(each[name].shape)}" for each in (tensors, expected))
        if kind != needed:
            raise BundleError(f"{WEIGHTS}: {name} is {kind}, but bundle.json needs {needed}")
        if not torch.isfinite(tensors[name]).all():
            raise BundleError(f"{WEIGHTS}: {name} holds a value that is not finite")
    return tensors


def write_bundle(model: Model, path: Path) -> None:
    """Writes the model as one file that describes itself, whole or not at all; equal models give equal bytes.

    Raises:
        RunError: If it cannot be written.
        BundleError: If a weight is not finite.
    """
    tensors = {
        name: value.detach().clone().contiguous() for name, value in model.recogniser.classifier.state_dict().items()
    }
    contents = model.contents if model.known is not None else replace(model.contents, unknown_above=None)
    if model.known is not None and contents.unknown_above is not None:
        tensors |= {f"{KNOWN}{name}": value.contiguous() for name, value in model.known.tensors.items()}
    if diverged := [name for name, value in tensors.items() if not value.isfinite().all()]:
        raise BundleError(f"the weights {diverged[0]} are not finite: the training diverged; nothing was written")
    write_archive(path, contents.to_plain(), save(tensors), card(contents))
