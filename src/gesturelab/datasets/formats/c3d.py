"""C3D, markers of a laboratory: read by ``ezc3d`` in a process of its own, as it parses files from elsewhere in C++."""

import io
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from gesturelab.config.data import Up
from gesturelab.datasets.formats.points import Points, read_unit, refuse_too_many
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout

SLOWEST_S = 120.0
_UPS = {f"{sign}{axis.upper()}": Up(f"{axis}{down}") for axis in "xyz" for sign, down in (("+", ""), ("-", "_down"))}


def parse_c3d(data: bytes, layout: Layout) -> Points:
    """Markers; unit and the axis that points up (POINT:Y_SCREEN) as the file says.

    Raises:
        RecordingError: If ezc3d is missing, ends without an answer, or the file holds no markers.
    """
    del layout
    if find_spec("ezc3d") is None:
        raise RecordingError("C3D needs the package ezc3d: pip install 'gesturelab[c3d]'")
    child = [sys.executable, "-P", str(Path(__file__).with_name("c3d_child.py"))]
    try:
        done = subprocess.run(child, input=data, capture_output=True, timeout=SLOWEST_S, check=False)
    except subprocess.TimeoutExpired:
        raise RecordingError(f"ezc3d did not read it in {SLOWEST_S:.0f} s") from None
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["the process ended"])[-1]
        raise RecordingError(f"ezc3d cannot read it: {last[:200]}")
    try:
        with np.load(io.BytesIO(done.stdout), allow_pickle=False) as content:
            values, names, facts = content["values"], content["names"].tolist(), content["facts"].tolist()
            rate_hz = float(content["rate_hz"])
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RecordingError(f"ezc3d gave no answer that can be read: {error}") from None
    refuse_too_many(*values.shape[:2])
    if not 0 < rate_hz < 1e5:
        raise RecordingError(f"it says {rate_hz:g} frames a second")
    times_ms = np.arange(len(values)) * (1000 / rate_hz)
    return Points("C3D", values, tuple(names), times_ms, unit=read_unit(facts[0]), up=_UPS.get(facts[1].upper()))
