"""MiniRocket against loops in NumPy, its head against scikit-learn, and what it needs of a window."""

from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.models.minirocket import MiniRocket, dilations
from gesturelab.models.network import build_network
from gesturelab.models.ridge import RidgeHead
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

CLASSES = 3


def movements(count, frames=40, features=6):
    """Windows of noise in which one feature rises, falls or does neither."""
    draw = torch.Generator().manual_seed(count)
    classes = torch.arange(count) % CLASSES
    windows = torch.randn(count, frames, features, generator=draw) * 0.3
    windows[:, :, 2] += (classes - 1)[:, None] * torch.linspace(-1, 1, frames).tanh()
    return windows, classes


def shares_above(series, weights, dilation, thresholds, padded):
    """How often one kernel is above each threshold in one series (frames,), in full from a hundredth above it."""
    reach = 4 * dilation
    beyond = np.concatenate([np.zeros(reach), series, np.zeros(reach)])
    convolved = np.array([beyond[at : at + 2 * reach + 1 : dilation] @ weights for at in range(len(series))])
    inside = convolved if padded else convolved[reach : len(series) - reach]
    return [np.clip((inside - threshold) * 100, 0, 1).mean() for threshold in thresholds]


def test_what_the_head_sees_is_how_often_each_kernel_is_above_its_thresholds():
    torch.manual_seed(0)
    network = MiniRocket(6, CLASSES, 40, outputs=84 * 4)
    windows, classes = movements(12)
    network.fit(windows, classes)
    seen = network.transform(windows[:2]).view(2, 4, 84).numpy()
    first, kernels = 0, network.kernels
    for index, (dilation, count) in enumerate(zip(*dilations(40, 4), strict=True)):
        channels = kernels.channels.split(84, dim=1)[index].numpy()
        for kernel, twos in enumerate(combinations(range(9), 3)):
            weights = np.where(np.isin(np.arange(9), twos), 2, -1)
            thresholds = kernels.thresholds[first : first + count, kernel].numpy()
            for row in range(2):
                series = windows[row].numpy()[:, channels[:, kernel]].sum(axis=1)
                expected = shares_above(series, weights, dilation, thresholds, padded=(kernel + index) % 2 == 0)
                assert seen[row, first : first + count, kernel] == pytest.approx(expected, abs=1e-4)
        first += count
    assert first == seen.shape[1]
    assert 0.2 < seen.mean() < 0.8  # thresholds are where the values are


@pytest.mark.parametrize("rows", [30, 90])
def test_the_head_is_that_of_scikit_learn(rows):
    draw = np.random.default_rng(rows)
    values = draw.normal(2, [0.1] * 20 + [5] * 20 + [0], (rows, 41))
    classes = np.arange(rows) % CLASSES
    values[:, 0] += 0.1 * (classes == 1)
    values[:, 30] += 4 * (classes == 2)
    reference = make_pipeline(StandardScaler(with_mean=False), RidgeClassifierCV(np.logspace(-3, 3, 10)))
    reference.fit(values, classes)
    head = RidgeHead(41, CLASSES)
    head.fit(torch.tensor(values, dtype=torch.float32), torch.tensor(classes))
    new = draw.normal(2, 1, (7, 41))
    answers = head(torch.tensor(new, dtype=torch.float32)).numpy()
    assert answers == pytest.approx(reference.decision_function(new), abs=1e-3)


@pytest.mark.parametrize(("frames", "count"), [(64, 119), (30, 119), (9, 5), (1000, 40), (64, 1)])
def test_dilations_are_spread_as_the_authors_spread_them(frames, count):
    most = min(count, 32)
    exponents = np.logspace(0, np.log2((frames - 1) / 8), most, base=2).astype(int)
    expected, shares = np.unique(exponents, return_counts=True)
    shares = (shares * (count / most)).astype(int)
    for extra in range(count - shares.sum()):
        shares[extra % len(shares)] += 1
    assert dilations(frames, count) == (expected.tolist(), shares.tolist())


def test_it_learns_a_movement_in_one_fit():
    torch.manual_seed(0)
    network = MiniRocket(6, CLASSES, 40, outputs=840)
    network.fit(*movements(60))
    windows, classes = movements(30)
    assert (network(windows).argmax(dim=1) == classes).float().mean() >= 0.9


def test_a_still_person_gives_the_same_answer_whatever_the_rounding():
    torch.manual_seed(0)
    network = MiniRocket(6, CLASSES, 40, outputs=840)
    windows, classes = movements(60)
    windows[::2] = windows[::2, :1]  # half of them do not move
    network.fit(windows, classes)
    nudged = windows * (1 + 1e-6 * torch.randn(windows.shape))
    assert torch.allclose(network(nudged), network(windows), atol=1e-3)


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["window.length_frames=8"], "at least 9 frames"),
        (["model.outputs=10"], "model.outputs=10: must be at least 84"),
    ],
)
def test_what_does_not_fit_is_refused(overrides, error):
    config = compose(["model=minirocket", *overrides])
    with pytest.raises(ConfigError, match=error):
        build_network(config.model, Features(config.features, KINECT_V2), 5, config.window.length_frames)
