"""Asks a run to stop at the end of its epoch, whatever launched it: by a small file in its folder."""

from pathlib import Path

from gesturelab.files import read_text, write_text
from gesturelab.runs.folder import RunDir

PRUNED = "pruned: "
"""How the reason begins when a search gave a run up because others do better."""


def ask_to_stop(folder: Path, reason: str) -> None:
    """Leaves the request; the run looks for it before each epoch.

    Raises:
        RunError: If the folder cannot be written.
    """
    write_text(RunDir(folder).stop, reason + "\n")


def asked_to_stop(folder: Path) -> str:
    """The reason that the run was asked to stop for; empty when it was not asked."""
    try:
        return read_text(RunDir(folder).stop).strip()
    except OSError:
        return ""
    except ValueError as error:
        return f"stop.txt cannot be read: {error}"


def withdraw_request(folder: Path) -> None:
    """Lets the run go on."""
    RunDir(folder).stop.unlink(missing_ok=True)
