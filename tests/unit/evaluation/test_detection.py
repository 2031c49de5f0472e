"""Segments against intervals: by hand, and against scipy's matching."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from gesturelab.datasets.untrimmed import Interval
from gesturelab.evaluation.detection import Detections, count_right, score_detections

WAVE = Interval(2.0, 4.0, "wave")


@pytest.mark.parametrize(
    ("segment", "right"),
    [
        (Interval(2.0, 4.0, "wave"), 1),
        (Interval(3.0, 4.0, "wave"), 1),  # half of the time
        (Interval(3.1, 4.0, "wave"), 0),
        (Interval(0.0, 4.0, "wave"), 1),
        (Interval(0.0, 4.1, "wave"), 0),  # covers it, and as much beside it
        (Interval(2.0, 4.0, "clap"), 0),
        (Interval(5.0, 7.0, "wave"), 0),
    ],
)
def test_half_of_the_time_and_the_gesture_make_a_segment_right(segment, right):
    assert count_right([WAVE], [segment]) == right


def test_an_interval_counts_once_and_so_does_a_segment():
    assert count_right([WAVE], [WAVE, Interval(2.1, 3.9, "wave")]) == 1
    assert count_right([WAVE, Interval(2.1, 3.9, "wave")], [WAVE]) == 1
    assert count_right([], [WAVE]) == count_right([WAVE], []) == 0


def one_after_another(draws: np.random.Generator, count: int) -> list[Interval]:
    times = np.sort(draws.uniform(0, 20, 2 * count)).tolist()
    gestures = draws.choice(["wave", "clap"], count).tolist()
    return [Interval(*pair) for pair in zip(times[::2], times[1::2], gestures, strict=True)]


def test_as_many_are_right_as_the_best_matching_has():
    total = 0
    for seed in range(50):
        draws = np.random.default_rng(seed)
        true, found = one_after_another(draws, 6), []
        for each in true:
            start_s = max(each.start_s + draws.normal(0, 0.3), found[-1].end_s if found else 0.0)
            found.append(Interval(start_s, max(each.end_s + draws.normal(0, 0.3), start_s + 0.1), each.gesture))
        allowed = np.zeros((6, 6))
        for row, a in enumerate(true):
            for column, b in enumerate(found):
                grid = np.linspace(-5, 25, 30_001)
                in_a, in_b = ((grid >= each.start_s) & (grid < each.end_s) for each in (a, b))
                allowed[row, column] = a.gesture == b.gesture and (in_a & in_b).sum() >= 0.5 * (in_a | in_b).sum()
        best = allowed[linear_sum_assignment(-allowed)].sum()
        assert count_right(true, found) == best
        total += best
    assert 50 < total < 290


def test_scores_are_of_all_recordings_together():
    two = [
        Detections("Anna", true=10, found=5, right=4, at_rest=1, seconds=1800, rest_seconds=900, way="model"),
        Detections("Anna", true=10, found=5, right=2, at_rest=0, seconds=1800, rest_seconds=900, way="model"),
        Detections("Ben", true=20, found=30, right=14, at_rest=5, seconds=3600, rest_seconds=1800, way="model"),
    ]
    scores = score_detections(two)
    values = {name: score["value"] for name, score in scores.items()}
    assert values == pytest.approx({"precision": 0.5, "recall": 0.5, "F1": 0.5, "false an hour": 10, "at rest": 6})
    for low, high, name in (
        (6 / 10, 14 / 30, "precision"),
        (6 / 20, 14 / 20, "recall"),
        (4, 16, "false an hour"),
        (2, 10, "at rest"),
    ):
        assert scores[name]["low"] == pytest.approx(min(low, high))
        assert scores[name]["high"] == pytest.approx(max(low, high))


def test_where_nothing_was_found_there_is_no_precision():
    nothing = Detections("Anna", true=3, found=0, right=0, at_rest=0, seconds=60, rest_seconds=0, way="motion")
    scores = score_detections([nothing])
    assert scores["precision"]["value"] is scores["at rest"]["value"] is None
    assert (scores["recall"]["value"], scores["F1"]["value"], scores["false an hour"]["value"]) == (0, 0, 0)
