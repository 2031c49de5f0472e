"""Which files a user means: files, folders, patterns, and ``-`` for standard input."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from gesturelab.datasets.folder.labels import FILE, read_labels
from gesturelab.datasets.folder.read import MADE_UP
from gesturelab.errors import DataError

ENDINGS = (".txt", ".csv", ".npy")
"""Of recordings in a folder; a file that is named is read whatever its ending is."""

STANDARD_INPUT = "-"


def find_sources(named: Iterable[str]) -> list[str]:
    """The recordings, in the order named, those of a folder in order of name; each once.

    Raises:
        DataError: If a folder holds no recording.
    """
    found: dict[str, None] = {}
    for name in named:
        if name == STANDARD_INPUT:
            found[name] = None
            continue
        path = Path(name).expanduser()
        if path.is_dir():
            inside = _in_folder(path)
            if not inside:
                raise DataError(f"{path} holds no recording: looked for files that end with {', '.join(ENDINGS)}")
        else:
            those = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
            matching = sorted(one for one in those if Path(one).is_file())
            inside = [str(path)] if path.exists() else matching or [str(path)]  # what is missing is told as unreadable
        found |= dict.fromkeys(inside)
    return list(found)


def _in_folder(folder: Path) -> list[str]:
    """At any depth; hidden files and folders, and those that macOS puts into archives, are passed over."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        names = sorted(name for name in files if name.lower().endswith(ENDINGS) and not name.startswith("."))
        found += [str(Path(place) / name) for name in names if name not in (FILE, MADE_UP)]
    return found


def rates_of(named: Iterable[str]) -> dict[str, float]:
    """Frames a second of recordings whose folder has a table of labels that says them, by source.

    Raises:
        DataError: If such a table cannot be used.
    """
    folders = [Path(name).expanduser() for name in named if name != STANDARD_INPUT]
    tables = [folder for folder in folders if (folder / FILE).is_file()]
    labels = [(folder, label) for folder in tables for label in read_labels(folder)]
    return {str(folder / label.file): label.rate_hz for folder, label in labels if label.rate_hz is not None}
