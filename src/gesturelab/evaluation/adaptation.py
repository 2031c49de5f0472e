"""How well models answer people they were adapted to: the table of adapted answers, and its scores with intervals."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import ConfigError, DataError, RunError
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.result import Value
from gesturelab.files import open_text, why

COLUMNS = ("recording", "subject", "group", "gesture", "correct", "repetition", "use", "truth")
"""The first columns of an adaptation file; one for each number of calibration recordings follows."""

CALIBRATION, TEST, SHARED = "calibration", "test", "shared"
"""The last one: a later recording that has a frame in common with one that calibrates, as where a stream was cut twice
at one place; it is not tested."""

ONLY, NEAREST, WITHOUT = " only", " nearest", " without"
"""Endings of columns: no gesture but the person's own is answered; the baseline without a model, the nearest of the
person's own recordings; the gesture itself was not calibrated."""


def ways_of(counts: Sequence[int]) -> list[str]:
    """The names of the columns for some numbers of repetitions.

    >>> ways_of([0, 3])
    ['0', '3', '3 only', '3 nearest', '3 without']
    """
    ways = [f"{count}{ending}" for count in sorted(counts) for ending in (("", ONLY, NEAREST) if count else ("",))]
    return [*ways, f"{max(counts)}{WITHOUT}"]


def parse_counts(text: str) -> list[int]:
    """Numbers of repetitions, such as ``0,1,2,3``.

    Raises:
        ConfigError: If there is something else.
    """
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts) or not int(max(parts, key=int)):
        raise ConfigError(f"--adapt {text}: must be numbers of repetitions, such as 0,1,2,3, one of them above 0")
    return sorted({int(part) for part in parts})


@dataclass(frozen=True)
class AdaptedRecording:
    """A test person's recording, and what adapted models say of it.

    Attributes:
        name: The recording's.
        subject: Who made it.
        group: The person's.
        gesture: What was to be done.
        correctness: 1 correct, 2 incorrect, 3 poorly executed.
        repetition: Its number among the person's recordings of the gesture.
        use: ``calibration``, ``test`` or ``shared`` (see `SHARED`).
        truth: The right answer.
        answers: By how the model was adapted; empty texts for one that is not tested.
    """

    name: str
    subject: str
    group: str
    gesture: str
    correctness: int
    repetition: int
    use: str
    truth: str
    answers: dict[str, str]

    @property
    def cells(self) -> list[object]:
        """Its line in the file."""
        label = (self.name, self.subject, self.group, self.gesture, self.correctness)
        return [*label, self.repetition, self.use, self.truth, *self.answers.values()]


def read_adaptation(path: Path) -> list[AdaptedRecording]:
    """Reads an adaptation file.

    Raises:
        RunError: If it is damaged.
    """
    try:
        with open_text(path) as file:
            table = csv.DictReader(file, strict=True)
            ways = tuple(table.fieldnames or ())[len(COLUMNS) :]
            if not ways or not all(way.partition(" ")[0].isdecimal() for way in ways):
                raise ValueError("its last columns are no numbers of repetitions")
            rows = [
                AdaptedRecording(
                    row["recording"], row["subject"], row["group"], row["gesture"], int(row["correct"]),
                    int(row["repetition"]), row["use"], row["truth"], {way: row[way] for way in ways},
                )
                for row in table
            ]  # fmt: skip
        if not rows:
            raise ValueError("it holds no recording")
        return rows
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(
            f"{path} cannot be read: {why(error)}; make it again with 'gesturelab compare --adapt'"
        ) from error


@dataclass(frozen=True)
class AdaptationScore:
    """The accuracy of one way to adapt on one part of the test recordings.

    Attributes:
        repetitions: How many of each gesture calibrate.
        way: How they are used: nothing, `ONLY`, `NEAREST` or `WITHOUT`.
        part: Which recordings: all, of a correctness, of a group, or of both.
        people: How many.
        recordings: How many.
        accuracy: Share of right answers, with its 95 % interval over people.
    """

    repetitions: int
    way: str
    part: tuple[str, ...]
    people: int
    recordings: int
    accuracy: Value


def score_adaptation(recordings: Sequence[AdaptedRecording]) -> list[AdaptationScore]:
    """Scores of each way to adapt and of the baseline: of all test recordings, by group, by correctness, and by both.

    A part that holds all recordings of a larger one is left out.

    Raises:
        DataError: If nothing is tested.
    """
    tested = [each for each in recordings if each.use == TEST]
    if not tested:
        most = max((each.repetition for each in recordings), default=0)
        raise DataError(
            f"no test person has more than {most} repetitions of a gesture, so that none is left to test after those "
            "that calibrate: name smaller numbers"
        )
    parts: dict[tuple[str, ...], list[AdaptedRecording]] = {(): tested}
    for each in tested:
        correctness = CORRECTNESS.get(each.correctness, str(each.correctness))
        for part in {(correctness,), (each.group,), (each.group, correctness)}:
            if part[0]:
                parts.setdefault(part, []).append(each)
    smaller = [part for part, rows in parts.items() if not part or len(rows) < len(parts[part[:-1]])]
    groups_last = sorted(smaller, key=lambda part: (bool(part) and part[0] not in CORRECTNESS.values(), part))
    return [
        _score(way, part, [each for each in parts[part] if each.answers[way]])
        for part in groups_last
        for way in tested[0].answers
    ]


def _score(way: str, part: tuple[str, ...], recordings: Sequence[AdaptedRecording]) -> AdaptationScore:
    people = sorted({each.subject for each in recordings})
    right, total = np.zeros(len(people)), np.zeros(len(people))
    for each in recordings:
        place = people.index(each.subject)
        right[place] += each.answers[way] == each.truth
        total[place] += 1

    def accuracy(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws 1"]:
        with np.errstate(invalid="ignore"):
            return ((weights @ right) / (weights @ total))[:, None]

    low, high = intervals(accuracy, len(people))[0].tolist() if len(people) > 1 else (None, None)
    value = Value(value=float(right.sum() / total.sum()) if people else None, low=low, high=high)
    repetitions = way.split()[0]
    names = {each.name for each in recordings}
    return AdaptationScore(int(repetitions), way.removeprefix(repetitions), part, len(people), len(names), value)
