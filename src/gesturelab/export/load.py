"""``gesturelab.load``: a model from its file, or from the folder of a run."""

import math
from collections.abc import Collection
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import nn

from gesturelab.errors import BundleError, ConfigError
from gesturelab.export.archive import WEIGHTS, read_archive
from gesturelab.export.contents import Contents, from_plain
from gesturelab.export.make import model_of, run_of
from gesturelab.export.model import Model
from gesturelab.export.onnx_model import load_onnx
from gesturelab.models.flops import on_meta_device
from gesturelab.models.recogniser import Recogniser
from gesturelab.models.trust import refuse_untrusted
from gesturelab.preprocessing.features import Features

MADE_OF = ("model", "features", "window", "skeleton")
"""Keys of ``bundle.json`` that objects are made of; classes they name must be gesturelab's or trusted."""

HEADER_BYTES = 2**20
"""More than the names and shapes of any size take."""


def load(path: str | Path, trust: Collection[str] = ()) -> Model:
    """A trained model, ready to answer: ``load("model.zip").predict(positions, rate_hz)``.

    Args:
        path: A file that ``gesturelab export`` wrote (for ``.onnx`` onnxruntime is needed), or the folder of a
            finished run.
        trust: Classes from outside gesturelab that the model may name, such as ``["mypkg.TCN"]``; loading runs their
            code, so they are refused otherwise.

    Raises:
        TrustError: If it names a class that is neither gesturelab's nor trusted; no code of it was run.
        BundleError: If the file is damaged, of a newer version, or no model file.
        RunError: If the folder is not that of one finished run.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return model_of(run_of(path), trust)
    if path.suffix == ".onnx":
        return load_onnx(path)
    description, weights = read_archive(path)
    refuse_untrusted({key: description.get(key) for key in MADE_OF}, trust, str(path))
    try:
        contents = from_plain(description)
        return Model(contents, _recogniser(contents, weights))
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def _recogniser(contents: Contents, weights: bytes) -> Recogniser:
    try:
        features = Features(contents.features, contents.skeleton)
    except ConfigError as error:
        raise BundleError(f"bundle.json: {error}") from error
    if features.names != contents.scaler.names:
        raise BundleError("bundle.json: the scaler is of other features than the configuration")
    try:
        classifier = on_meta_device(contents.model, features, len(contents.classes), contents.window.length_frames)
    except ConfigError as error:
        raise BundleError(f"bundle.json: {error}") from error
    _fill(classifier, weights)
    return Recogniser(contents.features, contents.skeleton, contents.scaler, classifier, contents.mirrored_classes)


def _fill(classifier: nn.Module, weights: bytes) -> None:
    """Gives a network that was just built its weights."""
    expected = classifier.state_dict()
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
        has, needs = tensors[name], expected[name]
        if has.shape != needs.shape or has.dtype != needs.dtype:
            raise BundleError(
                f"{WEIGHTS}: {name} is {has.dtype} {list(has.shape)}, but bundle.json needs {needs.dtype} "
                f"{list(needs.shape)}"
            )
        if not torch.isfinite(has).all():
            raise BundleError(f"{WEIGHTS}: {name} holds a value that is not finite")
    classifier.load_state_dict(tensors, assign=True)
