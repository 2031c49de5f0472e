"""Where known gestures lie, as scikit-learn and scipy compute it, and what cannot be that."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.covariance import LedoitWolf, ledoit_wolf

from gesturelab.models.adapted_head import add_adapted_head, head_values
from gesturelab.models.known_gestures import choose_inputs, fit_known_gestures, read_known, shrunk_covariance
from gesturelab.models.ridge import RidgeHead


@pytest.mark.parametrize(("rows", "inputs"), [(400, 6), (30, 60), (12, 3), (2, 40)])
def test_the_covariance_is_ledoits_and_wolfs(rows, inputs):
    centred = np.random.default_rng(rows).normal(0, np.linspace(1, 3, inputs), (rows, inputs))
    assert shrunk_covariance(centred) == pytest.approx(ledoit_wolf(centred, assume_centered=True)[0])


@pytest.mark.parametrize("centred", [np.zeros((5, 3)), np.ones((5, 3)), np.eye(3)[:1]])
def test_rows_without_spread_give_no_singular_covariance(centred):
    assert np.isfinite(np.linalg.inv(shrunk_covariance(centred))).all()


def test_the_score_is_the_product_of_mahalanobiss_and_euclids_distances():
    rng = np.random.default_rng(0)
    gestures = rng.integers(0, 4, 90)
    inputs, logits = rng.normal(gestures[:, None], 1 + np.arange(9), (90, 9)), rng.normal(0, 1, (90, 4))
    known = fit_known_gestures(*(torch.from_numpy(each).float() for each in (inputs, logits)), torch.tensor(gestures))
    means, centres = (np.stack([rows[gestures == at].mean(0) for at in range(4)]) for rows in (inputs, logits))
    precision = LedoitWolf(assume_centered=True).fit(inputs - means[gestures]).precision_
    others, answers = rng.normal(3, 5, (20, 9)), rng.normal(0, 1, (20, 4))
    expected = (cdist(others, means, "mahalanobis", VI=precision) * cdist(answers, centres)).min(axis=1) ** 2
    score = known.score(torch.from_numpy(others).float(), torch.from_numpy(answers).float())
    assert score.numpy() == pytest.approx(expected, rel=1e-3)


def test_what_is_read_must_fit_the_network():
    network = torch.nn.Sequential(torch.nn.Flatten(), RidgeHead(700, 3))
    inputs = torch.randn(12, 700, generator=torch.Generator().manual_seed(0))
    tensors = fit_known_gestures(inputs, inputs[:, :3], torch.arange(12) % 3).tensors
    read = read_known(tensors, network, 3)
    assert all(torch.equal(read.tensors[name], value) for name, value in tensors.items())
    for wrong in (
        tensors | {"means": tensors["means"][:2]},
        tensors | {"whitening": tensors["whitening"].double()},
        tensors | {"more": tensors["means"]},
        {name: value for name, value in tensors.items() if name != "logits"},
    ):
        with pytest.raises(ValueError, match="not of such a network"):
            read_known(wrong, network, 3)
    with pytest.raises(ValueError, match="names other inputs"):
        read_known(tensors | {"places": tensors["places"] + 10**9}, network, 3)


def test_few_inputs_all_count_and_many_are_spread_evenly():
    assert choose_inputs(3).tolist() == [0, 1, 2]
    many = choose_inputs(9996)
    assert (many[0], many[-1]) == (0, 9995)
    assert len(set(many.tolist())) == len(many) < 9996


def test_adaptation_does_not_change_how_unknown_a_movement_is():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 3)).requires_grad_(False)
    windows = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(0))
    inputs, logits, answer = head_values(network, windows)
    assert torch.equal(inputs, windows.flatten(1))
    assert torch.equal(logits, answer)
    add_adapted_head(network).fit(inputs, torch.tensor([2, 2, 1, 1, 1]), only=True)
    adapted = head_values(network, windows)
    assert torch.equal(adapted[1], logits)
    assert not torch.equal(adapted[2], answer)
