"""Movements that a model has never seen: the score that tells them from known gestures, and how well it does."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from gesturelab.errors import RunError
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.result import Value
from gesturelab.files import open_text, why

NONE_OF_THESE = "none of these"
"""The answer to a movement that the model does not know."""

KEPT_SHARE = 0.95
"""So many recordings of known gestures by validation people are kept: they are not answered with `NONE_OF_THESE`."""

COLUMNS = ("recording", "subject", "gesture", "known", "confidence", "score", "answer")
"""Of an unknown file: ``known`` is 1 or 0."""


@dataclass(frozen=True, eq=False)
class UnknownAnswers:
    """What a model that has never seen one gesture says of test people's recordings, those of that gesture too.

    Attributes:
        gesture: The gesture that was left out.
        subjects: Who moves.
        known: Whether the model knows the gesture.
        confidence: The calibrated probability of the most probable gesture.
        score: How far it is from known gestures, of `gesturelab.models.known_gestures`.
        refused: Whether the answer is `NONE_OF_THESE`.
    """

    gesture: str
    subjects: tuple[str, ...]
    known: Bool[np.ndarray, " recordings"]
    confidence: Float64[np.ndarray, " recordings"]
    score: Float64[np.ndarray, " recordings"]
    refused: Bool[np.ndarray, " recordings"]


def read_unknown(path: Path) -> UnknownAnswers | None:
    """Reads an unknown file; None where no test person made the gesture.

    Raises:
        RunError: If it is missing or damaged.
    """
    try:
        with open_text(path) as file:
            rows = list(csv.DictReader(file, strict=True))
        known = np.array([{"1": True, "0": False}[row["known"]] for row in rows], dtype=bool)
        confidence, score = (np.array([float(row[name]) for row in rows]) for name in ("confidence", "score"))
        if not known.any() or not (np.isfinite(confidence).all() and np.isfinite(score).all()):
            raise ValueError("it lacks recordings of known gestures, or finite numbers")
        if known.all():
            return None
        refused = np.array([row["answer"] == NONE_OF_THESE for row in rows])
        gesture = next(row["gesture"] for row in rows if row["known"] == "0")
        return UnknownAnswers(gesture, tuple(row["subject"] for row in rows), known, confidence, score, refused)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {why(error)}; run the training again") from error


@dataclass(frozen=True)
class UnknownScores:
    """How well unknown movements are told from known gestures; means over the gestures left out, 95 % over people.

    Attributes:
        gestures: How many were left out in turn.
        people: Test people.
        trainings: How many.
        auroc: Area under the ROC curve of the score.
        auroc_confidence: That of the maximum probability on the same recordings.
        above: Their difference.
        kept: Share of the recordings of known gestures that are answered with a gesture.
        refused: Share of the recordings of unknown movements that are answered with `NONE_OF_THESE`.
    """

    gestures: int
    people: int
    trainings: int
    auroc: Value
    auroc_confidence: Value
    above: Value
    kept: Value
    refused: Value


@dataclass(frozen=True)
class UnknownResult:
    """One model's scores of unknown movements.

    Attributes:
        model: What the comparison calls it.
        data: The dataset's name, with the words SYNTHETIC or LEAKY where they apply.
        groups: The numbers of the comparison's groups that it is made of.
        scores: Means over the gestures left out.
    """

    model: str
    data: str
    groups: tuple[int, ...]
    scores: UnknownScores


def compare_scores(runs: Sequence[UnknownAnswers]) -> UnknownScores:
    """Scores of trainings that each left one gesture out; recordings are compared within a training."""
    gestures = sorted({run.gesture for run in runs})
    people = sorted({person for run in runs for person in run.subjects})
    pairs = np.zeros((len(gestures), 2, 2, len(people), len(people)))
    counts = np.zeros((len(gestures), 2, 2, len(people)))
    for run in runs:
        gesture, person = gestures.index(run.gesture), np.array([people.index(each) for each in run.subjects])
        for at, score in enumerate((run.score, -run.confidence)):
            pairs[gesture, at] += _count_pairs(score, run.known, person, len(people))
        for at, (part, right) in enumerate(((run.known, ~run.refused), (~run.known, run.refused))):
            counts[gesture, at] += [np.bincount(person[each], minlength=len(people)) for each in (part & right, part)]

    def statistic(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws 5"]:
        ordered, total = np.einsum("dp,gsapq,dq->adgs", weights, pairs, weights, optimize=True)
        right, every = np.einsum("dp,gsap->adgs", weights, counts)
        auroc, shares = _mean(ordered, total), _mean(right, every)
        return np.column_stack([auroc, auroc[:, 0] - auroc[:, 1], shares])

    bounds = intervals(statistic, len(people)).tolist()
    values = [
        Value(value=value, low=None if np.isnan(low) else low, high=None if np.isnan(high) else high)
        for value, (low, high) in zip(statistic(np.ones((1, len(people))))[0].tolist(), bounds, strict=True)
    ]
    return UnknownScores(len(gestures), len(people), len(runs), *values)


def _mean(
    part: Float64[np.ndarray, "draws gestures scores"], total: Float64[np.ndarray, "draws gestures scores"]
) -> Float64[np.ndarray, "draws scores"]:
    """The mean share over the gestures that a draw has; NaN where it has none."""
    has = (total > 0).all(axis=2, keepdims=True)
    shares = np.where(has, part / np.where(total > 0, total, 1), 0)
    with np.errstate(invalid="ignore"):
        return shares.sum(axis=1) / has.sum(axis=1)


def _count_pairs(
    score: Float64[np.ndarray, " recordings"],
    known: Bool[np.ndarray, " recordings"],
    person: Int64[np.ndarray, " recordings"],
    people: int,
) -> Float64[np.ndarray, "2 people people"]:
    """Pairs of a known and an unknown recording, by both persons: those in the right order, and all."""
    pairs = np.zeros((2, people, people))
    higher = score[~known][None] - score[known][:, None]
    place = tuple(np.broadcast_arrays(person[known][:, None], person[~known][None]))
    np.add.at(pairs[0], place, (higher > 0) + (higher == 0) / 2)
    np.add.at(pairs[1], place, 1)
    return pairs
