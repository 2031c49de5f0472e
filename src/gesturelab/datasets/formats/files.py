"""One recording from a file of any known form (`READERS`).

Forms of other programs stand in modules of their own beside this one. gesturelab's own are CSV with a header
(`csv_table`) and NPY, an array (frames, joints, 3) or (frames, joints * 3) in the skeleton's order of joints, both in
metres, y up. Of other forms unit and upward axis are what the file says, or what the user says (``data.unit``,
``data.up``); they are never guessed.

Files that carry times have their own rate; if they are not regular, frames are put between them (linearly) at the
median rate. Files come from elsewhere, so sizes are judged before anything is read, and no pickle is.
"""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tokenize import TokenError

import numpy as np
from jaxtyping import Bool, Float64, Int64

from gesturelab.config.data import Form, Unit, Up
from gesturelab.datasets.formats.bodies_json import parse_json
from gesturelab.datasets.formats.bvh import parse_bvh
from gesturelab.datasets.formats.c3d import parse_c3d
from gesturelab.datasets.formats.csv_table import MAX_COLUMNS, MAX_HEADER_BYTES, columns, holds_numbers, parse_table
from gesturelab.datasets.formats.long_table import COLUMNS as LONG_COLUMNS
from gesturelab.datasets.formats.long_table import PARQUET, parse_long
from gesturelab.datasets.formats.ntu import parse_ntu
from gesturelab.datasets.formats.points import UNITS_M, Points, Reading
from gesturelab.datasets.formats.trc import parse_trc
from gesturelab.datasets.irds.files import MAX_FILE_BYTES
from gesturelab.datasets.irds.read import (
    COLUMNS,
    HEADER,
    MAX_FRAMES,
    Track,
    fill_untracked,
    impossible_values,
    parse,
    resample,
)
from gesturelab.datasets.recording import IMPOSSIBLE_M, Motion
from gesturelab.errors import DataError, RecordingError
from gesturelab.files import refuse_special_file, why
from gesturelab.skeletons.landmarks import Layout, skeleton_of, turn_up
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

SLOWEST_HZ, FASTEST_HZ = 1.0, 1000.0
"""Rates that times may give; others are most likely in another unit."""

REGULAR = 0.1
"""Frames that are no further than this from a regular beat, in frames, are left as they are."""


def read_motion(path: Path, reading: Reading) -> Motion:
    """Reads a recording; what a file holds is told by its first bytes, not by its name.

    Raises:
        DataError: Naming the file and what is wrong in it (line, column, joint or frame).
    """
    try:
        return to_motion(read_frames(path, reading), reading.rate_hz)
    except RecordingError as error:
        raise DataError(f"{path}: {error}") from error


def timed(track: Track, rate_hz: float) -> Track:
    """A track that carries no times, with those of a rate."""
    return replace(track, times_ms=np.arange(len(track.positions)) * (1000 / rate_hz))


def to_motion(track: Track, rate_hz: float | None = None) -> Motion:
    """A track at a uniform rate; `rate_hz` as for `Reading`.

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


def read_bytes(path: Path) -> bytes:
    """What is in a recording's file.

    Raises:
        RecordingError: Without the file's name, if it cannot be read.
    """
    try:
        refuse_special_file(path, MAX_FILE_BYTES)
        return path.read_bytes()
    except FileNotFoundError:
        raise RecordingError("there is no such file") from None
    except OSError as error:
        raise RecordingError(f"it cannot be read: {why(error)}") from error
    except ValueError as error:  # it is no plain file, or too large
        raise RecordingError(str(error)) from error


def read_frames(path: Path, reading: Reading) -> Track:
    """Reads what a file holds.

    Raises:
        RecordingError: Without the file's name, if it cannot be used.
    """
    return parse_frames(read_bytes(path), reading)


def parse_frames(data: bytes, reading: Reading) -> Track:
    """Parses the content of a file of any known form.

    Raises:
        RecordingError: Naming line and column, or joint and frame.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")  # Excel's mark of UTF-8
    if data.isspace() or not data:
        raise RecordingError("it is empty")
    first = data[: MAX_HEADER_BYTES + 1].lstrip().split(b"\n", 1)[0].split(b"\r", 1)[0].strip()
    content = next(parse(data, reading.layout) for recognises, parse in READERS if recognises(first))
    if isinstance(content, Points):
        return validate(content, reading)
    if reading.unit not in (None, Unit.m) or reading.up not in (None, Up.y):
        raise RecordingError("it is of IntelliRehabDS, which is in metres, y up: leave out data.unit and data.up")
    return content


def _is_parsed_as_long(first: bytes) -> bool:
    names = {name.strip(b' "').lower().decode("utf-8", "replace") for name in first.split(b",")}
    return first.startswith(PARQUET) or names >= LONG_COLUMNS


