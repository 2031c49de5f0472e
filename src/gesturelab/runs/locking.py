"""Who works in a folder: a file that a running process keeps locked; the system frees it however the process ends."""

import itertools
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gesturelab.errors import RunError

try:
    import fcntl
except ImportError:  # Windows: heartbeats alone tell whether a run is alive
    fcntl = None

KNOWS_LOCKS = fcntl is not None
LOCK = ".lock"
"""An empty file in a run's folder."""


def open_lock(folder: Path, name: str) -> IO[str]:
    """A file to lock, made with its folder.

    Raises:
        RunError: If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("a")
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error.strerror or error}") from error


def new_folder(wanted: Path) -> Path:
    """Makes a folder that is this process's alone: the one wanted, or with ``-2``, ``-3`` ... if another took that.

    Runs begun in the same second want the same.

    Raises:
        RunError: If it cannot be written.
    """
    for number in itertools.count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LOCK).open("x").close()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
        return folder
    raise AssertionError("there is always another number")


@contextmanager
def in_turn(path: Path) -> Generator[None]:
    """Waits until no other process is in such a block with the same file."""
    with path.open("a") as file:
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def try_lock(file: IO[str]) -> bool:
    """Whether the lock is ours now; also True where the file system knows no locks."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def alone(root: Path, name: str, otherwise: str) -> Generator[None]:
    """Keeps every other command out of a folder that does the same; the system ends that however this process ends.

    Args:
        root: The folder.
        name: The file that is locked.
        otherwise: Begins the message when another one is at work; the folder's path follows.

    Raises:
        RunError: If another one is at work there, or the folder cannot be written.
    """
    with open_lock(root, name) as file:
        if not try_lock(file):
            raise RunError(f"{otherwise} {root}; wait for it, or end it first")
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run's folder; not seen from another machine where the file system knows no locks."""
    try:
        with (folder / LOCK).open("r+") as file:
            return not try_lock(file)
    except OSError:
        return False
