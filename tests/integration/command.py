"""Runs ``gesturelab`` as a user does: in a process and a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = (sys.executable, "-m", "gesturelab")


def gesturelab(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The finished command, whatever its exit status, as users see it.

    The measurement of coverage would add half of its time, and Hydra would take it for a debugger and show
    errors in full.
    """
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=untraced() | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def untraced() -> dict[str, str]:
    """The environment without the measurement of coverage, which would slow a command down."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}