def _is_raw(first: bytes) -> bool:
    return first.startswith(HEADER) or (first.count(b",") + 1 == COLUMNS[Form.raw] and b",(" in first)


def _refuse_binary(data: bytes, layout: Layout) -> Points:
    del data, layout
    raise RecordingError("it is neither text in UTF-8 nor an array in NPY, nor C3D or Parquet")


def _refuse_long_line(data: bytes, layout: Layout) -> Points:
    del data, layout
    raise RecordingError(f"line 1 is too long: at most {MAX_COLUMNS:,} columns are read")


def _refuse_numbers(data: bytes, layout: Layout) -> Points:
    del data
    names = ", ".join(columns(layout)[:3])
    raise RecordingError(f"line 1 holds numbers: it must name the columns, such as time_s and {names}")


def _load_npy(data: bytes, layout: Layout) -> Points:
    joints = len(layout.joints)
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_columns, kind = read_header(file)
        if kind.hasobject:
            raise ValueError("it holds objects, not numbers")
        array = np.ndarray(shape, kind, data, file.tell(), order="F" if in_columns else "C")
    except (ValueError, EOFError, OverflowError, SyntaxError, TypeError, TokenError, OSError, RecursionError) as error:
        raise RecordingError(f"it is damaged, or no array of numbers: {error}") from error
    if array.dtype.kind not in "fiu":
        raise RecordingError(f"it holds {array.dtype}, not numbers")
    if array.shape[1:] not in ((joints, 3), (joints * 3,)):
        raise RecordingError(
            f"it has the shape {array.shape}, not (frames, {joints}, 3) as the joints of {layout.name} need"
        )
    if not 1 <= len(array) <= MAX_FRAMES:
        raise RecordingError(f"it holds {len(array):,} frames; 1 to {MAX_FRAMES:,} are read")
    return Points("NPY", array.astype(np.float64).reshape(len(array), joints, 3), documented=True)


def _parse_irds(data: bytes, layout: Layout, form: Form) -> Track:
    if layout != KINECT_V2:
        raise RecordingError(f"it is of IntelliRehabDS, whose joints are those of kinect_v2, not of {layout.name}")
    track = parse(data, form)
    if (problem := impossible_values(track)) is not None:
        raise RecordingError(problem)
    return replace(track, positions=fill_untracked(track))


READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes, Layout], Points | Track]], ...] = (
    (lambda first: first.startswith(b"\x93NUMPY"), _load_npy),
    (lambda first: re.match(rb"[\x01-\x08]P", first) is not None, parse_c3d),
    (_is_parsed_as_long, parse_long),
    (lambda first: b"\0" in first or first.startswith((b"\xff\xfe", b"\xfe\xff", b"PK", b"\x80")), _refuse_binary),
    (lambda first: first.startswith((b"{", b"[")), parse_json),
    (lambda first: len(first) > MAX_HEADER_BYTES or first.count(b",") >= MAX_COLUMNS, _refuse_long_line),
    (lambda first: first.startswith(b"PathFileType"), parse_trc),
    (lambda first: first.startswith(b"HIERARCHY"), parse_bvh),
    (lambda first: re.fullmatch(rb"[0-9]{1,9}", first) is not None, parse_ntu),
    (_is_raw, partial(_parse_irds, form=Form.raw)),
    (lambda first: not holds_numbers(first), parse_table),
    (lambda first: first.count(b",") + 1 == COLUMNS[Form.simplified], partial(_parse_irds, form=Form.simplified)),
    (lambda first: True, _refuse_numbers),
)
"""How each form is known by the first line of a file, and what reads it; the first that knows a file reads it."""

ENDINGS = (".txt", ".csv", ".npy", ".trc", ".c3d", ".bvh", ".skeleton", ".json", ".parquet")
"""Of recordings in a folder; a file that is named is read whatever its ending is."""


