import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    log_loss,
)

from gesturelab.evaluation.metrics import confusion, score


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
@given(st.integers(2, 60), st.integers(0, 1000))
def test_scores_agree_with_scikit_learn(cases, seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(5), size=cases)
    truth = rng.integers(0, 5, size=cases)
    predicted = probabilities.argmax(axis=1)
    ours = score(probabilities, truth)
    assert ours["count"] == cases
    assert ours["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert ours["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted), abs=1e-6)
    assert ours["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"), abs=1e-6)
    assert ours["loss"] == pytest.approx(log_loss(truth, probabilities, labels=range(5)), rel=1e-5)
    assert confusion(probabilities, truth) == confusion_matrix(truth, predicted, labels=range(5)).tolist()


def test_one_certain_mistake_does_not_make_the_loss_infinite():
    assert score(np.array([[1.0, 0.0]]), np.array([1]))["loss"] == pytest.approx(-np.log(1e-12))


@given(st.integers(2, 60), st.integers(0, 1000))
def test_cohens_kappa_agrees_with_scikit_learn(cases, seed):
    rng = np.random.default_rng(seed)
    rows, truth = rng.dirichlet(np.ones(3), size=cases), rng.integers(0, 3, size=cases)
    predicted = rows.argmax(axis=1)
    kappa = score(rows, truth)["cohen_kappa"]
    if len({*truth.tolist(), *predicted.tolist()}) < 2:
        assert kappa is None, "of one class only there is no chance to disagree"
    else:
        assert kappa == pytest.approx(cohen_kappa_score(truth, predicted))
