"""CSV with a header: one line a frame, the columns ``<joint>_x``, ``<joint>_y`` and ``<joint>_z`` for each joint.

``time_s`` or ``timestamp`` (seconds) or ``time_ms`` (milliseconds) says when each frame was taken. Columns stand in any
order, and others are passed over.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from gesturelab.datasets.formats.points import Points
from gesturelab.datasets.irds.read import parse_numbers, split_rows
from gesturelab.errors import RecordingError
from gesturelab.files import write_text
from gesturelab.skeletons.landmarks import Layout

TIMES = {"time_s": 1000.0, "timestamp": 1000.0, "timestamp_s": 1000.0, "time_ms": 1.0, "timestamp_ms": 1.0}
"""Columns that say when a frame was taken, and how many milliseconds their unit has."""

MAX_HEADER_BYTES = 2**20
MAX_COLUMNS = 10_000
_BLOCK = 512


def columns(skeleton: Layout) -> list[str]:
    """The columns that a CSV file must have, ``<joint>_x``, ``<joint>_y``, ``<joint>_z`` for each joint."""
    return [f"{joint}_{axis}" for joint in skeleton.joints for axis in "xyz"]


def write_table(
    path: Path, positions: Float32[np.ndarray, "frames joints 3"], rate_hz: float, skeleton: Layout, decimals: int = 6
) -> None:
    """Writes a recording as CSV.

    Raises:
        RunError: If the file cannot be written.
    """
    times_s = np.arange(len(positions)) / rate_hz
    values = np.column_stack([times_s, positions.reshape(len(times_s), -1)])
    rows = (",".join(f"{value:.{decimals}f}" for value in row) for row in values.tolist())
    write_text(path, "\n".join([",".join(["time_s", *columns(skeleton)]), *rows]) + "\n")


def holds_numbers(line: bytes) -> bool:
    """Whether a line is numbers with commas between them."""
    try:
        return len(parse_numbers(line)) > 0
    except ValueError:
        return False


def parse_table(data: bytes, skeleton: Layout) -> Points:
    """Positions of the skeleton's joints, NaN where a cell holds no number, and times if there is a column of them.

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
            read_block(rows[start : start + _BLOCK], start + 1, len(header), places, names)
            for start in range(1, len(rows), _BLOCK)
        ]
    )
    if times and not np.isfinite(numbers[:, -1]).all():
        line = int(np.flatnonzero(~np.isfinite(numbers[:, -1]))[0]) + 2
        raise RecordingError(f"line {line}: column {times[0]} holds no time")
    values = numbers[:, : len(wanted)].reshape(len(numbers), -1, 3)
    times_ms = numbers[:, -1] * TIMES[times[0]] if times else None
    return Points("CSV", values, None, times_ms, documented=True, counted="line", first=2)


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


def read_block(
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
