"""``gesturelab.load``: a model from its file, or from the folder of a run."""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from gesturelab.errors import BundleError, ConfigError
from gesturelab.export.archive import WEIGHTS, read_archive
from gesturelab.export.contents import Contents, from_plain
from gesturelab.export.make import model_of, run_of
from gesturelab.export.model import Model
from gesturelab.export.onnx_model import load_onnx
from gesturelab.models.flops import on_meta_device
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features

HEADER_BYTES = 2**20
"""More than the names and shapes of any size take."""


def load(path: str | Path) -> Model:
    """A trained model, ready to answer: ``load("model.zip").predict(positions, rate_hz)``.

    Args:
        path: A file that ``gesturelab export`` wrote (for ``.onnx`` onnxruntime is needed), or the folder of a
            finished run.

    Raises:
        BundleError: If the file is damaged, of a newer version, or no model file.
        RunError: If the folder is not that of one finished run.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return model_of(run_of(path))
    if path.suffix == ".onnx":
        return load_onnx(path)
    description, weights = read_archive(path)
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
    classifier = on_meta_device(len(features.names), len(contents.classes), contents.model, features.summaries)
    _fill(classifier, weights)
    return Recogniser(contents.features, contents.skeleton, contents.scaler, classifier, contents.mirrored_classes)


def _fill(classifier: LSTMClassifier, weights: bytes) -> None:
    """Gives a network on paper its weights."""
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
