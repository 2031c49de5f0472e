import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from gesturelab.evaluation.calibration import accuracy_at_coverage, coverage_curve, fit_temperature, with_temperature
from predictions_builder import PEOPLE, predictions_of, random_predictions


def overconfident(factor: float, recordings: int = 4000):
    """Logits whose probabilities are right after a division by `factor`."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, size=(recordings, 4))
    honest = with_temperature(np.exp(logits), 1.0)
    truth = np.array([rng.choice(4, p=row) for row in honest])
    return with_temperature(honest, 1 / factor), truth, honest


@pytest.mark.parametrize("factor", [0.7, 1.0, 3.0])
def test_the_temperature_undoes_overconfidence(factor: float):
    probabilities, truth, honest = overconfident(factor)
    temperature = fit_temperature(probabilities, truth)
    assert temperature == pytest.approx(factor, rel=0.06)
    assert np.abs(with_temperature(probabilities, temperature) - honest).max() < 0.03


def test_the_temperature_has_the_least_cross_entropy_with_platts_targets():
    """Of 300 recordings 301 of 302 are right, the rest is shared by the other three classes."""
    probabilities, truth, _ = overconfident(2.0, 300)

    def loss(temperature: float) -> float:
        logs = np.log(with_temperature(probabilities, temperature))
        right = logs[np.arange(300), truth]
        return -(301 / 302 * right + 1 / 302 * (logs.sum(axis=1) - right) / 3).mean()

    expected = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(probabilities, truth) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("confidence", [0.51, 0.6, 0.99999])
@pytest.mark.parametrize("recordings", [2, 50])
def test_recordings_without_a_mistake_make_it_no_surer_than_their_number_allows(confidence: float, recordings: int):
    """However faint the scores of a ridge classifier are, or however loud those of a network."""
    truth = np.arange(recordings) % 2
    rows = np.where(np.arange(2) == truth[:, None], confidence, 1 - confidence)
    calibrated = with_temperature(rows, fit_temperature(rows, truth)).max(axis=1)
    assert calibrated == pytest.approx((recordings + 1) / (recordings + 2), abs=1e-3)


def test_a_temperature_stays_finite():
    assert 0.01 <= fit_temperature(np.array([[0.9, 0.1]]), np.array([1])) <= 100
    assert 0.01 <= fit_temperature(np.array([[1.0, 0.0]]), np.array([0])) <= 100


@given(st.floats(0.1, 10))
def test_the_recognised_gesture_never_changes(temperature: float):
    rows = np.random.default_rng(1).dirichlet([0.5, 0.5, 0.5], size=30)
    scaled = with_temperature(rows, temperature)
    assert scaled.sum(axis=1) == pytest.approx(np.ones(30))
    assert (scaled.argmax(axis=1) == rows.argmax(axis=1)).all()


def test_the_least_confident_are_left_out():
    sure = predictions_of([("101", 0, 0)] * 8 + [("201", 1, 1)], confidence=0.9)
    unsure = predictions_of([("202", 1, 2)], confidence=0.4)
    from gesturelab.evaluation.predictions import concatenate_predictions

    groups = {"101": "healthy", "201": "patient", "202": "patient"}
    whole = concatenate_predictions([sure, unsure])
    assert accuracy_at_coverage([whole], groups, 1.0)["accuracy"] == pytest.approx(0.9)
    most = accuracy_at_coverage([whole], groups, 0.9)
    assert most["accuracy"] == 1.0
    assert most["by_group"] == {
        "healthy": {"coverage": 1.0, "accuracy": 1.0},
        "patient": {"coverage": 0.5, "accuracy": 1.0},
    }


def test_the_curve_ends_with_the_accuracy_of_all():
    seeds = [random_predictions(PEOPLE, 40, 0.8, seed) for seed in (0, 1)]
    curve = coverage_curve(seeds)
    assert curve[-1] == pytest.approx([1.0, np.mean([one.right.mean() for one in seeds])])
    assert [coverage for coverage, _ in curve] == sorted({coverage for coverage, _ in curve})
