"""How well gestures are found in untrimmed recordings: precision, recall and F1 of segments, and false detections."""

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
"""The measure that is no share: segments that are not right, in an hour of recordings."""


@dataclass(frozen=True)
class Detections:
    """What was found in untrimmed recordings of one person.

    Attributes:
        subject: The person's id.
        true: How many gestures there are.
        found: How many segments were found.
        right: How many of them are right.
        seconds: How long the recordings last.
        way: How segments were found.
    """

    subject: str
    true: int
    found: int
    right: int
    seconds: float
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


def score_detections(detections: Sequence[Detections]) -> dict[str, Value]:
    """Precision, recall, F1 and false detections an hour, of all recordings together; None where there is none."""
    people = sorted({each.subject for each in detections})
    counts = np.zeros((len(people), 4))
    for each in detections:
        counts[people.index(each.subject)] += (each.true, each.found, each.right, each.seconds)

    def measure(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws measures"]:
        true, found, right, seconds = (weights @ counts).T
        with np.errstate(invalid="ignore", divide="ignore"):
            measures = (right / found, right / true, 2 * right / (true + found), (found - right) / (seconds / 3600))
        return np.stack(measures, axis=1)

    values, bounds = measure(np.ones((1, len(people))))[0].tolist(), intervals(measure, len(people)).tolist()
    names = ("precision", "recall", "F1", FALSE_AN_HOUR)
    scores: dict[str, Value] = {}
    for name, *numbers in zip(names, values, *zip(*bounds, strict=True), strict=True):
        value, low, high = (None if np.isnan(number) else float(number) for number in numbers)
        scores[name] = Value(value=value, low=low, high=high)
    return scores
