"""How many requests the server takes on at a time; the others are told at once to come again."""

from collections.abc import Generator
from contextlib import contextmanager


class FullError(Exception):
    """No request more is taken on now."""


class Gate:
    """Counts the requests that are being read, wait or are answered; used by one thread, the event loop's.

    Args:
        most: At a time; with the largest size of a request it bounds the server's memory.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.inside = 0

    @contextmanager
    def entered(self) -> Generator[None]:
        """Takes a request on until the block ends.

        Raises:
            FullError: If there are enough.
        """
        if self.inside >= self.most:
            raise FullError
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
