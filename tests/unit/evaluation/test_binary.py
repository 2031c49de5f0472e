"""Correct or incorrect: scores and baselines agree with scikit-learn, and what is undefined says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, recall_score, roc_auc_score

from gesturelab.evaluation.baselines import fit_baselines
from gesturelab.evaluation.counts import cases_of
from gesturelab.evaluation.metrics import metrics_for, score_labels
from gesturelab.evaluation.pairs import sign_flip_p
from gesturelab.evaluation.predictions import Predictions, Trivial
from gesturelab.evaluation.result import class_shares, mean_over_seeds
from gesturelab.runs.info import CORRECTNESS_CLASSES


def said_of(people: list[str], truth: list[int], chance: list[float]) -> Predictions:
    """One recording an entry; it is called incorrect where that is likelier than not."""
    likely, true = np.array(chance, dtype=np.float64), np.array(truth, dtype=np.int64)
    predicted = (likely > 0.5).astype(np.int64)
    seconds = np.full(len(true), 2.0)
    trivial = Trivial(("side_tap_left",) * len(true), seconds, np.zeros_like(true), np.zeros_like(true))
    return Predictions(
        CORRECTNESS_CLASSES,
        tuple(f"{person}_{at:03d}" for at, person in enumerate(people)),
        tuple(people),
        true,
        predicted,
        true + 1,
        np.stack([1 - likely, likely], axis=1),
        trivial,
    )


cases = st.lists(
    st.tuples(st.sampled_from(["101", "201", "202"]), st.integers(0, 1), st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.9])),
    min_size=1,
    max_size=30,
)


@given(cases)
def test_scores_are_those_of_scikit_learn(rows):
    truth, chance = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    rows = np.stack([1 - chance, chance], axis=1)
    found = score_labels(truth, (chance > 0.5).astype(np.int64), rows, "correctness")
    if len(set(truth.tolist())) < 2:
        assert found["balanced_accuracy"] is None, "of one class there is none: it would be 100 % for a constant"
        assert found["roc_auc"] is None
        assert (found["sensitivity"] is None) == (1 not in truth)
        return
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, chance > 0.5))
    assert found["sensitivity"] == pytest.approx(recall_score(truth, chance > 0.5, zero_division=0))
    assert found["specificity"] == pytest.approx(recall_score(truth, chance > 0.5, pos_label=0, zero_division=0))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, chance))


@given(cases, st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_drawing_people_again_is_repeating_their_recordings(rows, weights):
    said = said_of([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])
    metrics = metrics_for("correctness")
    statistic = mean_over_seeds(metrics, [cases_of(said, ("101", "201", "202"))])
    values = statistic(np.array([weights], dtype=np.float64))[0]
    found = dict(zip([metric.name for metric in metrics], values, strict=True))
    often = dict(zip(("101", "201", "202"), weights, strict=True))
    repeated = [at for at, row in enumerate(rows) for _ in range(often[row[0]])]
    truth, chance = said.truth[repeated], said.probabilities[repeated, 1]
    if len(set(truth.tolist())) < 2:
        assert np.isnan(found["balanced_accuracy"])
        assert np.isnan(found["roc_auc"])
        return
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, chance > 0.5))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(truth, chance))


def test_shares_of_people_have_the_balanced_accuracy_as_their_mean():
    said = said_of(["101", "101", "101", "201", "201"], [0, 0, 0, 1, 0], [0.1, 0.2, 0.9, 0.8, 0.9])
    shares = class_shares(said)
    assert list(shares) == ["101", "201"]
    assert np.mean(list(shares.values())) == pytest.approx(balanced_accuracy_score(said.truth, said.predicted))
    assert shares["101"] == pytest.approx(2 * 2 * (1 / 4) / 2), "two of the four correct recordings; two people"


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 1)), min_size=2, max_size=30))
def test_length_has_the_threshold_with_the_highest_balanced_accuracy_on_training_recordings(rows):
    seconds, truth = np.array([row[0] for row in rows]) / 2, np.array([row[1] for row in rows])
    if len(set(truth.tolist())) < 2:
        return
    fitted = fit_baselines(seconds, truth)
    best = max(balanced_accuracy_score(truth, seconds > threshold) for threshold in (*np.unique(seconds), 99))
    # a threshold below everything calls all incorrect: 0.5, which one above everything reaches too
    assert balanced_accuracy_score(truth, fitted.by_length(seconds)) == pytest.approx(best)
    assert fitted.by_majority(seconds).tolist() == [int(2 * truth.sum() > len(truth))] * len(truth)


def test_randomisation_of_signs_by_hand():
    gaps = np.array([3.0, 2.0, -1.0])  # sums 4; of 8 signs: 6, 4, -4 and -6 are as far from 0, 2, 0, 0 and -2 are not
    assert sign_flip_p(gaps) == pytest.approx(4 / 8)
    assert sign_flip_p(np.zeros(5)) == 1.0
    many = sign_flip_p(np.full(20, 0.1))
    assert 0 < many < 0.001, "drawn at random, and never exactly 0"
