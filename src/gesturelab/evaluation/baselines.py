"""Trivial answers to "correct or incorrect?" that a network must beat: length alone, and always the same class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from gesturelab.evaluation.counts import INCORRECT


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
