"""What a run said of each test recording: its predictions file as a value."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

    def take(self, chosen: Int64[np.ndarray, " some"]) -> "Trivial":
        """The recordings at some places."""
        gestures = tuple(self.gestures[at] for at in chosen.tolist())
        return Trivial(gestures, self.seconds[chosen], self.by_length[chosen], self.by_majority[chosen])


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
        return Predictions(
            self.gestures,
            tuple(self.names[at] for at in chosen.tolist()),
            tuple(self.subjects[at] for at in chosen.tolist()),
            self.truth[chosen],
            self.predicted[chosen],
            self.correctness[chosen],
            self.probabilities[chosen],
            None if self.trivial is None else self.trivial.take(chosen),
        )


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
            probabilities.append([float(cell) for cell in row[first:last]])
        except (KeyError, ValueError, IndexError) as error:
            raise RunError(f"{path}, line {line}, cannot be read: {error!r}; run the training again") from error
        right = all(0 <= one <= 1 for one in probabilities[-1]) and 0.99 < sum(probabilities[-1]) < 1.01
        if len(probabilities[-1]) != len(gestures) or not right:
            raise RunError(f"{path}, line {line}: the probabilities do not sum to 1; run the training again")
    names = [row[0] for row in rows]
    if twice := _twice(names):
        raise RunError(f"{path} has recording {twice[0]} twice; run the training again")
    columns = np.array(labels, dtype=np.int64).reshape(-1, 3)
    more = np.array(trivial, dtype=np.float64).reshape(-1, 3)
    said = more[:, 1:].astype(np.int64)
    found = Predictions(
        gestures,
        tuple(names),
        tuple(row[1] for row in rows),
        columns[:, 0],
        columns[:, 1],
        columns[:, 2],
        np.array(probabilities, dtype=np.float64).reshape(-1, len(gestures)),
        Trivial(tuple(row[2] for row in rows), more[:, 0], said[:, 0], said[:, 1]) if of_correctness else None,
    )
    return found.take(np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64))


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def put_together(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of different recordings as one value.

    Raises:
        RunError: If two parts hold the same recording, or their gestures differ.
    """
    gestures = parts[0].gestures
    names = [name for part in parts for name in part.names]
    if any(part.gestures != gestures for part in parts):
        raise RunError("predictions of different gestures cannot be put together")
    if twice := _twice(names):
        raise RunError(f"recording {twice[0]} was tested in two folds")
    whole = Predictions(
        gestures,
        tuple(names),
        tuple(subject for part in parts for subject in part.subjects),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.correctness for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        _trivial_together([part.trivial for part in parts if part.trivial is not None]),
    )
    return whole.take(np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64))


def _trivial_together(parts: Sequence[Trivial]) -> Trivial | None:
    if not parts:
        return None
    return Trivial(
        tuple(gesture for part in parts for gesture in part.gestures),
        np.concatenate([part.seconds for part in parts]),
        np.concatenate([part.by_length for part in parts]),
        np.concatenate([part.by_majority for part in parts]),
    )


def mean_of(seeds: Sequence[Predictions]) -> Predictions:
    """The ensemble: probabilities of the same recordings averaged over several trainings."""
    first = seeds[0]
    assert all(one.names == first.names for one in seeds), "an ensemble predicts the same recordings"
    probabilities = np.mean([one.probabilities for one in seeds], axis=0)
    return Predictions(
        first.gestures,
        first.names,
        first.subjects,
        first.truth,
        probabilities.argmax(axis=1),
        first.correctness,
        probabilities,
        first.trivial,
    )
