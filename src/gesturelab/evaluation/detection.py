"""How well gestures are found in untrimmed recordings: precision, recall and F1 of segments, and false ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.untrimmed import Interval
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.result import Value

OVERLAP = 0.5
"""A segment is right if it has its interval's gesture and both share at least so much of the time that either takes."""

FALSE_AN_HOUR = "false an hour"
"""Segments that are not right, in an hour of recordings; no share, as the other measures are."""
REST_AN_HOUR = "at rest"
"""Segments that no gesture has a moment in common with, in an hour between gestures."""


@dataclass(frozen=True)
class Detections:
    """What was found in untrimmed recordings of one person.

    Attributes:
        subject: The person's id.
        true: How many gestures there are.
        found: How many segments were found.
        right: How many of them are right.
        at_rest: How many have no moment in common with any gesture.
        seconds: How long the recordings last.
        rest_seconds: How long of that no gesture lasts.
        way: How segments were found.
    """

    subject: str
    true: int
    found: int
    right: int
    at_rest: int
    seconds: float
    rest_seconds: float
    way: str


def overlap(first: Interval, second: Interval) -> float:
    """Intersection over union of two intervals' times.

    >>> overlap(Interval(0.0, 3.0, "a"), Interval(1.0, 4.0, "a"))
    0.5
    """
    shared_s = min(first.end_s, second.end_s) - max(first.start_s, second.start_s)
    whole_s = max(first.end_s, second.end_s) - min(first.start_s, second.start_s)
    return max(0.0, shared_s) / whole_s if whole_s > 0 else 0.0


def count_right(true: Sequence[Interval], found: Sequence[Interval]) -> int:
    """How many segments are right: each interval has one at most, those that overlap most are matched first.

    The measure of temporal action detection (H. Idrees et al., The THUMOS challenge, CVIU 2017), without a ranking.
    """
    pairs = sorted(
        (-overlap(interval, segment), at, place)
        for at, interval in enumerate(true)
        for place, segment in enumerate(found)
        if interval.gesture == segment.gesture and overlap(interval, segment) >= OVERLAP
    )
    intervals_left, segments_left = set(range(len(true))), set(range(len(found)))
    for _, at, place in pairs:
        if at in intervals_left and place in segments_left:
            intervals_left.remove(at)
            segments_left.remove(place)
    return len(true) - len(intervals_left)


def count_at_rest(true: Sequence[Interval], found: Sequence[Interval]) -> int:
    """How many segments lie where there is no gesture.

    >>> count_at_rest([Interval(1.0, 2.0, "a")], [Interval(1.5, 3.0, "b"), Interval(2.0, 3.0, "a")])
    1
    """
    return sum(all(min(one.end_s, two.end_s) <= max(one.start_s, two.start_s) for two in true) for one in found)


def rest_seconds(true: Sequence[Interval], seconds: float) -> float:
    """How long of a recording no gesture lasts; moments that two share count once.

    >>> rest_seconds([Interval(1.0, 3.0, "a"), Interval(2.0, 4.0, "b")], 10.0)
    7.0
    """
    rest_s, since_s = seconds, 0.0
    for interval in sorted(true, key=lambda each: each.start_s):
        rest_s -= max(0.0, min(interval.end_s, seconds) - max(interval.start_s, since_s))
        since_s = max(since_s, interval.end_s)
    return rest_s


def score_detections(detections: Sequence[Detections]) -> dict[str, Value]:
    """Precision, recall, F1 and false detections an hour, of all recordings together; None where there is none.

    False detections are counted in all of the recordings, and those at rest between gestures.
    """
    people = sorted({each.subject for each in detections})
    counts = np.zeros((len(people), 6))
    for each in detections:
        own = (each.true, each.found, each.right, each.seconds, each.at_rest, each.rest_seconds)
        counts[people.index(each.subject)] += own

    def measure(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws measures"]:
        true, found, right, seconds, at_rest, rest_s = (weights @ counts).T
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = (right / found, right / true, 2 * right / (true + found))
            an_hour = ((found - right) / (seconds / 3600), at_rest / (rest_s / 3600))
        return np.stack([*shares, *an_hour], axis=1)

    values, bounds = measure(np.ones((1, len(people))))[0].tolist(), intervals(measure, len(people)).tolist()
    names = ("precision", "recall", "F1", FALSE_AN_HOUR, REST_AN_HOUR)
    scores: dict[str, Value] = {}
    for name, *numbers in zip(names, values, *zip(*bounds, strict=True), strict=True):
        value, low, high = (None if np.isnan(number) else float(number) for number in numbers)
        scores[name] = Value(value=value, low=low, high=high)
    return scores
