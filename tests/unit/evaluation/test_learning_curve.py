"""A power law fitted to accuracies, beside scipy's fit and laws that are known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from gesturelab.evaluation.learning_curve import Measured, accuracy_with, fit, fit_power_law, predict_gain

COUNTS = (4.0, 8.0, 12.0, 16.0, 24.0)


def law(count: np.ndarray, floor: float, scale: float, exponent: float) -> np.ndarray:
    return 1 - floor - scale * count**-exponent


@pytest.mark.parametrize("true", [(0.05, 0.6, 0.8), (0.0, 0.5, 0.45), (0.1, 0.9, 1.5)])
def test_a_law_without_noise_is_found_and_goes_on_where_it_should(true: tuple[float, float, float]):
    fitted = fit_power_law(COUNTS, law(np.array(COUNTS), *true)[None])
    assert accuracy_with(fitted, 44.0)[0] == pytest.approx(law(np.array(44.0), *true), abs=0.002)


def test_with_noise_the_squares_are_as_small_as_scipys():
    rng = np.random.default_rng(0)
    noisy = law(np.array(COUNTS), 0.08, 0.5, 0.7) + rng.normal(0, 0.01, (20, len(COUNTS)))
    fitted = fit_power_law(COUNTS, noisy)
    ours = sum(((accuracy_with(fitted, count) - noisy[:, at]) ** 2) for at, count in enumerate(COUNTS))
    for row, squares in zip(noisy, ours.tolist(), strict=True):
        bounds = ([0, 0, 0.05], [1, 5, 2])
        best, _ = curve_fit(law, np.array(COUNTS), row, p0=(0.05, 0.5, 0.7), bounds=bounds, maxfev=20_000)
        assert squares <= ((law(np.array(COUNTS), *best) - row) ** 2).sum() + 1e-5


def test_an_accuracy_that_does_not_rise_promises_nothing():
    flat = fit_power_law(COUNTS, np.array([[0.8, 0.8, 0.8, 0.8, 0.8], [0.9, 0.8, 0.85, 0.8, 0.8]]))
    assert accuracy_with(flat, 100.0) - accuracy_with(flat, 24.0) == pytest.approx([0, 0], abs=1e-9)


def measured(points: int, people: int = 12) -> Measured:
    rng = np.random.default_rng(1)
    ends = rng.uniform(0.7, 0.99, people)
    counts = COUNTS[:points]
    accuracy = np.array([ends - 0.6 * count**-0.8 for count in counts])
    return Measured(counts, accuracy, rng.integers(5, 40, people).astype(float))


def test_the_gain_is_the_laws_and_lies_in_its_interval():
    gain = predict_gain(measured(5), 20)
    true = 0.6 * 24**-0.8 - 0.6 * 44**-0.8
    assert gain["value"] == pytest.approx(true, abs=0.003)
    assert gain["low"] is not None
    assert gain["high"] is not None
    assert gain["low"] - 0.003 <= true <= gain["high"] + 0.003


def test_the_points_before_the_last_predict_it_within_the_interval():
    found = fit(measured(5), 20)
    assert found is not None
    assert found.checked is not None
    last = float(np.average(measured(5).accuracy[-1], weights=measured(5).recordings))
    assert found.checked["low"] is not None
    assert found.checked["high"] is not None
    assert found.checked["low"] <= last <= found.checked["high"]
    assert fit(measured(3), 20).checked is None  # type: ignore[union-attr]
    assert fit(measured(2), 20) is None
