"""Trivial answers that a network must beat.

To "correct or incorrect?": length alone, and always the same class. Of a person with a few recordings: the nearest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from gesturelab.datasets.recording import Recording
from gesturelab.evaluation.counts import INCORRECT

WARPED_FRAMES = 32
"""Of each recording, at equal distances, are compared with others."""


@dataclass(frozen=True)
class Baselines:
    """What is learned from training recordings without looking at motion.

    Attributes:
        threshold_s: Longer recordings are called incorrect.
        majority: The class that most training recordings have.
    """

    threshold_s: float
    majority: int

    def by_length(self, seconds: Float64[np.ndarray, " recordings"]) -> Int64[np.ndarray, " recordings"]:
        """The class of each recording by its length alone."""
        return np.where(seconds > self.threshold_s, INCORRECT, 1 - INCORRECT).astype(np.int64)

    def by_majority(self, seconds: Float64[np.ndarray, " recordings"]) -> Int64[np.ndarray, " recordings"]:
        """The same class for all recordings."""
        return np.full(len(seconds), self.majority, dtype=np.int64)


def fit_baselines(
    seconds: Float64[np.ndarray, " recordings"], truth: Int64[np.ndarray, " recordings"]
) -> Baselines:  # fmt: skip
    """Fits both on training recordings.

    The threshold is half-way between two lengths that occur, and has the highest balanced accuracy: the score that
    leads wherever results are shown. Of equal ones it is the lowest.

    Args:
        seconds: How long each recording lasts.
        truth: 0 correct, 1 incorrect; both must occur.

    >>> fit_baselines(np.array([1.0, 2.0, 3.0, 5.0]), np.array([0, 0, 0, 1]))
    Baselines(threshold_s=4.0, majority=0)
    """
    lengths, place = np.unique(seconds, return_inverse=True)
    incorrect = np.bincount(place, weights=truth == INCORRECT)
    correct = np.bincount(place, weights=truth != INCORRECT)
    # above the threshold after length k are the incorrect ones found, below it the correct ones left alone
    sensitivity = 1 - np.cumsum(incorrect) / incorrect.sum()
    specificity = np.cumsum(correct) / correct.sum()
    best = int(np.argmax(np.round(sensitivity + specificity, 12)))
    above = lengths[min(best + 1, len(lengths) - 1)]
    return Baselines(float((lengths[best] + above) / 2), int(incorrect.sum() > correct.sum()))


def warped_distances(
    recordings: Sequence[Recording], templates: Sequence[Recording]
) -> Float64[np.ndarray, "recordings templates"]:
    """How far recordings are from templates by dynamic time warping, in metres summed over frames.

    Nothing is learned: joints are compared where they are, from where the root is on average (H. Sakoe and S. Chiba,
    IEEE Transactions on Acoustics, Speech, and Signal Processing 1978).
    """

    def channels(recording: Recording) -> Float64[np.ndarray, "frames channels"]:
        frames = np.linspace(0, len(recording.positions) - 1, WARPED_FRAMES).round().astype(np.int64)
        centre = recording.positions[:, recording.skeleton.root].mean(axis=0)
        return (recording.positions[frames] - centre).reshape(WARPED_FRAMES, -1).astype(np.float64)

    others = np.stack([channels(template) for template in templates])
    distances = np.empty((len(recordings), len(templates)))
    for place, recording in enumerate(recordings):
        own = channels(recording)
        products = np.moveaxis(others @ own.T, 2, 0)
        squares = np.square(own).sum(axis=1)[:, None, None] + np.square(others).sum(axis=2) - 2 * products
        steps = np.sqrt(squares.clip(min=0))  # (own frames, templates, their frames)
        costs = steps[0].cumsum(axis=1)
        for step in steps[1:]:
            entered = costs.copy()  # the cheapest way to come from the frame before
            entered[:, 1:] = np.minimum(costs[:, 1:], costs[:, :-1])
            along = step.cumsum(axis=1)
            costs = along + np.minimum.accumulate(entered - (along - step), axis=1)
        distances[place] = costs[:, -1]
    return distances
