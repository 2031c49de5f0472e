"""MultiRocket's numbers and HYDRA's counts against loops in NumPy, and what they need of a window."""

import numpy as np
import pytest
import torch

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.models import minirocket
from gesturelab.models.minirocket import RAMP
from gesturelab.models.multirocket_hydra import STILL, Hydra, MultiRocketHydra, pools, with_changes
from gesturelab.models.network import build_network
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

CLASSES, FEATURES, FRAMES = 3, 6, 20
SMALL = {"outputs": 672 * 2, "groups": 4, "kernels": 4}


def movements(count, seed=0):
    """Windows of noise in which one feature rises, falls or does neither."""
    draw = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % CLASSES
    windows = torch.randn(count, FRAMES, FEATURES, generator=draw) * 0.3
    windows[:, :, 2] += (classes - 1)[:, None] * torch.linspace(-1, 1, FRAMES).tanh()
    return windows, classes


def fitted():
    torch.manual_seed(0)
    network = MultiRocketHydra(FEATURES, CLASSES, FRAMES, **SMALL)
    network.fit(*movements(60))
    return network


def test_pools_are_how_often_how_far_when_and_how_long():
    above = np.array([[0, 2, 3, 0, 1, 1, 1, -5, 2, 0], [-1] * 10, [4] * 10])  # outputs frames, in ramps
    often, far, when, longest = pools(torch.tensor(above.T[None], dtype=torch.float64), torch.tensor([10.0, 10, 10]))
    for output, heights in enumerate(above):
        frames = np.flatnonzero(heights > 0)
        runs = "".join("x" if height > 0 else " " for height in heights).split()
        assert often[0, output] == len(frames) / 10
        assert far[0, output] == pytest.approx(heights[frames].sum() / (len(frames) + 1))
        assert when[0, output] == pytest.approx((frames + 1).sum() / (len(frames) + 1))
        assert longest[0, output] == max(map(len, runs), default=0)


def test_the_head_sees_pools_of_what_kernels_give_of_series_and_changes():
    network = fitted()
    windows = movements(2, seed=1)[0]
    values = network.transform(windows).split([672 * 2, network.hydra.outputs], dim=1)[0].view(2, 2, 4, -1)
    for change, kernels in enumerate(network.rockets):
        series = np.diff(windows.numpy(), n=change, axis=1)
        weights, dilation, frames = kernels.weights.numpy(), kernels.dilations[0], series.shape[1]
        for kernel in (0, 1, 40, 83):  # of the first dilation and threshold
            seen = series[:, :, kernels.channels[:, kernel].numpy()].sum(axis=2)
            beyond = np.pad(seen, ((0, 0), (4 * dilation, 4 * dilation)))
            convolved = sum(weights[at, kernel] * beyond[:, at * dilation : at * dilation + frames] for at in range(9))
            inside = convolved if kernel % 2 == 0 else convolved[:, 4 * dilation : -4 * dilation]
            height = inside - kernels.thresholds[0, kernel].item()
            often = np.clip(height / RAMP, 0, 1)
            assert values[:, change, 0, kernel].numpy() == pytest.approx(often.mean(axis=1), abs=1e-4)
            far = np.clip(height, 0, None).sum(axis=1) / RAMP / (often.sum(axis=1) + 1)
            assert values[:, change, 1, kernel].numpy() == pytest.approx(far, rel=1e-3, abs=1e-3)


def test_hydra_adds_up_winners_and_counts_losers_of_each_group():
    torch.manual_seed(0)
    hydra = Hydra(FEATURES, 33, groups=4, kernels=3)
    assert hydra.dilations == [1, 2, 4]
    windows = torch.randn(2, 33, FEATURES, generator=torch.Generator().manual_seed(1))
    counts = hydra(with_changes(windows)).view(2, 3, 2, 2, 3, 2).numpy()  # dilation, change, won or lost, kernel, group
    for index, dilation in enumerate(hydra.dilations):
        for change in range(2):
            series = np.diff(windows.numpy(), n=change, axis=1)
            weights = hydra.weights[index, change].numpy()
            assert np.abs(weights).sum(axis=0) == pytest.approx(1)
            seen = np.pad(series @ hydra.channels[index, change].numpy(), ((0, 0), (4 * dilation,) * 2, (0, 0)))
            frames = series.shape[1]
            answers = sum(weights[at] * seen[:, at * dilation : at * dilation + frames, None] for at in range(9))
            won, lost = np.zeros((2, 3, 2)), np.zeros((2, 3, 2))
            for row, frame, group in np.ndindex(2, frames, 2):
                competing = answers[row, frame, :, group]
                won[row, competing.argmax(), group] += max(competing.max() - STILL, 0)
                lost[row, competing.argmin(), group] += competing.min() < -STILL
            assert counts[:, index, change, 0] == pytest.approx(won, abs=1e-4)
            assert counts[:, index, change, 1] == pytest.approx(lost)


def test_hydra_makes_kernels_smaller_that_seldom_win():
    hydra = Hydra(FEATURES, FRAMES, groups=2, kernels=2)
    counts = torch.tensor([[4.0, 4.0], [16.0, 0.0], [36.0, 0.0], [64.0, 0.0]])[:, [0, 1] * 8]
    hydra.fit(counts)
    scaled = hydra.scale(counts).numpy()
    roots = np.array([2.0, 4, 6, 8])
    assert scaled[:, 0] == pytest.approx((roots - 5) / roots.std())
    seldom = np.array([2.0, 0, 0, 0])
    assert scaled[:, 1] == pytest.approx([(2 - 0.5) / (seldom.std() + 0.75**4), 0, 0, 0])


def test_it_learns_a_movement_in_one_fit():
    windows, classes = movements(30, seed=5)
    assert (fitted()(windows).argmax(dim=1) == classes).float().mean() >= 0.9


def test_a_still_person_gives_the_same_answer_whatever_the_rounding():
    torch.manual_seed(0)
    network = MultiRocketHydra(FEATURES, CLASSES, FRAMES, **SMALL)
    windows, classes = movements(60)
    windows[::2] = windows[::2, :1]  # half of them do not move
    network.fit(windows, classes)
    nudged = windows * (1 + 1e-6 * torch.randn(windows.shape, generator=torch.Generator().manual_seed(2)))
    assert torch.allclose(network(nudged), network(windows), atol=1e-3)


def test_windows_in_pieces_give_the_same_answers(monkeypatch):
    network, windows = fitted(), movements(7, seed=2)[0]
    together = network(windows)
    monkeypatch.setattr(minirocket, "PIECE", 1)
    assert torch.allclose(network(windows), together, atol=1e-5)


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["window.length_frames=9"], "at least 10 frames"),
        (["model.outputs=600"], "model.outputs=600: must be at least 672"),
        (["model.groups=3"], "model.groups=3: must be an even number"),
        (["model.kernels=1"], "model.kernels=1: must be at least 2"),
    ],
)
def test_what_does_not_fit_is_refused(overrides, error):
    config = compose(["model=multirocket_hydra", *overrides])
    with pytest.raises(ConfigError, match=error):
        build_network(config.model, Features(config.features, KINECT_V2), 5, config.window.length_frames)
