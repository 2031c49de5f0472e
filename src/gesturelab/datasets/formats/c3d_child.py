"""Reads a C3D file from standard input with ezc3d, and writes its markers to standard output as NPZ; see c3d.py."""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

MOST_BYTES = 8 * 2**30
"""Of memory, addresses counted."""


def main() -> None:
    """Reads and writes; whatever goes wrong ends the process."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import ezc3d  # pyright: ignore[reportMissingImports] - an extra
    import numpy as np

    output = os.dup(1)
    os.dup2(2, 1)  # what the library prints is no answer
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recording.c3d"
        file.write_bytes(sys.stdin.buffer.read())
        content: Any = ezc3d.c3d(str(file))
    point, data = content["parameters"]["POINT"], content["data"]
    values = np.array(data["points"][:3], dtype=np.float64).transpose(2, 1, 0)
    values[data["meta_points"]["residuals"][0].T < 0] = np.nan
    names: list[str] = []
    for key in ("LABELS", *(f"LABELS{number}" for number in range(2, 10))):
        names += [str(name).strip() for name in point.get(key, {}).get("value", [])]

    def text(key: str) -> str:
        return str((point.get(key, {}).get("value") or [""])[0]).strip()

    with os.fdopen(output, "wb") as file:
        np.savez(
            file,
            values=values,
            names=np.array(names[: values.shape[1]], dtype=np.str_),
            facts=np.array([text("UNITS"), text("Y_SCREEN")], dtype=np.str_),
            rate_hz=np.float64(content["header"]["points"]["frame_rate"]),
        )


if __name__ == "__main__":
    main()
