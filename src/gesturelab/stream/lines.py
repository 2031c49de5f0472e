"""Lines of text to frames: numbers with commas between them, named by a first line or in the skeleton's order."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.formats.csv_table import TIMES, columns
from gesturelab.datasets.recording import IMPOSSIBLE_M
from gesturelab.errors import DataError, RecordingError
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

MAX_LINE_BYTES = 2**17
"""Longer lines are no frames; they are passed over without being held."""

MOST_TIME_S = 1e13
"""Later times cannot be told apart to the millisecond; they are most likely in another unit."""


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """What a sensor says at a moment.

    Attributes:
        time_s: By the source's clock.
        positions: Metres; NaN where a joint was not seen.
    """

    time_s: float
    positions: Float64[np.ndarray, "joints 3"]


class LineReader:
    """Reads the lines of one source, one after another.

    A line is the joints' x, y and z in metres, in the skeleton's order, after an optional time in seconds; or what a
    first line with names says (``time_s``, ``Head_x``, ...; see `gesturelab.datasets.formats.files`). Where no time is
    given, frames are counted, those that cannot be read too. A joint was not seen where a value is missing, is not
    finite or is farther away than any sensor sees, and, of a Kinect, at exactly 0, 0, 0.

    Args:
        skeleton: Whose joints they are.
        rate_hz: Frames a second, where lines carry no time.
    """

    def __init__(self, skeleton: Skeleton, rate_hz: float) -> None:
        self.skeleton = skeleton
        self.rate_hz = rate_hz
        self.line = 0
        self._frame = 0
        self._wanted = 3 * len(skeleton.joints)
        self._width: int | None = None
        self._places: list[int] | None = None
        self._time: tuple[int, float] | None = None

    def read(self, line: bytes) -> LiveFrame | None:
        """The frame of the next line; None for a line of names and an empty one.

        Raises:
            RecordingError: If it is no frame; the next line may be one.
            DataError: If the first line names columns, but not those of the skeleton: nothing can be read.
        """
        self.line += 1
        line = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not line:
            return None
        if self._width is None and _holds_names(line):
            self._read_names(line)
            return None
        self._frame += 1
        cells = line.split(b",")
        if self._width is None or self._places is None:
            return self._unnamed(cells)
        if len(cells) != self._width:
            raise RecordingError(f"{len(cells)} columns, but line 1 names {self._width}")
        time_s = (self._frame - 1) / self.rate_hz
        if self._time is not None:
            time_s = _number(cells[self._time[0]]) * self._time[1]
        return self._framed(time_s, [cells[place] for place in self._places])

    def _unnamed(self, cells: list[bytes]) -> LiveFrame:
        spare = len(cells) - self._wanted
        if spare not in (0, 1):
            raise RecordingError(
                f"{len(cells)} columns, not {self._wanted} (x, y, z of {len(self.skeleton.joints)} joints) or "
                f"{self._wanted + 1} (with the time first)"
            )
        self._width = len(cells) if self._width is None else self._width
        time_s = _number(cells[0]) if spare else (self._frame - 1) / self.rate_hz
        return self._framed(time_s, cells[spare:])

    def _framed(self, time_s: float, cells: list[bytes]) -> LiveFrame:
        if not abs(time_s) < MOST_TIME_S:
            raise RecordingError("its time is no number of seconds")
        positions = np.array([_number(cell) for cell in cells]).reshape(-1, 3)
        unseen = ~(np.abs(positions) <= IMPOSSIBLE_M).all(axis=1)
        if self.skeleton == KINECT_V2:
            unseen |= (positions == 0).all(axis=1)
        positions[unseen] = np.nan
        return LiveFrame(time_s, positions)

    def _read_names(self, line: bytes) -> None:
        names = [name.strip() for name in line.decode("utf-8", "replace").replace('"', "").split(",")]
        wanted = columns(self.skeleton)
        if missing := [name for name in wanted if name not in names]:
            raise DataError(
                f"line {self.line} is neither numbers nor the names of columns: {len(missing)} of {len(wanted)} are "
                f"missing, such as {missing[0]}; it begins with {line[:60].decode('utf-8', 'backslashreplace')!r}"
            )
        self._width = len(names)
        self._places = [names.index(name) for name in wanted]
        times = [name for name in names if name in TIMES]
        self._time = (names.index(times[0]), TIMES[times[0]] / 1000) if times else None


def _holds_names(line: bytes) -> bool:
    """Whether most cells are words: one that should be a number does not make a line one of names."""
    cells = line.split(b",")
    return 2 * sum(map(_is_number, cells)) < len(cells)


def _is_number(cell: bytes) -> bool:
    try:
        float(cell or b"nan")
    except ValueError:
        return False
    return True


def _number(cell: bytes) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        shown = cell[:40].decode("utf-8", "backslashreplace")
        raise RecordingError(f"{shown!r} is not a number") from None
