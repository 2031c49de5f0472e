"""One recording from a file of any known form: CSV with a header, NPY, or IntelliRehabDS' Simplified and Raw.

CSV: a line of column names, then one line a frame. Every joint has the columns ``<joint>_x``, ``<joint>_y`` and
``<joint>_z`` in metres, y up; ``time_s`` or ``timestamp`` (seconds) or ``time_ms`` (milliseconds) says when each frame
was taken. Columns stand in any order, and others are passed over. NPY: an array (frames, joints, 3), or (frames,
joints * 3), in the skeleton's order of joints.

Files that carry times have their own rate; if they are not regular, frames are put between them (linearly) at the
median rate. Files come from elsewhere, so sizes are judged before anything is read, and no pickle is.
"""

from dataclasses import replace
from pathlib import Path
from tokenize import TokenError

import numpy as np
from jaxtyping import Bool, Float64, Int64

from gesturelab.config.data import Form
from gesturelab.datasets.irds.files import MAX_FILE_BYTES
from gesturelab.datasets.irds.read import (
    COLUMNS,
    HEADER,
    MAX_FRAMES,
    Track,
    fill_untracked,
    impossible_values,
    parse,
    parse_numbers,
    resample,
    split_rows,
)
from gesturelab.datasets.recording import IMPOSSIBLE_M, Motion
from gesturelab.errors import DataError, RecordingError
from gesturelab.files import refuse_special_file, why
from gesturelab.skeletons.landmarks import Layout
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

TIMES = {"time_s": 1000.0, "timestamp": 1000.0, "timestamp_s": 1000.0, "time_ms": 1.0, "timestamp_ms": 1.0}
"""Columns that say when a frame was taken, and how many milliseconds their unit has."""

MAX_HEADER_BYTES = 2**20
MAX_COLUMNS = 10_000
_BLOCK = 512


def columns(skeleton: Layout) -> list[str]:
    """The columns that a CSV file must have, ``<joint>_x``, ``<joint>_y``, ``<joint>_z`` for each joint."""
    return [f"{joint}_{axis}" for joint in skeleton.joints for axis in "xyz"]


def holds_numbers(line: bytes) -> bool:
    """Whether a line is numbers with commas between them."""
    try:
        return len(parse_numbers(line)) > 0
    except ValueError:
        return False


def parse_table(
    data: bytes, skeleton: Layout
) -> tuple[Float64[np.ndarray, "frames landmarks 3"], Float64[np.ndarray, " frames"] | None]:
    """Positions, NaN where a cell holds no number, and times in milliseconds if there is a column of them.

    Raises:
        RecordingError: Naming line and column.
    """
    rows = split_rows(data.replace(b'"', b""), MAX_HEADER_BYTES)
    header = _header(rows[0])
    wanted = columns(skeleton)
    _check_columns(header, wanted, skeleton)
    times = [name for name in header if name in TIMES]
    if len(rows) == 1:
        raise RecordingError("it holds a header and no frames")
    names = [*wanted, *times]
    places = [header.index(name) for name in names]
    numbers = np.concatenate(
        [
            _block(rows[start : start + _BLOCK], start + 1, len(header), places, names)
            for start in range(1, len(rows), _BLOCK)
        ]
    )
    if times and not np.isfinite(numbers[:, -1]).all():
        line = int(np.flatnonzero(~np.isfinite(numbers[:, -1]))[0]) + 2
        raise RecordingError(f"line {line}: column {times[0]} holds no time")
    values = numbers[:, : len(wanted)].reshape(len(numbers), -1, 3)
    return np.where(np.isinf(values), np.nan, values), numbers[:, -1] * TIMES[times[0]] if times else None


def _header(line: bytes) -> list[str]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordingError("line 1 is not text in UTF-8") from None
    if "," not in text and (other := next((mark for mark in ";\t" if mark in text), None)):
        raise RecordingError(f"its columns are separated by {other!r}: save it with commas (and decimal points)")
    return [name.strip() for name in text.split(",")]


def _check_columns(header: list[str], wanted: list[str], skeleton: Layout) -> None:
    present = set(header)
    if missing := [name for name in wanted if name not in present]:
        lacking = [joint for joint in skeleton.joints if not {f"{joint}_{axis}" for axis in "xyz"} <= present]
        raise RecordingError(
            f"line 1 has no column {missing[0]}: {len(lacking)} of {len(skeleton.joints)} joints of {skeleton.name} "
            f"lack columns ({', '.join(lacking[:5])}{' ...' if len(lacking) > 5 else ''}); it begins with "
            f"{', '.join(header[:4])[:120]}"
        )
    times = [name for name in header if name in TIMES]
    if twice := [name for name in (*wanted, *times) if header.count(name) > 1]:
        raise RecordingError(f"line 1 names the column {twice[0]} twice")
    if len(times) > 1:
        raise RecordingError(f"line 1 has the columns {' and '.join(times)}: keep one of them")