def validate(points: Points, reading: Reading) -> Track:
    """The track that a file holds, once nothing in it is missing or impossible; lost joints are filled in.

    Raises:
        RecordingError: Naming the frame and the joint, or the option that says what the file does not.
    """
    layout, values = reading.layout, _select(points, reading.layout)
    unit, up = _decide(points, reading)
    if unit is not Unit.m:
        values = values * UNITS_M[unit]
    lost: Bool[np.ndarray, "frames landmarks"] = np.asarray((values == 0).all(axis=2)) & reading.zero_is_missing
    if isinstance(layout, Skeleton):
        values, lost = _fill_lost(values, lost)
    elif layout.zero_is_missing:
        values = np.where(lost[..., None], np.nan, values)
    missing: Bool[np.ndarray, "frames landmarks"] = np.asarray(np.isnan(values).any(axis=2))
    if missing.any():
        values, missing = _fill(values, missing, reading.fill_frames)
    if missing.any():
        frame, joint = (int(index) for index in np.argwhere(missing)[0])
        frames, joints = np.count_nonzero(missing.any(axis=1)), np.count_nonzero(missing.any(axis=0))
        raise RecordingError(
            f"{points.counted} {frame + points.first}: {layout.joints[joint]} is missing ({frames} of {len(values)} "
            f"frames lack a joint, {joints} of {len(layout.joints)} joints lack a frame)"
        )
    stated = reading.unit is not None or points.unit is not None
    joints = values if isinstance(layout, Skeleton) else layout.to_joints(values)
    _refuse_size(joints, unit, layout, stated=stated)
    far = np.abs(values) > IMPOSSIBLE_M
    if far.any():
        frame, joint, axis = (int(index) for index in np.argwhere(far)[0])
        raise RecordingError(
            f"{points.counted} {frame + points.first}: {'xyz'[axis]} of {layout.joints[joint]} is "
            f"{values[frame, joint, axis]:.4g}, but at most {IMPOSSIBLE_M:g} m are possible"
        )
    values = turn_up(joints, up)
    if not isinstance(layout, Skeleton):
        lost = np.zeros(values.shape[:2], dtype=np.bool_)  # a tracker's landmarks are no joints
    return Track(
        values.astype(np.float32),
        ~lost,
        np.arange(len(values)) + points.first,
        points.times_ms,
        bodies=points.bodies,
        form=points.form,
        unit=f"{unit} ({_who(reading.unit, points.unit)})",
        up=f"{up} ({_who(reading.up, points.up)})",
        body=points.body,
    )


def _select(points: Points, layout: Layout) -> Float64[np.ndarray, "frames landmarks 3"]:
    """The points that a skeleton asks for, in its order."""
    if points.names is None:
        if points.values.shape[1] != len(layout.joints):
            raise RecordingError(
                f"it holds {points.values.shape[1]} points without names, and {layout.name} has {len(layout.joints)}"
            )
        return points.values
    if missing := [joint for joint in layout.joints if joint not in points.names]:
        raise RecordingError(
            f"it lacks {len(missing)} of the {len(layout.joints)} points of {layout.name}, such as {missing[0]} "
            f"(data.skeleton); it has {', '.join(points.names[:8])[:200]}{' ...' if len(points.names) > 8 else ''}"
        )
    if twice := [joint for joint in layout.joints if points.names.count(joint) > 1]:
        raise RecordingError(f"it has {twice[0]} twice")
    return points.values[:, [points.names.index(joint) for joint in layout.joints]]


def _decide(points: Points, reading: Reading) -> tuple[Unit, Up]:
    """Unit and upward axis: the user's word goes before the file's, and neither is guessed."""
    unit, up = reading.unit or points.unit, reading.up or points.up
    if points.documented:
        usual = unit in (None, Unit.m)
        unit = unit or Unit.m
        if usual:  # in another unit it is another program's file, with axes of its own
            up = up or (Up.y if isinstance(reading.layout, Skeleton) else reading.layout.up)
    asked = [
        *(["what its positions are in: set data.unit (--unit) to m, cm, mm or inch"] if unit is None else []),
        *(["which axis points up: set data.up (--up) to y, z, x or y_down"] if up is None else []),
    ]
    if unit is None or up is None:
        raise RecordingError(f"{points.form} does not say {', and '.join(asked)}")
    return unit, up


def _who(option: object, file: object) -> str:
    if option is None:
        return "the file or its form" if file is not None else "as documented"
    return f"as you say; the file says {file}" if file not in (None, option) else "as you say"


LARGEST_M, PERSON_M, SMALLEST_M = 10.0, (0.4, 3.5), 0.02
"""From end to end: more than nobody has, what a person has, and less than a hand has."""


def _refuse_size(values: Float64[np.ndarray, "frames joints 3"], unit: Unit, layout: Layout, *, stated: bool) -> None:
    """Refuses people as large as houses and, where somebody named the unit, as small as ants.

    Raises:
        RecordingError: Naming the option that mends it.
    """
    size = float(np.median(np.linalg.norm(np.ptp(values, axis=1), axis=1)))
    skeleton = skeleton_of(layout)
    least = PERSON_M[0] if skeleton.arms or skeleton.legs else SMALLEST_M
    if size <= LARGEST_M and (size >= least or not stated):
        return
    likely = [each for each in UNITS_M if PERSON_M[0] <= size / UNITS_M[unit] * UNITS_M[each] <= PERSON_M[1]]
    raise RecordingError(
        f"the person measures {size:,.4g} m from end to end, positions taken in {unit}: set data.unit (--unit) to "
        f"{' or '.join(likely or UNITS_M)}{'' if likely else ', whichever it is'}; pixels cannot be used"
    )


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
