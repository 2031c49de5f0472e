"""What a run answered to each test recording: its predictions file as a value."""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float64, Int64

from gesturelab.errors import RunError
from gesturelab.files import open_text, why
from gesturelab.runs.info import CORRECTNESS_CLASSES

COLUMNS = ("recording", "subject", "gesture", "correct", "predicted")
"""The first columns of a predictions file; one probability a class follows, named ``p_<class>``. Where the classes are
correct and incorrect, the truth is in ``correct`` (1, or anything else), and `MORE_COLUMNS` follow."""

MORE_COLUMNS = ("seconds", "by_length", "by_majority")

MOST_CORRECTNESS = 1000


@dataclass(frozen=True, eq=False)
class Trivial:
    """What is known of recordings without looking at motion; only where the classes are correct and incorrect.

    Attributes:
        gestures: What was to be done.
        seconds: How long each recording lasts.
        by_length: The class by length alone.
        by_majority: The class that most training recordings have.
    """

    gestures: tuple[str, ...]
    seconds: Float64[np.ndarray, " recordings"]
    by_length: Int64[np.ndarray, " recordings"]
    by_majority: Int64[np.ndarray, " recordings"]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of whole recordings, in order of the recordings' names.

    Attributes:
        gestures: What the indices mean: gestures, or correct and incorrect.
        names: Of the recordings; unique.
        subjects: Who made each recording.
        truth: The class of what was done.
        predicted: The class that was recognised.
        correctness: 1 correct, 2 incorrect, 3 poorly executed.
        probabilities: Of each class.
        trivial: Only where the classes are correct and incorrect.
    """

    gestures: tuple[str, ...]
    names: tuple[str, ...]
    subjects: tuple[str, ...]
    truth: Int64[np.ndarray, " recordings"]
    predicted: Int64[np.ndarray, " recordings"]
    correctness: Int64[np.ndarray, " recordings"]
    probabilities: Float64[np.ndarray, "recordings classes"]
    trivial: Trivial | None = None

    def __len__(self) -> int:
        """How many recordings there are."""
        return len(self.names)

    @property
    def of_correctness(self) -> bool:
        """Whether the classes are correct and incorrect, not gestures."""
        return self.gestures == CORRECTNESS_CLASSES

    @property
    def done(self) -> tuple[str, ...]:
        """The gesture of each recording, whatever the classes are."""
        if self.trivial is not None:
            return self.trivial.gestures
        return tuple(self.gestures[gesture] for gesture in self.truth.tolist())

    @property
    def right(self) -> Bool[np.ndarray, " recordings"]:
        """Whether each recording was recognised."""
        return self.truth == self.predicted

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of the people, in order."""
        return tuple(sorted(set(self.subjects)))

    def take(self, chosen: Int64[np.ndarray, " some"]) -> "Predictions":
        """The recordings at some places."""

        def take_of(column: Any) -> Any:
            return column[chosen] if isinstance(column, np.ndarray) else tuple(column[at] for at in chosen.tolist())

        return _combine([self], lambda columns: take_of(columns[0]))


_Table = TypeVar("_Table", Predictions, Trivial)


def _combine(parts: Sequence[_Table], combine: Callable[[list[Any]], Any]) -> _Table:
    """The same table with other columns, each made from that column of all parts."""
    columns: dict[str, Any] = {}
    for field in fields(parts[0]):
        values = [getattr(part, field.name) for part in parts]
        if field.name == "trivial":
            columns[field.name] = None if values[0] is None else _combine(cast(list[Trivial], values), combine)
        elif field.name != "gestures" or isinstance(parts[0], Trivial):  # the names of classes are no column
            columns[field.name] = combine(values)
    return replace(parts[0], **columns)


def _join(columns: list[Any]) -> Any:
    return np.concatenate(columns) if isinstance(columns[0], np.ndarray) else tuple(chain.from_iterable(columns))


