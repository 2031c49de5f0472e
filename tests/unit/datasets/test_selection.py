"""A quick try sees as many people and gestures as it can."""

import itertools
from collections import Counter

import numpy as np
import pytest

from gesturelab.datasets.selection import draw_sample, spread

PAIRS = list(itertools.product(["a", "b", "c", "d"], range(9), range(5)))
SUBJECTS = [subject for subject, _, _ in PAIRS]
GESTURES = [gesture for _, gesture, _ in PAIRS]


@pytest.mark.parametrize("count", [1, 4, 9, 10, 36, 40, 77, 179])
def test_counts_of_people_and_of_gestures_differ_by_at_most_one(count):
    chosen = spread(SUBJECTS, GESTURES, count)
    assert len(chosen) == len(set(chosen.tolist())) == count
    for values, kinds in ((SUBJECTS, 4), (GESTURES, 9)):
        counts = Counter(values[index] for index in chosen)
        assert len(counts) == min(count, kinds)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_all_when_there_are_no_more():
    assert spread(["a", "b"], [0, 1], None).tolist() == [0, 1]
    assert spread(["a", "b"], [0, 1], 2).tolist() == [0, 1]
    assert spread(["a", "b"], [0, 1], 9).tolist() == [0, 1]


def test_what_is_scarce_does_not_stop_the_rest():
    subjects = ["a"] * 10 + ["b"]
    chosen = spread(subjects, [0] * 11, 5)
    assert Counter(subjects[index] for index in chosen) == {"a": 4, "b": 1}


def test_a_sample_has_each_class_and_each_person_in_it_as_often_as_all_have():
    rng = np.random.default_rng(0)
    subjects, classes = [f"p{number}" for number in rng.integers(0, 30, 20_000)], rng.integers(0, 9, 20_000) // 3
    chosen = draw_sample(subjects, classes, 1500, seed=4)
    assert len(set(chosen.tolist())) == 1500
    assert chosen.tolist() == sorted(chosen.tolist())
    for kinds in (list(zip(classes.tolist(), subjects, strict=True)), classes.tolist()):
        drawn, everything = Counter(kinds[index] for index in chosen), Counter(kinds)
        assert all(abs(drawn[kind] - 1500 / 20_000 * count) <= 1 for kind, count in everything.items())


def test_a_sample_follows_from_the_seed_and_draws_any_recording():
    subjects, classes = ["a"] * 50 + ["b"] * 50, np.zeros(100, dtype=np.int64)
    draws = [draw_sample(subjects, classes, 10, seed).tolist() for seed in range(60)]
    assert draws[3] == draw_sample(subjects, classes, 10, 3).tolist()
    assert set().union(*draws) == set(range(100))
    assert draw_sample(subjects, classes, None, 0).tolist() == list(range(100))
    assert draw_sample(subjects, classes, 100, 0).tolist() == list(range(100))
