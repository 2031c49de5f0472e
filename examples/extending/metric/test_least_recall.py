"""The example is what scikit-learn's recalls say."""

import numpy as np
from least_recall import least_recall
from sklearn.metrics import recall_score


def test_it_is_the_least_of_scikit_learns_recalls() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    assert least_recall(truth.tolist(), predicted.tolist()) == recall_score(truth, predicted, average=None).min()
