"""Model files that are damaged or made to do harm: a named error, quickly, and nothing of theirs runs."""

import dataclasses
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save

import gesturelab
from gesturelab.errors import BundleError
from gesturelab.export.archive import CARD, DESCRIPTION, WEIGHTS, read_archive, write_archive
from gesturelab.export.load import model_of, write_bundle


@pytest.fixture(scope="module")
def whole(trained_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "model.zip"
    write_bundle(model_of(trained_run), path)
    return path


@pytest.fixture
def spoilt(whole, tmp_path):
    """Writes the file anew with some members changed, checksums of weights and card right or as they were."""

    def write(describe=None, tensors=None, **more):
        described, weights = read_archive(whole)
        del described["sha256"]
        if describe is not None:
            describe(described)
        if tensors is not None:
            found = load_tensors(weights)
            tensors(found)
            weights = save(found)
        path = tmp_path / "spoilt.zip"
        write_archive(path, described, weights, "a card")
        with zipfile.ZipFile(path, "a") as archive:
            for name, data in more.items():
                archive.writestr(name, data)
        return path

    return write


def refused(path, words):
    with pytest.raises(BundleError, match=words) as refusal:
        gesturelab.load(path)
    assert str(path) in str(refusal.value)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize("kept", [0, 1, 100, 0.3, 0.7, 0.999])
def test_a_truncated_file(whole, tmp_path, kept):
    data = whole.read_bytes()
    path = tmp_path / "half.zip"
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else kept])
    refused(path, "is not a whole model file")


def test_no_file_and_another_file(tmp_path):
    refused(tmp_path / "none.zip", "does not exist")
    (tmp_path / "text.zip").write_text("hello")
    refused(tmp_path / "text.zip", "is not a whole model file")


@pytest.mark.parametrize("seed", range(6))
def test_a_changed_byte_never_changes_an_answer_unnoticed(whole, tmp_path, seed):
    data = bytearray(whole.read_bytes())
    at = int(np.random.default_rng(seed).integers(len(data)))
    data[at] ^= 0x10
    path = tmp_path / "changed.zip"
    path.write_bytes(data)
    try:
        loaded = gesturelab.load(path)
    except BundleError:
        return
    still = np.linspace(0, 1, 40 * 75).reshape(40, 25, 3)
    assert np.array_equal(loaded.predict(still, 30).values, gesturelab.load(whole).predict(still, 30).values)


def test_a_pickle_that_carries_code_is_refused_and_does_not_run(spoilt, tmp_path):
    witness = tmp_path / "it-ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (witness,)

    for name in ("model_tiny.pth", "data.pkl"):
        refused(spoilt(**{name: pickle.dumps(Payload())}), "may carry code")
    assert not witness.exists()


def test_a_pickle_in_the_place_of_weights_is_refused_and_does_not_run(whole, tmp_path):
    witness = tmp_path / "it-ran"

    class Payload:
        def __reduce__(self):
            return Path.touch, (witness,)

    described, weights = read_archive(whole)
    path = tmp_path / "pickle.zip"
    write_archive(path, described, pickle.dumps(Payload()).ljust(len(weights), b"\0"), "")
    refused(path, "cannot be read")
    assert not witness.exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "a/bundle.json", "..\\outside.txt", "more.txt"])
