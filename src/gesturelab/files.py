"""Files read safely and written atomically.

What is read may be anything: a pipe that never ends, two gigabytes in one line, brackets without end. All that a reader
has to expect is OSError and ValueError. A file is written whole or not at all.
"""

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gesturelab.errors import RunError

MAX_BYTES = 256 * 2**20
"""Larger files are refused unread."""


def refuse_special_file(path: Path, most_bytes: int = MAX_BYTES) -> None:
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
    refuse_special_file(path, most_bytes)
    with path.open(encoding="utf-8", newline="") as file:
        yield file


def read_text(path: Path, most_bytes: int = MAX_BYTES) -> str:
    """A text file's content (UTF-8).

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is not a plain file, too large, or not UTF-8.
    """
    refuse_special_file(path, most_bytes)
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


UMASK = os.umask(0o077)
"""What the user wants taken from new files' permissions: read once, as reading it means changing it for a moment."""
os.umask(UMASK)


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """Gives a temporary path beside `path`, and moves it there when the block ends well.

    A killed process or a power cut leaves either the old file or the new one, never half of one.

    Raises:
        RunError: If the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    beside = Path(name)
    try:
        yield beside
        sync(beside)
        beside.chmod(0o666 & ~UMASK)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # a file system that has become read-only keeps it; the error is on its way already
            beside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes a file's content last through a power cut.

    Raises:
        OSError: If the system cannot do that.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder last through a power cut, where the system can do that."""
    with suppress(OSError):  # Windows opens no folders; some network file systems sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all (UTF-8, LF).

    Raises:
        RunError: If the folder cannot be written or the disk is full.
    """
    with atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON whole or not at all; refuses NaN, which is not JSON.

    Raises:
        RunError: If the folder cannot be written or the disk is full.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """The file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
