"""Counts of each person's recordings, so that drawing people again and again costs one matrix product."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float64, Int64, Real

from gesturelab.evaluation.predictions import Predictions

INCORRECT = 1
"""The class that is looked for where the classes are correct and incorrect."""

BINS = 15
"""Bins of the calibration error: equal widths from 0 to 1, as in C. Guo et al., On Calibration of Modern Neural
Networks, ICML 2017; the upper edge belongs to a bin."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Recordings or windows with their predictions, and whose they are.

    Attributes:
        truth: The true class of each.
        predicted: The predicted class of each.
        probabilities: Of each class; where only an order is known (baselines, peers), any numbers in that order.
        person: The row of the person of each.
        people: How many people there are, those without a case included.
    """

    truth: Int64[np.ndarray, " cases"]
    predicted: Int64[np.ndarray, " cases"]
    probabilities: Float[np.ndarray, "cases classes"]
    person: Int64[np.ndarray, " cases"]
    people: int

    def __len__(self) -> int:
        """How many cases there are."""
        return len(self.truth)

    def take(self, chosen: Int64[np.ndarray, " some"]) -> "Cases":
        """The cases at some places; a place may occur more than once."""
        return Cases(
            self.truth[chosen], self.predicted[chosen], self.probabilities[chosen], self.person[chosen], self.people
        )

    @cached_property
    def confusion(self) -> Float64[np.ndarray, "people classes classes"]:
        """Cases of each person by true and predicted class."""
        classes = self.probabilities.shape[1]
        matrix = np.zeros((self.people, classes, classes))
        np.add.at(matrix, (self.person, self.truth, self.predicted), 1)
        return matrix

    @cached_property
    def bins(self) -> Float64[np.ndarray, "people bins 3"]:
        """For each person and bin of confidence the cases, the sum of confidences, and the cases recognised."""
        confidence = self.probabilities.max(axis=1, initial=0)
        place = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        right = (self.truth == self.predicted).astype(np.float64)
        bins = np.zeros((self.people, BINS, 3))
        np.add.at(bins, (self.person, place), np.stack([np.ones(len(self)), confidence, right], axis=1))
        return bins

    @cached_property
    def wins(self) -> Float64[np.ndarray, "people people"]:
        """Pairs of an incorrect case (of the row's person) and a correct one (of the column's) in the right order.

        Ties count half. So the area under the curve for people counted w times is ``w @ wins @ w`` over the number of
        such pairs.
        """
        score = self.probabilities[:, INCORRECT]
        incorrect, correct = np.flatnonzero(self.truth == INCORRECT), np.flatnonzero(self.truth != INCORRECT)
        wins = np.zeros((self.people, self.people))
        for column in np.unique(self.person[correct]):
            ordered = np.sort(score[correct[self.person[correct] == column]])
            below = np.searchsorted(ordered, score[incorrect], side="left")
            equal = np.searchsorted(ordered, score[incorrect], side="right") - below
            np.add.at(wins, (self.person[incorrect], column), below + equal / 2)
        return wins


def cases_of(predictions: Predictions, people: Sequence[str]) -> Cases:
    """The recordings of some people; people without a recording have none."""
    row = {person: index for index, person in enumerate(people)}
    person = np.array([row[subject] for subject in predictions.subjects], dtype=np.int64)
    return Cases(predictions.truth, predictions.predicted, predictions.probabilities, person, len(people))


@dataclass(frozen=True, eq=False)
class Draws:
    """The counts of draws of people: in each draw every person counts as often as the weights say.

    Attributes:
        cases: The cases of all people.
        weights: How often each person counts.
    """

    cases: Cases
    weights: Float64[np.ndarray, "draws people"]

    @cached_property
    def matrix(self) -> Float64[np.ndarray, "draws classes classes"]:
        """Confusion matrices; rows are the true class."""
        people, classes, _ = self.cases.confusion.shape
        return (self.weights @ self.cases.confusion.reshape(people, -1)).reshape(-1, classes, classes)

    @cached_property
    def hits(self) -> Float64[np.ndarray, "draws classes"]:
        """Cases of each class that were recognised."""
        return self.matrix.diagonal(axis1=1, axis2=2)

    @cached_property
    def real(self) -> Float64[np.ndarray, "draws classes"]:
        """Cases of each true class."""
        return self.matrix.sum(axis=2)

    @cached_property
    def predicted(self) -> Float64[np.ndarray, "draws classes"]:
        """Cases for which each class was predicted."""
        return self.matrix.sum(axis=1)

    @cached_property
    def total(self) -> Float64[np.ndarray, " draws"]:
        """All cases."""
        return self.real.sum(axis=1)

    @cached_property
    def bins(self) -> Float64[np.ndarray, "draws bins 3"]:
        """Cases, sums of confidences and recognised cases by bin of confidence."""
        return (self.weights @ self.cases.bins.reshape(self.cases.people, -1)).reshape(len(self.weights), BINS, 3)


def ratio(over: Float64[np.ndarray, " draws"], under: Real[np.ndarray, " draws"]) -> Float64[np.ndarray, " draws"]:
    """One number over another; NaN where the lower one is 0."""
    return np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
