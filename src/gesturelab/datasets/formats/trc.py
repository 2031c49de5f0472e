"""TRC, markers as OpenSim, OpenCap and Pose2Sim write them: five lines of header, then numbers between tabs.

Lines 2 and 3 name and give the rate and the unit, line 4 names markers. Which axis points up is said nowhere.
"""

import numpy as np

from gesturelab.datasets.formats.csv_table import read_block
from gesturelab.datasets.formats.points import Points, read_unit, refuse_too_many
from gesturelab.datasets.irds.read import split_rows
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout

HEADER_LINES = 5


def parse_trc(data: bytes, layout: Layout) -> Points:
    """Markers with their times; an empty cell is a marker that was not seen.

    Raises:
        RecordingError: Naming line and column.
    """
    del layout
    rows = split_rows(data, 2**20)
    if len(rows) <= HEADER_LINES:
        raise RecordingError(f"it has {len(rows)} lines: a TRC file has {HEADER_LINES} of header, and frames")
    try:
        keys, values, cells = ([cell.strip() for cell in row.decode().split("\t")] for row in rows[1:4])
    except UnicodeDecodeError:
        raise RecordingError("its header is not text in UTF-8") from None
    names = tuple(name for name in cells[2:] if name)
    if cells[0] != "Frame#" or not names:
        raise RecordingError("line 4 must name Frame#, Time and the markers, with tabs between them")
    unit = read_unit(dict(zip(keys, values, strict=False)).get("Units", ""))
    start = HEADER_LINES + (not rows[HEADER_LINES].strip())
    width = 2 + 3 * len(names)
    refuse_too_many(len(rows) - start, len(names))
    columns = ["Frame#", "Time", *(f"{name} {axis}" for name in names for axis in "XYZ")]
    lines = [b",".join((row.rstrip().split(b"\t") + [b""] * width)[: max(width, row.count(b"\t") + 1)])
             for row in rows[start:]]  # fmt: skip
    numbers = read_block(lines, start + 1, width, list(range(width)), columns)
    if not np.isfinite(numbers[:, 1]).all():
        raise RecordingError(f"line {int(np.argmin(np.isfinite(numbers[:, 1]))) + start + 1}: column Time is empty")
    positions = numbers[:, 2:].reshape(len(numbers), -1, 3)
    return Points("TRC", positions, names, 1000 * numbers[:, 1], unit=unit, counted="line", first=start + 1)
