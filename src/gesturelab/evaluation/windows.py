"""Predictions of single windows: averaged over each recording, and the windows file of a run."""

import csv
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64, Int64

from gesturelab.errors import RunError
from gesturelab.files import atomic_write, open_text, why

COLUMNS = ("recording", "start_s", "end_s")
"""The first columns of a windows file; one probability a gesture follows, named ``p_<gesture>``."""


def combine_windows(
    recording: Int64[np.ndarray, " windows"], probabilities: Float[np.ndarray, "windows classes"]
) -> tuple[Int64[np.ndarray, " recordings"], Float[np.ndarray, "recordings classes"]]:
    """Averages the probabilities of each recording's windows.

    Returns:
        The recordings that have a window, ascending, and a row of probabilities for each.

    >>> ids, mean = combine_windows(np.array([4, 7, 4]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    >>> ids.tolist(), mean.tolist()
    ([4, 7], [[0.5, 0.5], [0.5, 0.5]])
    """
    ids, row, counts = np.unique(recording, return_inverse=True, return_counts=True)
    total = np.zeros((len(ids), probabilities.shape[1]))
    np.add.at(total, row, probabilities)
    return ids, total / counts[:, None]


@dataclass(frozen=True, eq=False)
class WindowSeries:
    """The windows of a recording, in order of time.

    Attributes:
        starts: The first sample of each, in seconds from the recording's beginning.
        ends: The moment of each: nothing after it is known.
        probabilities: Of each gesture.
    """

    starts: Float64[np.ndarray, " windows"]
    ends: Float64[np.ndarray, " windows"]
    probabilities: Float64[np.ndarray, "windows classes"]

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.ends)


def write_windows(
    path: Path, gestures: Iterable[str], rows: Iterable[tuple[str, float, float, Iterable[float]]]
) -> None:
    """Writes one row a window: recording, first and last second, probabilities.

    Raises:
        RunError: If the file cannot be written.
    """
    with atomic_write(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, *(f"p_{name}" for name in gestures)])
        for name, start, end, probabilities in rows:
            table.writerow([name, f"{start:.2f}", f"{end:.2f}", *(f"{share:.3f}" for share in probabilities)])


def read_windows(path: Path, gestures: tuple[str, ...], wanted: Collection[str]) -> dict[str, WindowSeries]:
    """Reads the windows of some recordings; those that are not in the file are left out.

    Raises:
        RunError: If it is missing or is not a windows file of these gestures; the message names the file, and the line.
    """
    by_name: dict[str, list[list[float]]] = {}
    line = 1
    try:
        with open_text(path) as file:
            table = csv.reader(file)
            head = [*COLUMNS, *(f"p_{name}" for name in gestures)]
            if next(table, []) != head:
                raise RunError(f"{path} is not a windows file of these gestures: it should begin with {','.join(head)}")
            for row in table:
                line = table.line_num
                if row and row[0] in wanted:
                    by_name.setdefault(row[0], []).append([float(cell) for cell in row[1:]])
                    if len(row) != len(head):
                        raise ValueError(f"{len(row)} cells, not {len(head)}")
                    if not all(map(math.isfinite, by_name[row[0]][-1])):
                        raise ValueError("a number is not finite")
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    except (OSError, csv.Error, ValueError) as error:
        raise RunError(f"{path}, line {line}, cannot be read: {why(error)}") from error
    series: dict[str, WindowSeries] = {}
    for name, rows in by_name.items():
        values = np.array(sorted(rows, key=lambda row: row[1]), dtype=np.float64)
        series[name] = WindowSeries(values[:, 0], values[:, 1], values[:, 2:])
    return series


def mean_series(trainings: Collection[WindowSeries]) -> WindowSeries:
    """Probabilities averaged over several trainings; those with other windows than the first are left out."""
    first = next(iter(trainings))
    same = [series.probabilities for series in trainings if np.array_equal(series.ends, first.ends)]
    return WindowSeries(first.starts, first.ends, np.mean(same, axis=0))
