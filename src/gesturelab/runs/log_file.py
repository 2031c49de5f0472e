"""The handler that writes ``train.log``."""

import logging
import sys


class LogFile(logging.FileHandler):
    """A log that is left as it is where the disk is full: what went wrong is said once, by whoever needed the disk."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a line, if that is possible."""
        try:
            super().emit(record)
        except OSError:  # of opening the file
            return

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Says nothing of a line that could not be written to the disk."""
        if not isinstance(sys.exception(), OSError):
            super().handleError(record)
