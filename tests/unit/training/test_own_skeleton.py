"""A run with a skeleton that is not built in can be read again, by its weights file alone."""

import numpy as np
import pytest
import torch

from gesturelab.config.composing import compose
from gesturelab.config.data import FeaturesConfig
from gesturelab.config.options import read_free
from gesturelab.datasets.recording import Recording, pack
from gesturelab.errors import ConfigError, RunError
from gesturelab.models.saved import read_recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.runs.folder import RunDir
from gesturelab.skeletons.definition import from_plain
from gesturelab.training.artefacts import data_info, write_weights
from gesturelab.training.build import make_data, make_module, make_scaler

HAND = from_plain(
    {
        "name": "hand",
        "joints": [["Wrist"], ["Palm", "Wrist"], ["TipLeft", "Palm"], ["TipRight", "Palm"]],
        "scale_bone": ["Palm", "Wrist"],
    }
)


def test_weights_and_info_file_hold_the_skeleton(tmp_path):
    rng = np.random.default_rng(0)
    recordings = [
        Recording(
            name=f"{person}_{gesture}",
            positions=rng.normal(size=(40, 4, 3)).astype(np.float32),
            rate_hz=30.0,
            subject=person,
            group="",
            gesture=gesture,
            skeleton=HAND,
            correctness=1,
            posture="",
        )
        for person in "abcdef"
        for gesture in ("left", "right")
    ]
    dataset = pack(
        recordings,
        source="folder",
        synthetic=False,
        gesture_names=("left", "right"),
        mirrored_gestures=(1, 0),
        fingerprint="x",
        skeleton=HAND,
    )
    config = compose(["model.hidden=8"])
    data = make_data(config, dataset)
    scaler = make_scaler(config, data)
    module = make_module(config, data, scaler).eval()
    run = RunDir(tmp_path, "tiny")
    write_weights(run, config, dataset, scaler, module.recogniser, known=None)
    scaler.save(run.scaler)
    saved = read_recogniser(run)
    assert saved.joints == 4
    window = torch.randn(2, 32, 4, 3)
    torch.testing.assert_close(saved.recogniser(window), module.recogniser(window))
    info = data_info(config, data)
    assert from_plain(info["skeleton"]) == HAND
    assert (info["groups"], info["postures"]) == ({}, {}), "nothing is known of them"

    contents = torch.load(run.weights, weights_only=True)
    contents["skeleton"]["joints"][1] = ["Palm", "Elbow"]
    torch.save(contents, run.weights)
    with pytest.raises(RunError, match="skeleton: joints: Elbow, the parent of Palm, is not listed"):
        read_recogniser(run)


@pytest.mark.parametrize(
    ("key", "part"),
    [("face_sensor", "shoulders"), ("angles", "bends"), ("summary", "arms"), ("body_scale", "scale_bone")],
)
def test_features_say_what_the_skeleton_lacks(key, part):
    bare = from_plain({"name": "bare", "joints": [["A"], ["B", "A"]], "pairs": []})
    config = read_free(FeaturesConfig, {"centre": "frame", "body_scale": False, key: True}, "features")
    with pytest.raises(ConfigError, match=rf"features\.{key}=true needs {part}, which skeleton bare does not name"):
        Features(config, bare)
