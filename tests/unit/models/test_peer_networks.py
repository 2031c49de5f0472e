"""Networks of others: as large as their papers say, and what each of them can and cannot tell apart."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.models.inception import InceptionBlock, InceptionTime
from gesturelab.models.network import build_network, count_parameters
from gesturelab.models.stgcn import STGCN, divide_bones
from gesturelab.models.transformer import TransformerClassifier
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

NETWORKS = ("inception", "transformer", "stgcn")
NAMES = [f"position:{joint}:{axis}" for joint in KINECT_V2.joints for axis in "xyz"]
CHAIN = Skeleton("chain", ("Hip", "Chest", "Head"), (0, 0, 1), root=0, pairs=())


def build(*overrides, frames=24):
    config = compose(list(overrides))
    torch.manual_seed(0)
    return build_network(config.model, Features(config.features, KINECT_V2), 5, frames).eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_window_does_not_depend_on_the_others_of_its_batch(name):
    config = compose([f"model={name}"])
    network = build(f"model={name}")
    windows = torch.randn(4, 24, len(Features(config.features, KINECT_V2).names))
    with torch.inference_mode():
        together = network(windows)
        alone = torch.cat([network(window[None]) for window in windows])
    assert together.shape == (4, 5)
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("inception", ["model.filters=4", "model.blocks=3", "model.length=16"]),
        ("transformer", []),
        ("stgcn", ["model.width=8", "model.blocks=[1,1]"]),
    ],
)
def test_it_learns_which_way_an_arm_goes(name, small):
    """The two movements have the same frames, forwards and backwards."""
    network = build(f"model={name}", "features=raw", "model.dropout=0", *small).train()
    draw = torch.Generator().manual_seed(1)
    count = len(Features(compose(["features=raw"]).features, KINECT_V2).names)
    windows = torch.randn(32, 24, count, generator=draw) * 0.1
    path = torch.linspace(-1, 1, 24)[:, None].expand(24, 3)
    windows[::2, :, 12:15] += path
    windows[1::2, :, 12:15] += path.flip(0)
    classes = torch.arange(32) % 2
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(network(windows), classes).backward()
        optimizer.step()
    assert (network.eval()(windows).argmax(dim=1) == classes).float().mean() >= 0.95


def test_inception_has_the_parameters_that_papers_count():
    """420,192 without the last layer: A. Ismail-Fawaz et al., LITE, DSAA 2023, table 1."""
    network = InceptionTime(1, 2)
    assert count_parameters(network) - count_parameters(network.last) == 420_192


def test_an_inception_block_is_its_convolutions_side_by_side():
    torch.manual_seed(0)
    block = InceptionBlock(1, 2, 8).eval()
    series = np.random.default_rng(0).normal(size=20).astype(np.float32)
    with torch.no_grad():
        seen = block(torch.from_numpy(series)[None, None, None])[0, :, 0].numpy()
    for branch, length in enumerate((8, 4, 2)):
        weight = block.convolutions[branch][1].weight.detach().numpy()[0, 0]
        beyond = np.concatenate([np.zeros((length - 1) // 2), series, np.zeros(length // 2)])
        expected = np.correlate(beyond, weight, "valid") / np.sqrt(1 + 1e-5)  # a fresh normalisation
        assert seen[2 * branch] == pytest.approx(np.maximum(expected, 0), abs=1e-5)


def test_inception_keeps_channels_side_by_side_and_weights_as_they_were():
    network = InceptionTime(6, 3, filters=4, blocks=1)
    series = torch.randn(2, 9, 6).transpose(1, 2).unsqueeze(2)
    seen = network.blocks[0](series)
    assert seen.is_contiguous(memory_format=torch.channels_last), "else a step takes twice as long on a CPU"
    shapes = {name: tuple(values.shape) for name, values in network.blocks[0].state_dict().items()}
    assert shapes["convolutions.0.1.weight"] == (4, 4, 40), "weights of earlier runs fit"
    assert shapes["normalised.0.running_mean"] == (16,)


def test_stgcn_has_the_size_that_is_published():
    """3.1 million with 25 joints and 60 classes."""
    network = STGCN(60, NAMES, KINECT_V2, width=64, blocks=[4, 3, 3])
    assert count_parameters(network) == pytest.approx(3.1e6, rel=0.005)


def test_a_joint_hears_of_itself_of_the_nearer_and_of_the_farther_neighbour():
    same, nearer, farther = divide_bones(CHAIN, [0, 1, 2])
    assert same.tolist() == [[0.5, 0, 0], [0, pytest.approx(1 / 3), 0], [0, 0, 0.5]]
    assert nearer.tolist() == [[0, pytest.approx(1 / 3), 0], [0, 0, 0.5], [0, 0, 0]]
    assert farther.tolist() == [[0, 0, 0], [0.5, 0, 0], [0, pytest.approx(1 / 3), 0]]


def test_children_of_a_joint_that_is_left_out_hang_from_its_parent():
    _, nearer, _ = divide_bones(CHAIN, [0, 2])
    assert nearer.tolist() == [[0, 0.5], [0, 0]]


def test_stgcn_sees_joints_and_nothing_else():
    names = ["angle:Hip:Chest:Head", *NAMES]
    torch.manual_seed(0)
    network = STGCN(3, names, KINECT_V2).eval()
    windows = torch.randn(2, 16, len(names))
    with torch.inference_mode():
        before = network(windows)
        windows[:, :, 0] += 5
        assert torch.equal(network(windows), before)
        windows[:, :, 7] += 5
        assert not torch.allclose(network(windows), before)


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["model=stgcn", "features=raw", "features.positions=false", "features.angles=true"], "that every joint has"),
        (["model=stgcn", "model.blocks=[]"], r"model\.blocks=\[\]: every stage needs"),
        (["model=transformer", "model.width=30"], "model.width=30: must be a multiple"),
        (["model=inception", "model.length=2"], "model.length=2: must be at least 4"),
        (["model=inception", "model.blocks=0"], "model.blocks=0: must be at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused_by_its_key(overrides, error):
    with pytest.raises(ConfigError, match=error):
        build(*overrides)


def test_a_transformer_of_no_layers_is_a_mean_of_frames():
    """So that the order comes in through the encoder alone."""
    torch.manual_seed(0)
    network = TransformerClassifier(6, 3, layers=0).eval()
    windows = torch.randn(2, 10, 6)
    with torch.inference_mode():
        assert torch.allclose(network(windows), network(windows[:, torch.randperm(10)]), atol=1e-5)