def read_predictions(path: Path) -> Predictions:
    """Reads a predictions file.

    Raises:
        RunError: If it is missing or is not a predictions file; the message names the file, and the line.
    """
    try:
        with open_text(path) as file:
            table = csv.reader(file)
            head = next(table, [])
            gestures = tuple(name.removeprefix("p_") for name in head[len(COLUMNS) :] if name.startswith("p_"))
            if tuple(head[: len(COLUMNS)]) != COLUMNS or len(set(gestures)) < max(len(gestures), 1):
                raise RunError(f"{path} is not a predictions file: it should begin with {','.join(COLUMNS)},p_...")
            if gestures == CORRECTNESS_CLASSES and tuple(head[-len(MORE_COLUMNS) :]) != MORE_COLUMNS:
                raise RunError(f"{path} is damaged: it should end with the columns {','.join(MORE_COLUMNS)}")
            return _from_rows(path, gestures, list(table))
    except FileNotFoundError:
        raise RunError(f"{path} is missing: run the training again") from None
    except (OSError, ValueError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {why(error)}") from error


def _from_rows(path: Path, gestures: tuple[str, ...], rows: list[list[str]]) -> Predictions:
    number = {gesture: index for index, gesture in enumerate(gestures)}
    first, last = len(COLUMNS), len(COLUMNS) + len(gestures)
    of_correctness = gestures == CORRECTNESS_CLASSES
    labels: list[tuple[int, int, int]] = []
    trivial: list[tuple[float, int, int]] = []
    probabilities: list[list[float]] = []
    for line, row in enumerate(rows, 2):
        try:
            correct = int(row[3])
            if abs(correct) > MOST_CORRECTNESS:
                raise ValueError(f"correctness {row[3][:40]}")
            labels.append((int(correct != 1) if of_correctness else number[row[2]], number[row[4]], correct))
            if of_correctness:
                trivial.append((float(row[last]), number[row[last + 1]], number[row[last + 2]]))
                if not math.isfinite(trivial[-1][0]):
                    raise ValueError(f"{row[last]} seconds")
            shares = [float(cell) for cell in row[first:last]]
        except (KeyError, ValueError, IndexError) as error:
            raise RunError(f"{path}, line {line}, cannot be read: {error!r}; run the training again") from error
        if len(shares) != len(gestures) or not (all(0 <= p <= 1 for p in shares) and 0.99 < sum(shares) < 1.01):
            raise RunError(f"{path}, line {line}: the probabilities do not sum to 1; run the training again")
        probabilities.append(shares)
    truth, predicted, correctness = np.array(labels, dtype=np.int64).reshape(-1, 3).T
    seconds, *rules = np.array(trivial, dtype=np.float64).reshape(-1, 3).T
    by_length, by_majority = (rule.astype(np.int64) for rule in rules)
    predictions = Predictions(
        gestures,
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
        truth,
        predicted,
        correctness,
        np.array(probabilities, dtype=np.float64).reshape(-1, len(gestures)),
        Trivial(tuple(row[2] for row in rows), seconds, by_length, by_majority) if of_correctness else None,
    )
    return _sort(predictions, lambda name: f"{path} has recording {name} twice; run the training again")


def _sort(predictions: Predictions, twice: Callable[[str], str]) -> Predictions:
    """The recordings in order of their names, none of which may occur twice."""
    names = predictions.names
    order = sorted(range(len(names)), key=names.__getitem__)
    for one, other in pairwise(order):
        if names[one] == names[other]:
            raise RunError(twice(names[one]))
    return predictions.take(np.array(order, dtype=np.int64))


def concatenate_predictions(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of different recordings as one value.

    Raises:
        RunError: If two parts hold the same recording, or their gestures differ.
    """
    if any(part.gestures != parts[0].gestures for part in parts):
        raise RunError("predictions of different gestures cannot be put together")
    return _sort(_combine(parts, _join), lambda name: f"recording {name} was tested in two folds")


def mean_of(seeds: Sequence[Predictions]) -> Predictions:
    """The ensemble: probabilities of the same recordings averaged over several trainings."""
    assert all(each.names == seeds[0].names for each in seeds), "an ensemble predicts the same recordings"
    probabilities = np.mean([each.probabilities for each in seeds], axis=0)
    return replace(seeds[0], predicted=probabilities.argmax(axis=1), probabilities=probabilities)
