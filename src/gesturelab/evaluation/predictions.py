"""What a run said of each test recording: its predictions file as a value."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from gesturelab.errors import RunError

COLUMNS = ("recording", "subject", "gesture", "correct", "predicted")
"""The first columns of a predictions file; one probability a gesture follows, named ``p_<gesture>``."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of whole recordings, in order of the recordings' names.

    Attributes:
        gestures: What the indices mean.
        names: Of the recordings; unique.
        subjects: Who made each recording.
        truth: The gesture that was done.
        predicted: The gesture that was recognised.
        correctness: 1 correct, 2 incorrect, 3 poorly executed.
        probabilities: Of each gesture.
    """

    gestures: tuple[str, ...]
    names: tuple[str, ...]
    subjects: tuple[str, ...]
    truth: Int64[np.ndarray, " recordings"]
    predicted: Int64[np.ndarray, " recordings"]
    correctness: Int64[np.ndarray, " recordings"]
    probabilities: Float64[np.ndarray, "recordings classes"]

    def __len__(self) -> int:
        """How many recordings there are."""
        return len(self.names)

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
        )


def read_predictions(path: Path) -> Predictions:
    """Reads a predictions file.

    Raises:
        RunError: If it is missing or is not a predictions file; the message names the file, and the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.reader(file)
            head = next(table, [])
            gestures = tuple(name.removeprefix("p_") for name in head[len(COLUMNS) :] if name.startswith("p_"))
            if tuple(head[: len(COLUMNS)]) != COLUMNS or len(gestures) < 1:
                raise RunError(f"{path} is not a predictions file: it should begin with {','.join(COLUMNS)},p_...")
            return _from_rows(path, gestures, list(table))
    except FileNotFoundError:
        raise RunError(f"{path} is missing: run the training again") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _from_rows(path: Path, gestures: tuple[str, ...], rows: list[list[str]]) -> Predictions:
    number = {gesture: index for index, gesture in enumerate(gestures)}
    first, last = len(COLUMNS), len(COLUMNS) + len(gestures)
    labels: list[tuple[int, int, int]] = []
    probabilities: list[list[float]] = []
    for line, row in enumerate(rows, 2):
        try:
            labels.append((number[row[2]], number[row[4]], int(row[3])))
            probabilities.append([float(cell) for cell in row[first:last]])
        except (KeyError, ValueError, IndexError) as error:
            raise RunError(f"{path}, line {line}, cannot be read: {error!r}; run the training again") from error
        if len(probabilities[-1]) != len(gestures) or not 0.99 < sum(probabilities[-1]) < 1.01:
            raise RunError(f"{path}, line {line}: the probabilities do not sum to 1; run the training again")
    names = [row[0] for row in rows]
    if len(set(names)) < len(names):
        twice = sorted(name for name in set(names) if names.count(name) > 1)
        raise RunError(f"{path} has recording {twice[0]} twice; run the training again")
    columns = np.array(labels, dtype=np.int64).reshape(-1, 3)
    found = Predictions(
        gestures,
        tuple(names),
        tuple(row[1] for row in rows),
        columns[:, 0],
        columns[:, 1],
        columns[:, 2],
        np.array(probabilities, dtype=np.float64).reshape(-1, len(gestures)),
    )
    return found.take(np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64))


def put_together(parts: Sequence[Predictions]) -> Predictions:
    """Predictions of different recordings as one value.

    Raises:
        RunError: If two parts hold the same recording, or their gestures differ.
    """
    gestures = parts[0].gestures
    names = [name for part in parts for name in part.names]
    if any(part.gestures != gestures for part in parts):
        raise RunError("predictions of different gestures cannot be put together")
    if len(set(names)) < len(names):
        twice = sorted(name for name in set(names) if names.count(name) > 1)
        raise RunError(f"recording {twice[0]} was tested in two folds")
    whole = Predictions(
        gestures,
        tuple(names),
        tuple(subject for part in parts for subject in part.subjects),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.correctness for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
    )
    return whole.take(np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64))


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
    )
