"""Who works in a folder: a file that a running process keeps locked; the system frees it however the process ends."""

from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows: heartbeats alone tell whether a run is alive
    fcntl = None

KNOWS_LOCKS = fcntl is not None
LOCK = ".lock"
"""An empty file in a run's folder."""


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


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run's folder; not seen from another machine where the file system knows no locks."""
    try:
        with (folder / LOCK).open("r+") as file:
            return not try_lock(file)
    except OSError:
        return False
