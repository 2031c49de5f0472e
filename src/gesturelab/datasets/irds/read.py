"""IntelliRehabDS as a dataset: real people, patients and healthy, nine rehabilitation gestures.

Its files hold 75 numbers a line (Simplified), or times and tracking states as well (Raw).
"""

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from gesturelab.config.data import Form
from gesturelab.datasets.irds.files import GESTURES, IrdsFile, irds_files, recording_label
from gesturelab.datasets.recording import IMPOSSIBLE_M, Dataset, Motion, Rejected, fingerprint
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.errors import RecordingError
from gesturelab.skeletons.skeleton import KINECT_V2

MAX_FRAMES = 500_000
"""More frames than this are refused: four and a half hours at 30 frames a second."""

MAX_LINE_BYTES = 2**16
"""Longer lines are refused; the longest published one has 7,000 bytes."""

JOINTS = len(KINECT_V2.joints)
HEADER = b"Version0.1"
COLUMNS = {Form.simplified: 3 * JOINTS, Form.raw: 3 + 7 * JOINTS}
_STATES = {b"Tracked", b"Inferred", b"NotTracked"}
_BLOCK = 512
_Parsed = TypeVar("_Parsed")


@dataclass(frozen=True, eq=False)
class Track:
    """One body's joints as a file holds them: nothing filled in, nothing resampled.

    Attributes:
        positions: Metres; what an untracked joint holds means nothing.
        tracked: False where the sensor says NotTracked, or the joint is at exactly 0, 0, 0.
        lines: The file's line of each frame, from 1.
        times_ms: The sensor's time of each frame (Raw only).
        frame_numbers: The sensor's count of frames (Raw only).
        header_lines: Where the header stands (Raw only).
        bodies: How many bodies the file holds; of IntelliRehabDS the one with the most frames is taken.
        form: What the file is.
        unit: What its positions are in, and who says so.
        up: Which axis points up, and who says so.
        body: Which body was chosen and why, where it is not the one with the most frames.
    """

    positions: Float32[np.ndarray, "frames joints 3"]
    tracked: Bool[np.ndarray, "frames joints"]
    lines: Int64[np.ndarray, " frames"]
    times_ms: Float64[np.ndarray, " frames"] | None = None
    frame_numbers: Int64[np.ndarray, " frames"] | None = None
    header_lines: tuple[int, ...] = ()
    bodies: int = 1
    form: str = "IntelliRehabDS"
    unit: str = "m (its form)"
    up: str = "y (its form)"
    body: str = ""


def parse(data: bytes, form: Form) -> Track:
    """Parses a file's bytes.

    Raises:
        RecordingError: Naming the line, if the bytes are not of this form.
    """
    return parse_simplified(data) if form is Form.simplified else parse_raw(data)


def parse_simplified(data: bytes) -> Track:
    """Parses 25 joints x (x, y, z) a line, separated by commas, without a header.

    Raises:
        RecordingError: Naming the line, if the bytes are not of this form.
    """
    rows = split_rows(data)
    if rows[0].startswith(b"Version"):
        raise RecordingError("line 1 is the header of the Raw form: set data.form=raw, or give the folder Simplified")
    lines = np.arange(1, len(rows) + 1)
    blocks = _in_blocks(rows, lines, Form.simplified, _numbers)
    positions = _to_float32(np.concatenate(blocks)).reshape(len(rows), JOINTS, 3)
    return Track(positions, (positions != 0).any(axis=2), lines)


def parse_raw(data: bytes) -> Track:
    """Parses ``frame,body,timestamp_ms,(joint,state,x,y,z,u,v) x 25`` a line; header lines may stand anywhere.

    Raises:
        RecordingError: Naming the line, if the bytes are not of this form.
    """
    rows = split_rows(data)
    header_lines = tuple(line for line, row in enumerate(rows, 1) if row.strip() == HEADER)
    if not header_lines and rows[0].count(b",") == COLUMNS[Form.simplified] - 1:
        raise RecordingError("line 1 has 75 columns: this is the Simplified form, set data.form=simplified")
    lines = np.setdiff1d(np.arange(1, len(rows) + 1), header_lines)
    if lines.size == 0:
        raise RecordingError("it holds a header and no frames")
    blocks = _in_blocks([rows[line - 1] for line in lines], lines, Form.raw, _raw_block)
    heads, bodies, tracked, positions = (np.concatenate(part) for part in zip(*blocks, strict=True))
    names, counts = np.unique(bodies, return_counts=True)
    mine = bodies == names[counts.argmax()]
    return Track(
        positions=positions[mine],
        tracked=(tracked & (positions != 0).any(axis=2))[mine],
        lines=lines[mine],
        times_ms=heads[mine, 1],
        frame_numbers=heads[mine, 0].astype(np.int64),
        header_lines=header_lines,
        bodies=len(names),
    )


