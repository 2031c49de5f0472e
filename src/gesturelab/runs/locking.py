"""Who works in a folder: a file that a running process keeps locked; the system frees it however the process ends."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from gesturelab.errors import RunError

LOCK = ".lock"
"""An empty file in a run's folder."""
POLL_S = 0.02


@contextmanager
def exclusive_lock(
    path: Path, timeout_s: float = -1, busy_error: Callable[[], Exception] = TimeoutError
) -> Generator[None]:
    """Holds a lock on a file, which is made with its folder; without one where the file system knows no locks.

    Args:
        path: The file. It stays: to remove it would let two processes lock two files of that name.
        timeout_s: How long to wait for another process that holds it; below 0: until it is free.
        busy_error: Makes the error that is raised if another process holds it still.

    Raises:
        TimeoutError: If another process holds it still, or what `busy_error` made.
        RunError: If the folder cannot be written.
    """
    from filelock import FileLock, Timeout  # 40 ms, which printing a configuration need not wait for

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        raise RunError(f"cannot write {path.parent}: {error.strerror or error}") from error
    lock = FileLock(path, timeout_s, poll_interval=POLL_S, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise busy_error() from None
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        lock.release()


def single_instance(root: Path, name: str, otherwise: str) -> AbstractContextManager[None]:
    """Keeps every other command out of a folder that does the same; the system ends that however this process ends.

    Args:
        root: The folder.
        name: The file that is locked.
        otherwise: Begins the message when another one is at work; the folder's path follows.

    Raises:
        RunError: If another one is at work there, or the folder cannot be written.
    """
    return exclusive_lock(root / name, 0, lambda: RunError(f"{otherwise} {root}; wait for it, or end it first"))


def is_locked(folder: Path) -> bool:
    """Whether a process holds the run's folder; not seen from another machine where the file system knows no locks."""
    try:
        if not (folder / LOCK).is_file():
            return False
        with exclusive_lock(folder / LOCK, timeout_s=0):
            return False
    except TimeoutError:
        return True
    except (OSError, RunError):
        return False


def make_new_folder(wanted: Path) -> Path:
    """Makes a folder that is this process's alone: the one wanted, or with ``-2``, ``-3`` ... if another took that.

    Runs begun in the same second want the same.

    Raises:
        RunError: If it cannot be written.
    """
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LOCK).open("x").close()
            return folder
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
        except OSError as error:
            raise RunError(f"cannot write {folder}: {error.strerror or error}") from error
