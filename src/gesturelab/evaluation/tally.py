"""Scores from counts a person, so that drawing people again and again costs one matrix product."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.evaluation.binary import BINARY_SCORES, INCORRECT, person_wins
from gesturelab.evaluation.predictions import Predictions

BINS = 15
"""Bins of the calibration error: equal widths from 0 to 1, as in C. Guo et al., On Calibration of Modern Neural
Networks, ICML 2017; the upper edge belongs to a bin."""

SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error", "person_accuracy")
"""What `scores` gives, in this order: share of recordings recognised; mean recall over the classes that occur; mean F1
over the classes that occur or were predicted; expected calibration error; mean over people of their accuracy."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Counts of each person's recordings.

    Attributes:
        people: Their ids.
        confusion: Recordings by true and predicted class.
        bins: For each bin of confidence the recordings, the sum of confidences, and the recordings recognised.
        wins: Where the classes are correct and incorrect: for each two people the pairs of recordings in the right
            order (see `gesturelab.evaluation.binary.person_wins`).
    """

    people: tuple[str, ...]
    confusion: Float64[np.ndarray, "people classes classes"]
    bins: Float64[np.ndarray, "people bins 3"]
    wins: Float64[np.ndarray, "people people"] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that it has."""
        return SCORES if self.wins is None else (*SCORES, *BINARY_SCORES)


def tally(predictions: Predictions, people: Sequence[str]) -> Tally:
    """Counts a person; people without a recording have zeros."""
    classes = len(predictions.gestures)
    number = {person: index for index, person in enumerate(people)}
    person = np.array([number[subject] for subject in predictions.subjects], dtype=np.int64)
    confusion = np.zeros((len(people), classes, classes))
    np.add.at(confusion, (person, predictions.truth, predictions.predicted), 1)
    confidence = predictions.probabilities.max(axis=1, initial=0)
    place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins = np.zeros((len(people), BINS, 3))
    values = np.stack([np.ones(len(predictions)), confidence, predictions.right.astype(np.float64)], axis=1)
    np.add.at(bins, (person, place), values)
    wins = None
    if predictions.of_correctness:
        wins = person_wins(person, len(people), predictions.truth, predictions.probabilities[:, INCORRECT])
    return Tally(tuple(people), confusion, bins, wins)


def scores(counts: Tally, weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws scores"]:
    """`SCORES` for people counted as often as the weights say; NaN where there is no recording.

    Where the classes are correct and incorrect, `BINARY_SCORES` follow, and balanced accuracy needs both classes: with
    one only it is NaN, not the accuracy of that one.

    >>> from gesturelab.evaluation.tally import Tally, scores
    >>> two = Tally(("101", "201"), np.array([[[3.0, 0], [0, 1]], [[0, 4], [0, 0]]]), np.zeros((2, BINS, 3)))
    >>> scores(two, np.array([[1.0, 1.0], [1.0, 0.0]]))[:, 0].tolist()
    [0.5, 1.0]
    """
    people, classes, _ = counts.confusion.shape
    matrix = (weights @ counts.confusion.reshape(people, -1)).reshape(-1, classes, classes)
    hits, real, said = matrix.diagonal(axis1=1, axis2=2), matrix.sum(axis=2), matrix.sum(axis=1)
    total = real.sum(axis=1)
    occurs, seen = real > 0, real + said > 0
    recall = np.divide(hits, real, out=np.zeros_like(hits), where=occurs)
    f1 = np.divide(2 * hits, real + said, out=np.zeros_like(hits), where=seen)
    bins = (weights @ counts.bins.reshape(people, -1)).reshape(len(weights), BINS, 3)
    own = counts.confusion.sum(axis=(1, 2))
    share = np.divide(counts.confusion.trace(axis1=1, axis2=2), own, out=np.zeros(people), where=own > 0)
    columns = [
        _ratio(hits.sum(axis=1), total),
        _ratio(recall.sum(axis=1), occurs.sum(axis=1)),
        _ratio(f1.sum(axis=1), seen.sum(axis=1)),
        _ratio(np.abs(bins[:, :, 1] - bins[:, :, 2]).sum(axis=1), total),
        _ratio(weights @ share, weights @ (own > 0)),
    ]
    if counts.wins is not None:
        each = [_ratio(hits[:, one], real[:, one]) for one in (INCORRECT, 1 - INCORRECT)]
        columns[1] = (each[0] + each[1]) / 2
        columns += [*each, _ratio(((weights @ counts.wins) * weights).sum(axis=1), real.prod(axis=1))]
    return np.stack(columns, axis=1)


def _ratio(over: Float64[np.ndarray, " draws"], under: np.ndarray) -> Float64[np.ndarray, " draws"]:
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)


def person_accuracies(predictions: Predictions) -> dict[str, float]:
    """Each person's share of recordings that were recognised, in order of id."""
    people = predictions.people
    row = np.searchsorted(np.array(people), np.array(predictions.subjects)) if people else np.zeros(0, np.int64)
    rights = np.bincount(row, weights=predictions.right, minlength=len(people))
    counts = np.bincount(row, minlength=len(people))
    return dict(zip(people, (rights / counts).tolist(), strict=True))


def class_shares(predictions: Predictions) -> dict[str, float]:
    """What each person adds to balanced accuracy, times the number of people, in order of id.

    A recognised recording counts one over the recordings of its class, so the mean over people is the balanced accuracy
    of all: with it, two sizes are compared person by person, though hardly anybody alone has a balanced accuracy. NaN
    where a class is missing.
    """
    counts = tally(predictions, predictions.people)
    real = counts.confusion.sum(axis=(0, 2))
    weight = np.divide(1.0, real, out=np.full(len(real), np.nan), where=real > 0) / len(real)
    shares = counts.confusion.diagonal(axis1=1, axis2=2) @ weight * len(counts.people)
    return dict(zip(counts.people, shares.tolist(), strict=True))