def test_other_members_are_not_read(spoilt, tmp_path, name):
    refused(spoilt(**{name: b"x"}), "which is no part of a model file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["spoilt.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(spoilt):
    refused(spoilt(**{DESCRIPTION: b"{}"}), "holds a member twice")


def test_a_member_that_unpacks_to_too_much(spoilt, whole, tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(WEIGHTS, b"")
        archive.writestr(CARD, b"")
        archive.writestr(DESCRIPTION, b" " * (17 * 2**20))
    assert path.stat().st_size < 100_000
    refused(path, "is packed, as no part of a model file is")


def test_a_member_that_is_too_large(tmp_path):
    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(WEIGHTS, b"")
        archive.writestr(CARD, b"")
        archive.writestr(DESCRIPTION, b" " * (17 * 2**20))
    refused(path, "bundle.json says that it has 17,825,792 bytes")


def test_a_part_is_missing(tmp_path):
    with zipfile.ZipFile(tmp_path / "part.zip", "w") as archive:
        archive.writestr(CARD, b"")
    refused(tmp_path / "part.zip", "has no bundle.json")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(schema=4), "has schema 4, but this gesturelab reads up to 3: update it"),
        (
            lambda one: one.update(adaptation={"person": "a", "recordings": {"x": 1}, "only": True}),
            "adaptation.recordings",
        ),
        (lambda one: one.update(schema="1"), "no number 'schema'"),
        (lambda one: one.update(kind="else"), "does not begin as one of gesturelab"),
        (lambda one: one.pop("window"), "has no 'window'"),
        (lambda one: one["window"].update(short="maybe"), "window: .*maybe"),
        (lambda one: one["window"].update(length_frames=10**9), "at most 10,000 is possible"),
        (lambda one: one["window"].update(length_frames="${oc.env:HOME}"), "refers to another one"),
        (lambda one: one["model"].update(hidden=10**6), "at most 16,384 is possible"),
        (lambda one: one["model"].update(layers=10**6), "at most 64 is possible"),
        (lambda one: one["model"].update(hidden=16), "but the network of bundle.json"),
        (lambda one: one["model"].update(head_layers=99), "leaves no width"),
        (lambda one: one["model"].update(code="x"), r"model\.code: there is no such key"),
        (lambda one: one["features"].update(joints=["Tail"]), "has no Tail"),
        (lambda one: one["features"].update(bones=True), "the scaler is of other features"),
        (lambda one: one["scaler"][0].update(deviation=0), "not positive"),
        (lambda one: one["scaler"][0].update(mean="x"), "bundle.json"),
        (lambda one: one["classes"].append("more"), "mirrored_classes must hold each class once"),
        (lambda one: one.update(mirrored_classes=[0] * 9), "mirrored_classes must hold each class once"),
        (lambda one: one.update(temperature=0), "temperature must be a number from 0.01 to 100"),
        (lambda one: one.update(unsure_below=True), "unsure_below must be a number"),
        (lambda one: one.update(unknown_above="x"), "unknown_above must be a number"),
        (lambda one: one.pop("unknown_above"), "has an unknown tensor known.logits"),
        (lambda one: one.update(rate_hz=-1), "rate_hz must be a number"),
        (lambda one: one["skeleton"].update(root=25), "skeleton"),
        (lambda one: one["skeleton"].update(joints=["a"]), "skeleton"),
        (lambda one: one["skeleton"].pop("joints"), "joints: must be a list"),
        (lambda one: one.update(facts=[]), "facts must be a dictionary"),
        (lambda one: one["facts"]["split"]["train"].pop("subjects"), "has no 'subjects'"),
    ],
)
def test_a_description_that_cannot_be(spoilt, change, words):
    refused(spoilt(change), words)


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "[]", '{"kind": NaN}', "\xff"])
def test_a_description_that_is_none(tmp_path, text):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in ((WEIGHTS, ""), (CARD, ""), (DESCRIPTION, text.encode("latin-1"))):
            archive.writestr(name, data)
    refused(path, "bundle.json|SHA-256")


def _scramble(tensors):
    tensors["convolutions.0.convolution.bias"][0] = float("nan")


def _other_kind(tensors):
    tensors["convolutions.0.convolution.bias"] = tensors["convolutions.0.convolution.bias"].to(torch.int32)


def _other_shape(tensors):
    tensors["convolutions.0.convolution.bias"] = tensors["convolutions.0.convolution.bias"][:4].repeat(2, 1)


def _other_name(tensors):
    tensors["another"] = tensors.pop("convolutions.0.convolution.bias")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_scramble, "convolutions.0.convolution.bias holds a value that is not finite"),
        (_other_kind, "convolutions.0.convolution.bias is torch.int32"),
        (
            _other_shape,
            "convolutions.0.convolution.bias is torch.float32 .2, 4., but bundle.json needs torch.float32 .8.",
        ),
        (_other_name, "has an unknown tensor another"),
    ],
)
def test_weights_of_another_network(spoilt, change, words):
    refused(spoilt(tensors=change), words)


def test_weights_that_are_not_finite_are_not_written(trained_run, tmp_path):
    model = model_of(trained_run)
    with torch.no_grad():
        model.recogniser.classifier.convolutions[0].convolution.bias[0] = float("inf")
    with pytest.raises(BundleError, match="not finite: the training diverged"):
        write_bundle(model, tmp_path / "model.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_description_with_a_number_that_json_lacks_is_not_written(trained_run, tmp_path):
    model = model_of(trained_run)
    odd = dataclasses.replace(model.contents, facts=model.contents.facts | {"odd": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_bundle(gesturelab.Model(odd, model.recogniser), tmp_path / "model.zip")
    assert list(tmp_path.iterdir()) == []
    assert json.dumps(model.contents.to_plain(), allow_nan=False)
