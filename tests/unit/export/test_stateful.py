"""One frame and a state in, probabilities and the next state out: what a whole window of these frames gets."""

import json

import numpy as np
import onnx
import pytest
import torch

import gesturelab
from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.errors import BundleError
from gesturelab.export.model import session
from gesturelab.export.onnx_file import Steps
from gesturelab.models.network import build_network
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.skeletons.skeleton import KINECT_V2
from trained import train_small

LIVE = ("experiment=live", "features=live", "model.hidden=8", "model.layers=2")


def made_network(*overrides: str) -> Recogniser:
    config = compose([*LIVE, *overrides])
    torch.manual_seed(0)
    features = Features(config.features, KINECT_V2)
    names = features.names
    scaler = Scaler(names, np.full(len(names), 0.1), np.full(len(names), 0.5))
    swapped = (1, 0, 2) if config.augment.mirror_at_test else None
    classifier = build_network(config.model, features, 3, config.window.length_frames)
    for weight in classifier.parameters():
        weight.data *= 3  # so that answers differ
    return Recogniser(config.features, KINECT_V2, scaler, classifier, swapped).eval()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_after_each_frame_it_says_what_a_window_of_the_frames_so_far_gets(pooling, mirrored):
    network = made_network(f"model.pooling={pooling}", f"augment.mirror_at_test={str(mirrored).lower()}")
    windows = torch.randn(3, 7, 25, 3, generator=torch.Generator().manual_seed(1))
    steps = Steps(network)
    state = torch.zeros(3, steps.state_size)
    with torch.inference_mode():
        for frame in range(7):
            said, state = steps(windows[:, frame], state)
            assert said.numpy() == pytest.approx(network.probabilities(windows[:, : frame + 1]).numpy(), abs=1e-5)


def test_windows_begun_at_other_frames_share_a_batch():
    network = made_network("model.pooling=mean")
    frames = torch.randn(9, 25, 3, generator=torch.Generator().manual_seed(1))
    steps = Steps(network)
    state = torch.zeros(2, steps.state_size)
    with torch.inference_mode():
        for at in range(9):
            if at == 4:
                state[1] = 0
            said, state = steps(frames[at].expand(2, -1, -1), state)
        expected = [network.probabilities(frames[None, first:]) for first in (0, 4)]
    assert said.numpy() == pytest.approx(torch.cat(expected).numpy(), abs=1e-5)


def test_the_graph_says_what_the_model_says_of_whole_windows(tmp_path, capsys):
    run = train_small(tmp_path / "run", *LIVE, "augment.mirror_at_test=true")
    path = tmp_path / "steps.onnx"
    assert main(["export", str(run.path), "--format", "onnx", "--stateful", "-o", str(path)]) == 0
    assert "probabilities differ by" in capsys.readouterr().out
    told = {one.key: json.loads(one.value) for one in onnx.load(path).metadata_props}
    model = gesturelab.load(run.path)
    assert told["gesturelab.classes"] == list(model.classes)
    assert told["gesturelab.rate_hz"] == 10
    window = np.random.default_rng(0).normal(0, 0.3, (told["gesturelab.frames"], 25, 3)).astype(np.float32)
    running, state = session(str(path)), np.zeros((1, told["gesturelab.state"]), dtype=np.float32)
    for frame in window:
        said, state = running.run(None, {"frame": frame[None], "state": state})
    assert said == pytest.approx(model.probabilities(window[None]), abs=1e-5)
    with pytest.raises(BundleError, match=r"steps.onnx takes a frame and a state"):
        gesturelab.load(path)


def test_a_network_that_looks_beyond_is_refused_by_its_keys(trained_run, tmp_path, capsys):
    path = tmp_path / "steps.onnx"
    assert main(["export", str(trained_run.path), "--format", "onnx", "--stateful", "-o", str(path)]) == 1
    told = capsys.readouterr().err
    for key in ("features.centre=window", "features.body_scale=true", "model.bidirectional=true"):
        assert key in told
    assert "features=live" in told
    assert not path.exists()
