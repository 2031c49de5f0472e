"""One search at a time in a sweep's folder."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gesturelab.errors import RunError
from gesturelab.sweep.claim import try_lock


@contextmanager
def alone(root: Path) -> Generator[None]:
    """Keeps every other search out of a folder; the system ends that however this process ends.

    Raises:
        RunError: If another search is at work there, or the folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / ".search.lock").open("a")
    except OSError as error:
        raise RunError(f"cannot write {root}: {error.strerror or error}") from error
    with file:
        if not try_lock(file):
            raise RunError(f"another search is at work in {root}; wait for it, or end it first")
        yield
