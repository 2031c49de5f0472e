import numpy as np
import pytest
from sklearn import metrics

from gesturelab.evaluation.counts import BINS, cases_of
from gesturelab.evaluation.metrics import metrics_for
from gesturelab.evaluation.result import mean_over_seeds, person_accuracies
from predictions_builder import predictions_of, random_predictions

PEOPLE = ("101", "102", "201", "202")


def scored(predictions, people=PEOPLE, weights=None):
    chosen = metrics_for("gesture")
    weights = np.ones((1, len(people))) if weights is None else weights
    values = mean_over_seeds(chosen, [cases_of(predictions, people)])(weights)[0].tolist()
    return dict(zip([metric.name for metric in chosen], values, strict=True))


def test_scores_agree_with_scikit_learn():
    predictions = random_predictions(PEOPLE, 25, 0.7, seed=2)
    found = scored(predictions)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(predictions.truth, predictions.predicted))
    assert found["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(predictions.truth, predictions.predicted)
    )
    assert found["macro_f1"] == pytest.approx(
        metrics.f1_score(predictions.truth, predictions.predicted, average="macro")
    )


def test_gestures_that_do_not_occur_do_not_count():
    predictions = predictions_of([("101", 0, 0), ("101", 0, 1), ("102", 0, 0)])
    found = scored(predictions, ("101", "102"))
    assert found["balanced_accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx((0.8 + 0) / 2)  # gesture 1 was predicted, 2 neither occurs nor was
    assert found["person_accuracy"] == pytest.approx((0.5 + 1) / 2)


def test_the_calibration_error_by_hand():
    # all say 0.8; 3 of 4 are right: |0.8 - 0.75|
    predictions = predictions_of([("101", 0, 0), ("101", 1, 1), ("101", 2, 2), ("101", 2, 0)])
    assert scored(predictions, ("101",))["calibration_error"] == pytest.approx(0.05)


def test_the_calibration_error_agrees_with_bins_by_numpy():
    rng = np.random.default_rng(0)
    plain = random_predictions(PEOPLE, 50, 0.7, seed=4)
    probabilities = rng.dirichlet([0.4, 0.4, 0.4], size=len(plain))
    plain.probabilities[:] = probabilities
    plain.predicted[:] = probabilities.argmax(axis=1)
    top = probabilities.max(axis=1)
    place = np.digitize(top, np.linspace(0, 1, BINS + 1)[1:-1], right=True)
    expected = sum(abs(top[place == one].sum() - (plain.right[place == one]).sum()) for one in range(BINS)) / len(plain)
    assert scored(plain)["calibration_error"] == pytest.approx(expected)


def test_a_person_who_counts_twice_is_a_person_who_is_there_twice():
    predictions = random_predictions(PEOPLE, 10, 0.6, seed=6)
    weights = np.array([[2.0, 0, 1, 1]])
    again = zip(predictions.subjects, predictions.truth, predictions.predicted, strict=True)
    rows = [(s, int(t), int(p)) for s, t, p in again for _ in range(int(weights[0, PEOPLE.index(s)]))]
    truth, said = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    found = scored(predictions, weights=weights)
    assert found["accuracy"] == pytest.approx((truth == said).mean())
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, said, average="macro"))


def test_without_recordings_there_is_no_score():
    values = scored(predictions_of([("101", 0, 0)]), ("101", "102"), np.array([[0.0, 1.0]]))
    assert np.isnan(list(values.values())).all()


def test_a_person_with_one_recording():
    assert person_accuracies(predictions_of([("202", 1, 1), ("101", 0, 1), ("101", 0, 0)])) == {"101": 0.5, "202": 1.0}