def _block(
    rows: list[bytes], first: int, width: int, places: list[int], names: list[str]
) -> Float64[np.ndarray, "rows columns"]:
    """Some columns of some lines as numbers, NaN where a cell is empty."""
    for line, row in enumerate(rows, first):
        if (count := row.count(b",") + 1) != width:
            raise RecordingError(f"line {line} has {count} columns, line 1 has {width}")
    cells = b",".join(rows).split(b",")
    chosen = [cell.strip() or b"nan" for place in places for cell in cells[place::width]]
    try:
        return parse_numbers(b",".join(chosen)).reshape(len(places), len(rows)).T
    except ValueError:
        for at, cell in enumerate(chosen):
            if not holds_numbers(cell):
                shown = cell[:40].decode("utf-8", "backslashreplace")
                name, line = names[at // len(rows)], first + at % len(rows)
                raise RecordingError(f"line {line}: column {name} is {shown!r}, not a number") from None
        raise


SLOWEST_HZ, FASTEST_HZ = 1.0, 1000.0
"""Rates that times may give; others are most likely in another unit."""

REGULAR = 0.1
"""Frames that are no further than this from a regular beat, in frames, are left as they are."""

_NUMPY = b"\x93NUMPY"


def read_motion(
    path: Path,
    skeleton: Layout,
    *,
    rate_hz: float | None = None,
    fill_frames: int = 0,
    zero_is_missing: bool = True,
) -> Motion:
    """Reads a recording.

    Args:
        path: The file; what it holds is told by its first bytes, not by its name.
        skeleton: Whose joints the file must have. Those of a tracker (`gesturelab.skeletons.landmarks`) are brought
            onto its skeleton.
        rate_hz: Frames a second: files without times are taken to have it, files with times are brought to it. None
            leaves files with times their own (median) rate, and refuses those without.
        fill_frames: A joint that is missing for at most so many frames is put between the frames where it is seen.
        zero_is_missing: Whether a joint at exactly 0, 0, 0 was lost by its sensor: it is put between the frames where
            it is seen (of OpenPose it counts as missing). False: it is where it says.

    Raises:
        DataError: Naming the file and what is wrong in it (line, column, joint or frame).
    """
    try:
        return to_motion(read_frames(path, skeleton, fill_frames=fill_frames, zero_is_missing=zero_is_missing), rate_hz)
    except RecordingError as error:
        raise DataError(f"{path}: {error}") from error


def timed(track: Track, rate_hz: float) -> Track:
    """A track that carries no times, with those of a rate."""
    return replace(track, times_ms=np.arange(len(track.positions)) * (1000 / rate_hz))


def to_motion(track: Track, rate_hz: float | None = None) -> Motion:
    """A track at a uniform rate; `rate_hz` as for `read_motion`.

    Raises:
        RecordingError: If there is neither time nor rate, or times do not run forward.
    """
    positions, times_ms = track.positions, track.times_ms
    if times_ms is None or len(times_ms) == 1:
        if rate_hz is None:
            raise RecordingError("it carries no times, so say how many frames a second it has (or add a column time_s)")
        return Motion(positions, rate_hz)
    own = own_rate_hz(times_ms)
    drift = (times_ms - times_ms[0]) * own / 1000 - np.arange(len(times_ms))
    if (rate_hz is None or abs(rate_hz - own) < 1e-3 * own) and np.abs(drift).max() < REGULAR:
        return Motion(positions, rate_hz or own)
    rate_hz = rate_hz or own
    return Motion(resample(positions, times_ms, rate_hz), rate_hz)


def own_rate_hz(times_ms: Float64[np.ndarray, " frames"]) -> float:
    """Frames a second by the median step between times.

    It is the mean of the steps that are like the median: times in whole milliseconds (33, 33, 34) give 30, not 30.3.

    Raises:
        RecordingError: If the rate is none of a motion sensor.
    """
    steps = np.diff(times_ms)
    typical = float(np.median(steps))
    if not typical > 0:
        raise RecordingError("its times do not run forward")
    like = steps[np.abs(steps - typical) <= max(0.25 * typical, 1.0)]
    rate = 1000 / (float(like.mean()) if len(like) else typical)  # the median of two unlike steps is like neither
    if not SLOWEST_HZ <= rate <= FASTEST_HZ:
        raise RecordingError(
            f"its times give {rate:.4g} frames a second; columns time_s and timestamp must be in seconds, time_ms in "
            "milliseconds"
        )
    return rate


def read_frames(path: Path, skeleton: Layout, *, fill_frames: int = 0, zero_is_missing: bool = True) -> Track:
    """Reads what a file holds; the arguments are those of `read_motion`.

    Raises:
        RecordingError: Without the file's name, if it cannot be used.
    """
    try:
        refuse_special_file(path, MAX_FILE_BYTES)
        with path.open("rb") as file:
            start = file.read(len(_NUMPY))
            data = b"" if start == _NUMPY else start + file.read(MAX_FILE_BYTES)
        if start == _NUMPY:
            return validate(_load_npy(path, skeleton), skeleton, "frame", 1, fill_frames, zero_is_missing)
    except FileNotFoundError:
        raise RecordingError("there is no such file") from None
    except OSError as error:
        raise RecordingError(f"it cannot be read: {why(error)}") from error
    except ValueError as error:  # it is no plain file, or too large
        raise RecordingError(str(error)) from error
    return parse_frames(data, skeleton, fill_frames=fill_frames, zero_is_missing=zero_is_missing)


def parse_frames(data: bytes, skeleton: Layout, *, fill_frames: int = 0, zero_is_missing: bool = True) -> Track:
    """Parses text: CSV with a header, or a form of IntelliRehabDS.

    Raises:
        RecordingError: Naming line and column.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")  # Excel's mark of UTF-8
    first = data[: MAX_HEADER_BYTES + 1].split(b"\n", 1)[0].split(b"\r", 1)[0].strip()
    if data.isspace() or not data:
        raise RecordingError("it is empty")
    if b"\0" in first or first.startswith((b"\xff\xfe", b"\xfe\xff", b"PK", b"\x80")):
        raise RecordingError("it is neither text in UTF-8 nor an array in NPY")
    if len(first) > MAX_HEADER_BYTES or first.count(b",") >= MAX_COLUMNS:
        raise RecordingError(f"line 1 is too long: at most {MAX_COLUMNS:,} columns are read")
    width = first.count(b",") + 1
    if first.startswith(HEADER) or (width == COLUMNS[Form.raw] and b",(" in first):
        return _parse_irds(data, Form.raw, skeleton)
    if not holds_numbers(first):
        values, times_ms = parse_table(data, skeleton)
        return validate(values, skeleton, "line", 2, fill_frames, zero_is_missing, times_ms)
    if width == COLUMNS[Form.simplified]:
        return _parse_irds(data, Form.simplified, skeleton)
    raise RecordingError(
        f"line 1 holds numbers: it must name the columns, such as time_s and {', '.join(columns(skeleton)[:3])}"
    )


def _load_npy(path: Path, skeleton: Layout) -> Float64[np.ndarray, "frames landmarks 3"]:
    joints = len(skeleton.joints)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, OverflowError, SyntaxError, TypeError, TokenError, OSError, RecursionError) as error:
        raise RecordingError(f"it is damaged, or no array of numbers: {error}") from error
    if array.dtype.kind not in "fiu":
        raise RecordingError(f"it holds {array.dtype}, not numbers")
    if array.shape[1:] not in ((joints, 3), (joints * 3,)):
        raise RecordingError(
            f"it has the shape {array.shape}, not (frames, {joints}, 3) as the joints of {skeleton.name} need"
        )
    if not 1 <= len(array) <= MAX_FRAMES:
        raise RecordingError(f"it holds {len(array):,} frames; 1 to {MAX_FRAMES:,} are read")
    values = np.array(array, dtype=np.float64).reshape(len(array), joints, 3)
    return np.where(np.abs(values) < np.finfo(np.float32).max, values, np.nan)  # what lies beyond is not finite either


def _parse_irds(data: bytes, form: Form, skeleton: Layout) -> Track:
    if skeleton != KINECT_V2:
        raise RecordingError(f"it is of IntelliRehabDS, whose joints are those of kinect_v2, not of {skeleton.name}")
    track = parse(data, form)
    if (problem := impossible_values(track)) is not None:
        raise RecordingError(problem)
    return replace(track, positions=fill_untracked(track))


def validate(
    values: Float64[np.ndarray, "frames landmarks 3"],
    skeleton: Layout,
    unit: str,
    first: int,
    fill_frames: int = 0,
    zero_is_missing: bool = True,
    times_ms: Float64[np.ndarray, " frames"] | None = None,
) -> Track:
    """The track that a file holds, once nothing in it is missing or impossible; lost joints are filled in.

    Args:
        values: Metres; NaN where a joint is missing.
        skeleton: Whose joints they are.
        unit: What errors count: line or frame.
        first: The number of the first frame, counted so.
        fill_frames: As for `read_motion`.
        zero_is_missing: As there.
        times_ms: When each frame was taken.

    Raises:
        RecordingError: Naming the frame and the joint.
    """
    lost: Bool[np.ndarray, "frames landmarks"] = np.asarray((values == 0).all(axis=2)) & zero_is_missing
    if isinstance(skeleton, Skeleton):
        values, lost = _fill_lost(values, lost)
    elif skeleton.zero_is_missing:
        values = np.where(lost[..., None], np.nan, values)
    missing: Bool[np.ndarray, "frames landmarks"] = np.asarray(np.isnan(values).any(axis=2))
    if missing.any():
        values, missing = _fill(values, missing, fill_frames)
    if missing.any():
        frame, joint = (int(index) for index in np.argwhere(missing)[0])
        frames, joints = np.count_nonzero(missing.any(axis=1)), np.count_nonzero(missing.any(axis=0))
        raise RecordingError(
            f"{unit} {frame + first}: {skeleton.joints[joint]} is missing ({frames} of {len(values)} frames lack "
            f"a joint, {joints} of {len(skeleton.joints)} joints lack a frame)"
        )
    far = np.abs(values) > IMPOSSIBLE_M
    if far.any():
        frame, joint, axis = (int(index) for index in np.argwhere(far)[0])
        typical = float(np.median(np.abs(values).max(axis=(1, 2))))
        unlike = "" if typical <= IMPOSSIBLE_M else _advice(typical)
        raise RecordingError(
            f"{unit} {frame + first}: {'xyz'[axis]} of {skeleton.joints[joint]} is {values[frame, joint, axis]:.4g}, "
            f"but at most {IMPOSSIBLE_M:g} m are possible{unlike}"
        )
    if not isinstance(skeleton, Skeleton):
        values = skeleton.onto_skeleton(values)
        lost = np.zeros(values.shape[:2], dtype=np.bool_)  # a tracker's landmarks are no joints
    return Track(values.astype(np.float32), ~lost, np.arange(len(values)) + first, times_ms)


def _advice(typical: float) -> str:
    looks, factor = ("millimetres", 1000) if typical > 500 else ("centimetres", 100)
    return f"; positions must be in metres, and these look like {looks} (divide by {factor}) or pixels"


def _fill_lost(
    values: Float64[np.ndarray, "frames joints 3"], lost: Bool[np.ndarray, "frames joints"]
) -> tuple[Float64[np.ndarray, "frames joints 3"], Bool[np.ndarray, "frames joints"]]:
    """Lost joints put between the frames where they are seen, held at the ends.

    A joint that is at 0, 0, 0 throughout was not lost: positions are measured from it.

    Raises:
        RecordingError: If no joint is ever anywhere else.
    """
    if not lost.any():
        return values, lost
    if lost.all():
        raise RecordingError("every joint is at exactly 0, 0, 0 in every frame: the sensor saw nobody")
    values, lost = values.copy(), lost & ~lost.all(axis=0)
    seen = ~lost & np.isfinite(values).all(axis=2)
    for joint in np.flatnonzero(lost.any(axis=0) & seen.any(axis=0)):
        _interpolate(values[:, joint], np.flatnonzero(lost[:, joint]), np.flatnonzero(seen[:, joint]))
    return values, lost


def _fill(
    values: Float64[np.ndarray, "frames landmarks 3"], missing: Bool[np.ndarray, "frames landmarks"], longest: int
) -> tuple[Float64[np.ndarray, "frames landmarks 3"], Bool[np.ndarray, "frames landmarks"]]:
    """Short gaps filled in linearly, where the joint is seen before and after."""
    values, missing = values.copy(), missing.copy()
    for joint in np.flatnonzero(missing.any(axis=0)):
        seen, lost = np.flatnonzero(~missing[:, joint]), np.flatnonzero(missing[:, joint])
        after = np.searchsorted(seen, lost)
        between = (after > 0) & (after < len(seen))
        lost, after = lost[between], after[between]
        short = lost[seen[after] - seen[after - 1] <= longest + 1]
        if len(short):
            _interpolate(values[:, joint], short, seen)
            missing[short, joint] = False
    return values, missing


def _interpolate(
    values: Float64[np.ndarray, "frames 3"], gaps: Int64[np.ndarray, " gaps"], seen: Int64[np.ndarray, " seen"]
) -> None:
    """Puts one joint, in some frames, between those in which it is seen."""
    for axis in range(3):
        values[gaps, axis] = np.interp(gaps, seen, values[seen, axis])
