import numpy as np
import pytest
from scipy import stats

from gesturelab.evaluation.bootstrap import bca, draw_people, intervals
from gesturelab.evaluation.counts import cases_of
from gesturelab.evaluation.metrics import metrics_for
from gesturelab.evaluation.result import mean_over_seeds
from predictions_builder import random_predictions

PEOPLE = tuple(str(number) for number in (*range(101, 113), *range(201, 213)))


def statistic_of(predictions):
    """From weights of people to all metrics of gestures."""
    return mean_over_seeds(metrics_for("gesture"), [cases_of(predictions, PEOPLE)])


def test_intervals_agree_with_scipy():
    predictions = random_predictions(PEOPLE, 30, 0.85, seed=3)
    subjects = np.array(predictions.subjects)
    rights = np.array([predictions.right[subjects == person].sum() for person in PEOPLE])
    sizes = np.array([(subjects == person).sum() for person in PEOPLE])

    def accuracy(rights: np.ndarray, sizes: np.ndarray, axis: int) -> np.ndarray:
        return rights.sum(axis=axis) / sizes.sum(axis=axis)

    expected = stats.bootstrap(
        (rights, sizes), accuracy, paired=True, n_resamples=40_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    found = intervals(statistic_of(predictions), len(PEOPLE), draws=40_000)[0]
    assert found == pytest.approx([expected.low, expected.high], abs=0.002)


def test_the_interval_is_the_same_each_time_and_holds_the_score():
    statistic = statistic_of(random_predictions(PEOPLE, 20, 0.8, seed=1))
    first, second = (intervals(statistic, len(PEOPLE)) for _ in range(2))
    assert (first == second).all()
    observed = statistic(np.ones((1, len(PEOPLE))))[0]
    accuracy, balanced, f1 = (first[at] for at in range(3))
    for (low, high), value in zip((accuracy, balanced, f1), observed, strict=False):
        assert low < value < high


def test_people_are_drawn_not_recordings():
    """One person of many recordings decides the result, so the interval is wide however many recordings there are."""
    few, many = (
        intervals(statistic_of(predictions), len(PEOPLE))[0]
        for predictions in (random_predictions(PEOPLE, 12, 0.7, seed=5), random_predictions(PEOPLE, 300, 0.7, seed=5))
    )
    alone = np.sqrt(0.7 * 0.3 / (300 * len(PEOPLE))) * 2 * 1.96  # if recordings were independent
    assert many[1] - many[0] > 2 * alone
    assert few[1] - few[0] > 0.5 * (many[1] - many[0])


def test_one_person_has_no_interval():
    assert np.isnan(intervals(lambda weights: weights[:, :1], 1)).all()


def test_a_perfect_score_has_an_interval_of_no_width():
    assert bca(1.0, np.ones(100), np.ones(5)) == (1.0, 1.0)


def test_draws_without_a_score_are_left_out():
    drawn = np.where(np.arange(1000) % 2 == 0, np.nan, np.linspace(0, 1, 1000))
    low, high = bca(0.5, drawn, np.array([0.4, 0.5, 0.6]))
    assert (low, high) == pytest.approx((0.025, 0.975), abs=0.01)
    assert np.isnan(bca(float("nan"), drawn, np.ones(3))).all()


def test_every_draw_has_as_many_people_as_there_are():
    assert (draw_people(7, 50).sum(axis=1) == 7).all()


def test_ninety_five_of_a_hundred_intervals_hold_the_true_mean():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        values = rng.normal(0.5, 0.1, size=24)
        low, high = intervals(lambda weights, v=values: (weights @ v / weights.sum(axis=1))[:, None], 24, draws=800)[0]
        hits += bool(low <= 0.5 <= high)
    assert 0.89 <= hits / 200 <= 0.99
