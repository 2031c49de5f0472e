"""A command as a user runs it, and what it cost."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """What a command cost, its own processes included.

    Attributes:
        wall: Seconds on the wall.
        cpu: Seconds of the processors.
        peak_mb: Peak memory.
        said: All that it printed.
    """

    wall: float
    cpu: float
    peak_mb: float
    said: str


def run(command: list[str]) -> Ran:
    """Runs it in a folder of its own, where Hydra may leave its outputs; the suite can be imported.

    Raises:
        SystemExit: If it fails.
    """
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *(str(Path(entry).resolve()) for entry in given)])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{said[-4000:]}")
    return Ran(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, said)
