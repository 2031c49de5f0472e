"""Reads small files that may be anything: a pipe that never ends, two gigabytes in one line, brackets without end.

All that a reader has to expect is OSError and ValueError.
"""

import json
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

MAX_BYTES = 256 * 2**20
"""Larger files are refused unread."""


def refuse_odd(path: Path, most_bytes: int = MAX_BYTES) -> None:
    """Refuses what is not a file of reasonable size, before it is opened: opening a pipe would wait for ever.

    Raises:
        OSError: If it is not there.
        ValueError: If it is not a plain file, or too large.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise ValueError("it is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a plain file, but a pipe or a device")
    if found.st_size > most_bytes:
        raise ValueError(f"it has {found.st_size:,} bytes; at most {most_bytes:,} are read")


@contextmanager
def open_text(path: Path, most_bytes: int = MAX_BYTES) -> Generator[IO[str]]:
    """Opens a text file (UTF-8), line ends as they are.

    Raises:
        OSError: If it cannot be opened.
        ValueError: If it is not a plain file, or too large.
    """
    refuse_odd(path, most_bytes)
    with path.open(encoding="utf-8", newline="") as file:
        yield file


def read_text(path: Path, most_bytes: int = MAX_BYTES) -> str:
    """A text file's content (UTF-8).

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not a plain file, too large, or not UTF-8.
    """
    refuse_odd(path, most_bytes)
    return path.read_text(encoding="utf-8")


def read_json(path: Path, most_bytes: int = MAX_BYTES) -> Any:
    """A JSON file's value.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not a plain file, too large, or not JSON.
    """
    try:
        return json.loads(read_text(path, most_bytes))
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def why(error: Exception) -> str:
    """An error in few words, without the path, which the message names already."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