def split_rows(data: bytes, most_bytes: int = MAX_LINE_BYTES) -> list[bytes]:
    """The lines of a text file, none of them longer than so many bytes.

    Raises:
        RecordingError: If it is empty, no text, or too long.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data or data.isspace():
        raise RecordingError("it is empty")
    if b"\0" in data:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise RecordingError("it is UTF-16: save it as plain text (UTF-8)")
        raise RecordingError("it is a binary file, not text")
    if data.count(b"\n") + data.count(b"\r") > 2 * MAX_FRAMES:
        raise RecordingError(f"it has more than {MAX_FRAMES:,} lines")
    rows = data.rstrip().splitlines()
    if len(rows) > MAX_FRAMES:
        raise RecordingError(f"it has more than {MAX_FRAMES:,} lines")
    if (longest := max(map(len, rows))) > most_bytes:
        line = next(line for line, row in enumerate(rows, 1) if len(row) == longest)
        columns = rows[line - 1].count(b",") + 1
        raise RecordingError(f"line {line} has {longest:,} bytes and {columns:,} columns; that is no frame")
    return rows


def _in_blocks(
    rows: Sequence[bytes],
    lines: Int64[np.ndarray, " rows"],
    form: Form,
    parse_block: Callable[[Sequence[bytes]], _Parsed],
) -> list[_Parsed]:
    """Parses many lines at a time; line by line only to name the bad one."""
    commas = COLUMNS[form] - 1
    counts = [row.count(b",") for row in rows]
    if counts.count(commas) != len(rows):
        at = next(at for at, count in enumerate(counts) if count != commas)
        cut = " (the file looks cut off)" if at == len(rows) - 1 and counts[at] < commas else ""
        raise RecordingError(f"line {lines[at]} has {counts[at] + 1} columns, not {commas + 1}{cut}")
    blocks: list[_Parsed] = []
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        try:
            blocks.append(parse_block(block))
        except ValueError:
            for row, line in zip(block, lines[start:], strict=False):
                try:
                    parse_block([row])
                except ValueError as error:
                    raise RecordingError(f"line {line}: {error}") from None
            raise
    return blocks


def parse_numbers(text: bytes) -> Float64[np.ndarray, " numbers"]:
    """The numbers between the commas, each as `float` would read it.

    Raises:
        ValueError: If one is not a number; the message names its column, from 1.

    >>> parse_numbers(b"1,-0.25,1e-3")
    array([ 1.   , -0.25 ,  0.001])
    """
    try:
        values = np.fromstring(text, dtype=np.float64, sep=",")
        if len(values) == text.count(b",") + 1:
            return values
    except (ValueError, DeprecationWarning):  # the warning, where warnings are errors: text that is no number
        pass
    numbers: list[float] = []
    for column, cell in enumerate(text.split(b","), 1):
        try:
            if b"_" in cell:
                raise ValueError
            numbers.append(float(cell))
        except ValueError:
            shown = cell[:40].decode("ascii", "backslashreplace")
            raise ValueError(f"column {column} is {shown!r}, not a number") from None
    return np.array(numbers)


def _numbers(rows: Sequence[bytes]) -> Float64[np.ndarray, " numbers"]:
    return parse_numbers(b",".join(rows))


def _raw_block(
    rows: Sequence[bytes],
) -> tuple[
    Float64[np.ndarray, "rows 2"],
    np.ndarray,
    Bool[np.ndarray, "rows joints"],
    Float32[np.ndarray, "rows joints 3"],
]:
    """Frame number and time, body, tracked or not, positions.

    Raises:
        ValueError: If something is not as it must be.
    """
    width = COLUMNS[Form.raw]
    columns = b",".join(rows).split(b",")
    tracked = np.empty((len(rows), JOINTS), dtype=np.bool_)
    for joint, name in enumerate(KINECT_V2.joints):
        first = 3 + 7 * joint
        if (cells := set(columns[first::width])) != {b"(" + name.encode()}:
            raise ValueError(f"column {first + 1} is {_first_of(cells)}, not '({name}'")
        states = columns[first + 1 :: width]
        if unknown := set(states) - _STATES:
            raise ValueError(f"column {first + 2} is {_first_of(unknown)}, not Tracked, Inferred or NotTracked")
        tracked[:, joint] = [state != b"NotTracked" for state in states]
    if not all(row.rstrip().endswith(b")") for row in rows):
        raise ValueError("it does not end with ')' (the file looks cut off)")
    heads = np.stack([_column(columns, column) for column in (0, 2)], axis=1)
    if not (np.isfinite(heads).all() and (np.abs(heads) < 2**53).all()):
        raise ValueError("its frame number or timestamp is not possible")
    places = [5 + 7 * joint + axis for joint in range(JOINTS) for axis in range(3)]
    coordinates = [text for place in places for text in columns[place::width]]
    try:
        numbers = _numbers(coordinates).reshape(len(places), len(rows)).T
    except ValueError:
        numbers = np.stack([_column(columns, place) for place in places], axis=1)  # names the column
    positions = _to_float32(numbers).reshape(len(rows), JOINTS, 3)
    return heads, np.array(columns[1::width]), tracked, positions


def _column(columns: Sequence[bytes], place: int) -> Float64[np.ndarray, " rows"]:
    try:
        return _numbers(columns[place :: COLUMNS[Form.raw]])
    except ValueError as error:
        raise ValueError(f"column {place + 1}{str(error).removeprefix('column 1')}") from None


def _first_of(values: set[bytes]) -> str:
    return repr(sorted(values)[0][:40].decode("ascii", "backslashreplace"))


def _to_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def impossible_values(track: Track) -> str | None:
    """Says where the first value stands that is not finite, or too far away to be a person; None if there is none."""
    far = ~(np.abs(track.positions) <= IMPOSSIBLE_M) & track.tracked[..., None]
    if not far.any():
        return None
    frame, joint, axis = (int(index) for index in np.argwhere(far)[0])
    value = float(track.positions[frame, joint, axis])
    what = "which is not finite" if not np.isfinite(value) else f"but at most {IMPOSSIBLE_M:g} m are possible"
    return f"line {track.lines[frame]}: {'xyz'[axis]} of {KINECT_V2.joints[joint]} is {value:.4g}, {what}"


def fill_untracked(track: Track) -> Float32[np.ndarray, "frames joints 3"]:
    """Positions with untracked joints put between the frames where they are tracked (linearly; held at the ends).

    Raises:
        RecordingError: If a joint is never tracked.
    """
    if track.tracked.all():
        return track.positions
    positions = track.positions.copy()
    times = np.arange(len(positions), dtype=np.float64) if track.times_ms is None else track.times_ms
    for joint in np.flatnonzero(~track.tracked.all(axis=0)):
        seen = track.tracked[:, joint]
        if not seen.any():
            raise RecordingError(f"joint {KINECT_V2.joints[joint]} is never tracked")
        for axis in range(3):
            positions[~seen, joint, axis] = np.interp(times[~seen], times[seen], positions[seen, joint, axis])
    return positions


class Irds(RecordingSource):
    """The published recordings, with the published gestures and subjects.

    Args:
        root: As for `irds_files`.
        form: Which of the two published forms.
        rate_hz: What Simplified recordings are taken to have, and Raw ones are brought to.
    """

    gestures = GESTURES
    mirror_key = ""
    refuses_lone_subjects = False  # some of the published files may be here only; whom they lack, the split says
    skeleton = KINECT_V2

    def __init__(self, root: str, form: Form, rate_hz: float) -> None:
        self.root = root
        self._form = Form(form)
        self._rate_hz = rate_hz

    @cached_property
    def _files(self) -> tuple[IrdsFile, ...]:
        return irds_files(Path(str(self.root)), self._form)

    def __iter__(self) -> Iterator[Unread | Rejected]:
        """Every recording, unread; and the files whose names mean nothing."""
        for file in self._files:
            try:
                label = recording_label(file.name)
            except RecordingError as error:
                yield Rejected(file.name, str(error), f"{file.name}.txt")
                continue
            yield Unread(**label.columns, read=partial(self._motion, file), file=f"{file.name}.txt")

    def _motion(self, file: IrdsFile) -> Motion:
        return to_uniform_motion(parse(file.read(), self._form), self._rate_hz)

    def stamp(self) -> list[Any]:
        """Name, size and times of each recording's file, or its checksum in an archive."""
        return [[file.name, file.size, file.stamp] for file in self._files]

    def fingerprint(self, dataset: Dataset, options: Mapping[str, Any]) -> str:
        """Of the recordings used; what gestures become in a mirror is not the user's to say."""
        del options
        return fingerprint(dataset)


