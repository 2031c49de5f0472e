"""Correct or incorrect: scores of two classes, where *incorrect* (class 1) is what is to be found."""

from typing import TypedDict

import numpy as np
from jaxtyping import Float64, Int64

INCORRECT = 1
BINARY_SCORES = ("sensitivity", "specificity", "roc_auc")
"""Recall of incorrect recordings; recall of correct ones; the chance that an incorrect recording is thought more likely
to be incorrect than a correct one is."""


class BinaryScores(TypedDict):
    """Scores of some recordings; null where the recordings lack the class, or one of the classes, that it needs."""

    accuracy: float
    balanced_accuracy: float | None
    """Mean of sensitivity and specificity: without both there is none."""
    sensitivity: float | None
    """Share of incorrect recordings that were called incorrect."""
    specificity: float | None
    """Share of correct recordings that were called correct."""
    roc_auc: float | None
    """Area under the receiver operating characteristic."""
    count: int


def binary_scores(
    truth: Int64[np.ndarray, " cases"], predicted: Int64[np.ndarray, " cases"], score: Float64[np.ndarray, " cases"]
) -> BinaryScores:
    """Scores of recordings or windows.

    Args:
        truth: 0 correct, 1 incorrect.
        predicted: The same.
        score: The larger, the likelier incorrect; only its order matters.

    >>> binary_scores(np.array([0, 0]), np.array([0, 1]), np.array([0.1, 0.9]))["balanced_accuracy"] is None
    True
    """
    found, others = truth == INCORRECT, truth != INCORRECT
    sensitivity = float((predicted[found] == INCORRECT).mean()) if found.any() else None
    specificity = float((predicted[others] != INCORRECT).mean()) if others.any() else None
    return BinaryScores(
        accuracy=float((truth == predicted).mean()),
        balanced_accuracy=None if sensitivity is None or specificity is None else (sensitivity + specificity) / 2,
        sensitivity=sensitivity,
        specificity=specificity,
        roc_auc=roc_auc(truth, score),
        count=len(truth),
    )


def roc_auc(truth: Int64[np.ndarray, " cases"], score: Float64[np.ndarray, " cases"]) -> float | None:
    """Area under the receiver operating characteristic; null where a class is missing.

    >>> roc_auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    nobody = np.zeros(len(truth), dtype=np.int64)
    pairs = int((truth == INCORRECT).sum()) * int((truth != INCORRECT).sum())
    return float(person_wins(nobody, 1, truth, score)[0, 0] / pairs) if pairs else None


def person_wins(
    person: Int64[np.ndarray, " cases"],
    people: int,
    truth: Int64[np.ndarray, " cases"],
    score: Float64[np.ndarray, " cases"],
) -> Float64[np.ndarray, "people people"]:
    """Pairs of an incorrect recording (of the row's person) and a correct one (of the column's) in the right order.

    Ties count half. So the area for people counted w times is ``w @ wins @ w`` over the number of such pairs.
    """
    found, others = np.flatnonzero(truth == INCORRECT), np.flatnonzero(truth != INCORRECT)
    wins = np.zeros((people, people))
    for column in np.unique(person[others]):
        line = np.sort(score[others[person[others] == column]])
        below = np.searchsorted(line, score[found], side="left")
        equal = np.searchsorted(line, score[found], side="right") - below
        np.add.at(wins, (person[found], column), below + equal / 2)
    return wins
