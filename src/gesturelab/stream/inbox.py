"""Between a source, which must not wait, and answers, which take their time."""

import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gesturelab.stream.lines import LiveFrame

MOST_WAITING = 1024
"""A source that is farther ahead waits: half a minute of a sensor, or a file that is piped in."""


@dataclass(frozen=True)
class BadLine:
    """A line that holds no frame, and why."""

    line: int
    problem: str


@dataclass(frozen=True)
class Gone:
    """The source has left; another one may come."""


Item = LiveFrame | BadLine | Gone
"""What a source gives."""


@runtime_checkable
class Arrivals(Protocol):
    """Where items come from."""

    def take(self) -> list[tuple[float, Item]] | None:
        """All that wait, each with the moment of its arrival; waits for the first; None when nothing comes any more."""
        ...


class Inbox:
    """Items of a source that runs in a thread of its own.

    Args:
        items: The source.
        clock: Seconds.
    """

    def __init__(self, items: Iterable[Item], clock: Callable[[], float]) -> None:
        self._waiting: queue.Queue[tuple[float, Item] | BaseException | None] = queue.Queue(MOST_WAITING)
        self._items = items
        self._clock = clock
        self._over = False
        threading.Thread(target=self._fill, daemon=True).start()

    def take(self) -> list[tuple[float, Item]] | None:
        """All that wait.

        Raises:
            GesturelabError: If the source can go on no longer.
        """
        found: list[tuple[float, Item]] = []
        while not self._over:
            try:
                got = self._waiting.get(block=not found)
            except queue.Empty:
                break
            if isinstance(got, BaseException):
                raise got
            if got is None:
                self._over = True
            else:
                found.append(got)
        return found or None

    def _fill(self) -> None:
        try:
            for item in self._items:
                self._waiting.put((self._clock(), item))
        except BaseException as error:  # the other thread says it
            self._waiting.put(error)
        else:
            self._waiting.put(None)


class OneByOne:
    """Each item waits until the one before is answered: nothing is left out.

    Args:
        items: The source.
        clock: Seconds.
    """

    def __init__(self, items: Iterable[Item], clock: Callable[[], float]) -> None:
        self._items = iter(items)
        self._clock = clock

    def take(self) -> list[tuple[float, Item]] | None:
        """The next one."""
        item = next(self._items, None)
        return None if item is None else [(self._clock(), item)]
