"""A quick try sees as many people and gestures as it can."""

import itertools
from collections import Counter

import pytest

from gesturelab.datasets.selection import spread

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
