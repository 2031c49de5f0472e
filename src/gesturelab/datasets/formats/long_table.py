"""A long table: a line for each joint in each frame, in CSV or Parquet.

Columns, in any case and order: ``joint``, ``x``, ``y``, ``z``; ``frame``, or ``time``, ``time_s``, ``timestamp``
(seconds) or ``time_ms`` (milliseconds), or both; and ``recording`` where there are several. Other columns are passed
over. The table says neither unit nor which axis points up.
"""

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from gesturelab.datasets.formats.csv_table import MAX_HEADER_BYTES, TIMES
from gesturelab.datasets.formats.points import Points, refuse_too_many
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = frozenset({"joint", "x", "y", "z"})
PARQUET = b"PAR1"
TIME_COLUMNS = TIMES | {"time": 1000.0}
RECORDING = "recording"


def parse_long(data: bytes, layout: Layout) -> Points:
    """The joints of the one recording that a table holds.

    Raises:
        RecordingError: If it holds several, or naming the column, the joint or the frame that is wrong.
    """
    del layout
    table = _read(data)
    count = len({*table[RECORDING]}) if RECORDING in table else 1
    if count > 1:
        raise RecordingError(f"it holds {count:,} recordings: gesturelab data convert makes a folder of them")
    times = [name for name in map(str, table) if name in TIME_COLUMNS]
    key = "frame" if "frame" in table else times[0]
    frames, joints = table[key].to_numpy(), table["joint"].astype(str)
    names, columns = np.unique(joints.to_numpy(dtype=str), return_inverse=True)
    moments, rows = np.unique(frames, return_inverse=True)
    refuse_too_many(len(moments), len(names))
    places = rows * len(names) + columns
    if len(np.unique(places)) < len(places):
        twice = int(np.flatnonzero(np.bincount(places) > 1)[0])
        raise RecordingError(f"{key} {moments[twice // len(names)]:g} holds {names[twice % len(names)]} twice")
    values = np.full((len(moments) * len(names), 3), np.nan)
    values[places] = table[["x", "y", "z"]].to_numpy()
    times_ms = None
    if times:
        times_ms = np.zeros(len(moments))
        times_ms[rows] = table[times[0]].to_numpy() * TIME_COLUMNS[times[0]]
    return Points("long table", values.reshape(len(moments), -1, 3), tuple(map(str, names)), times_ms)


def split_recordings(data: bytes) -> dict[str, bytes]:
    """A table of its own for each recording of a table, by name.

    Raises:
        RecordingError: If it is no long table, or has no column recording.
    """
    first = data[:MAX_HEADER_BYTES].lstrip().split(b"\n", 1)[0]
    if not data.startswith(PARQUET) and RECORDING.encode() not in first.lower():  # most files, before any is parsed
        raise RecordingError("it has no column recording")
    table = _read(data)
    if RECORDING not in table:
        raise RecordingError("it has no column recording")
    groups = cast(Any, table.groupby(table[RECORDING].astype(str)))
    return {str(name): group.drop(columns=RECORDING).to_csv(index=False).encode() for name, group in groups}


def _read(data: bytes) -> "pd.DataFrame":
    """The table, its columns in lower case, positions, frames and times as numbers.

    Raises:
        RecordingError: If it is damaged, or lacks a column.
    """
    import pandas as pd  # it takes a while, and other forms do not need it

    file = io.BytesIO(data)
    if data.startswith(PARQUET):
        if find_spec("pyarrow") is None:
            raise RecordingError("Parquet needs the package pyarrow: pip install 'gesturelab[parquet]'")
        read: Any = pd.read_parquet
    else:
        read = pd.read_csv
    try:
        table: pd.DataFrame = read(file)
        table.columns = [str(name).strip().lower() for name in table.columns]
    except Exception as error:  # of two libraries, on whatever bytes
        raise RecordingError(f"it cannot be read as a table: {str(error)[:200]}") from None
    if missing := sorted(COLUMNS - set(table.columns)):
        raise RecordingError(f"it has no column {missing[0]}: a long table has joint, x, y, z, and frame or time")
    if twice := [name for name in table.columns if list(table.columns).count(name) > 1]:
        raise RecordingError(f"it has the column {twice[0]} twice")
    times = [name for name in table.columns if name in TIME_COLUMNS]
    if len(times) > 1 or not (times or "frame" in table):
        raise RecordingError("it must have a column frame or one of time, time_s and time_ms")
    if table.empty:
        raise RecordingError("it holds a header and no frames")
    for name in ("x", "y", "z", *(["frame"] if "frame" in table else []), *times):
        try:
            table[name] = table[name].astype(np.float64)
        except (ValueError, TypeError) as error:
            raise RecordingError(f"column {name}: {str(error)[:100]}") from None
        if name not in "xyz" and not np.isfinite(table[name]).all():
            raise RecordingError(f"column {name} is empty in row {int(np.argmin(np.isfinite(table[name]))) + 1}")
    return table
