"""How far a loop is: after some seconds a line that is written over on a terminal, or now and then one in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

log = logging.getLogger(__name__)

FIRST_S = 3.0
"""What takes no longer says nothing."""
LOOK_S = 0.2
"""Between two looks of somebody at a terminal."""
LONGEST_S = 60.0
"""Between two lines of a log, which come after 3, 6, 12, 24, 48 seconds and then each minute."""

Item = TypeVar("Item")


def show_progress(
    items: Iterable[Item], doing: str, total: int | None = None, *, first_s: float = FIRST_S
) -> Iterator[Item]:
    """Gives the items on; once that takes long, it says how many are done.

    Where the standard error is a terminal, it says so there; else to the log, and where nobody reads that, to the
    standard error.

    Args:
        items: What is worked on.
        doing: With what the line begins, such as ``reading recordings``.
        total: How many there are; None: as many as `items` says.
        first_s: Seconds before the first line.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    terminal = sys.stderr.isatty()
    began = time.monotonic()
    due = began + first_s
    shown = False
    try:
        for done, item in enumerate(items):
            if (now := time.monotonic()) >= due:
                due = now + (LOOK_S if terminal else min(max(now - began, first_s), LONGEST_S))
                text = f"{doing}: {_describe(done, total, now - began)}"
                if terminal:  # the cursor goes back, so that whatever else is printed takes the line's place
                    sys.stderr.write(f"\r{text}\x1b[K\r")
                    sys.stderr.flush()
                    shown = True
                elif log.isEnabledFor(logging.INFO) and log.hasHandlers():
                    log.info(text)
                else:
                    print(text, file=sys.stderr, flush=True)
            yield item
    finally:
        if shown:
            sys.stderr.write("\x1b[K")
            sys.stderr.flush()


def _describe(done: int, total: int | None, seconds: float) -> str:
    """How many are done, and how long the rest will take.

    >>> _describe(250, 1000, 5.0), _describe(1500, None, 5.0)
    ('250 of 1,000 (25 %), about 15 s left', '1,500')
    """
    if not total:
        return f"{done:,}"
    left = f", about {rough_duration(seconds * (total - done) / done)} left" if done else ""
    return f"{done:,} of {total:,} ({100 * done // total} %){left}"


def rough_duration(seconds: float) -> str:
    """A time in one unit.

    >>> rough_duration(15.2), rough_duration(120), rough_duration(7200)
    ('15 s', '2 min', '2.0 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