def to_uniform_motion(track: Track, rate_hz: float) -> Motion:
    """Positions at a uniform rate: values checked, untracked joints filled in, Raw resampled.

    Raises:
        RecordingError: If the recording cannot be used.
    """
    if (problem := impossible_values(track)) is not None:
        raise RecordingError(problem)
    positions = fill_untracked(track)
    if track.times_ms is not None:
        positions = resample(positions, track.times_ms, rate_hz)
    return Motion(positions, rate_hz)


def resample(
    positions: Float32[np.ndarray, "frames joints 3"], times_ms: Float64[np.ndarray, " frames"], rate_hz: float
) -> Float32[np.ndarray, "resampled joints 3"]:
    """Brings frames at any times to a uniform rate, linearly; a frame no later than one before it is passed over.

    Raises:
        RecordingError: If more than a tenth of the frames would be passed over, or the times span hours.
    """
    later = np.ones(len(times_ms), dtype=np.bool_)
    later[1:] = times_ms[1:] > np.maximum.accumulate(times_ms)[:-1]
    if later.mean() < 0.9:
        raise RecordingError("its timestamps do not run forward")
    times, positions = times_ms[later], positions[later]
    count = np.floor((times[-1] - times[0]) * rate_hz / 1000 + 1e-6) + 1
    if count > MAX_FRAMES:
        raise RecordingError(f"its timestamps span {(times[-1] - times[0]) / 3.6e6:.3g} hours")
    if len(times) == 1:
        return positions
    wanted = times[0] + np.arange(int(count)) * (1000 / rate_hz)
    left = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(times) - 2)
    share = ((wanted - times[left]) / np.diff(times)[left]).clip(0, 1)[:, None, None]
    return (positions[left] * (1 - share) + positions[left + 1] * share).astype(np.float32)
