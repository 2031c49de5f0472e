"""Where frames come from: text lines of a file, standard input or a TCP port, or a recording that is played."""

import socket
import time
from collections.abc import Callable, Iterator
from io import BufferedIOBase

from gesturelab.datasets.formats.files import Motion
from gesturelab.errors import DataError, RecordingError, StreamError
from gesturelab.stream.inbox import BadLine, Gone, Item
from gesturelab.stream.lines import MAX_LINE_BYTES, LineReader, LiveFrame

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def read_lines(file: BufferedIOBase, reader: LineReader) -> Iterator[Item]:
    """Frames from lines, as they come.

    Raises:
        DataError: If the first line names other columns than the skeleton's.
    """
    while line := file.readline(MAX_LINE_BYTES):
        if not line.endswith(b"\n") and len(line) == MAX_LINE_BYTES:
            while rest := file.readline(MAX_LINE_BYTES):
                if rest.endswith(b"\n"):
                    break
            reader.line += 1
            yield BadLine(reader.line, f"it is longer than {MAX_LINE_BYTES:,} bytes")
            continue
        try:
            frame = reader.read(line)
        except RecordingError as error:
            yield BadLine(reader.line, str(error))
        else:
            if frame is not None:
                yield frame


def replay(
    motion: Motion,
    speed: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Item]:
    """The frames of a recording at the pace it was made, times `speed`; 0 is as fast as they are taken."""
    began = clock()
    for number, positions in enumerate(motion.positions):
        time_s = number / motion.rate_hz
        if speed:
            sleep(max(0.0, began + time_s / speed - clock()))
        yield LiveFrame(time_s, positions.astype("float64"))


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of ``PORT`` or ``HOST:PORT``; this machine alone where there is no host.

    Raises:
        StreamError: If it is neither.

    >>> parse_address("9000")
    ('127.0.0.1', 9000)
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise StreamError(f"--tcp {text}: give a port (0 to 65535), or HOST:PORT")
    return host.strip("[]") or LOOPBACK[0], int(port)


def _notice_death(sender: socket.socket) -> None:
    """Within half a minute the system finds out that the sender's machine is gone, which says nothing of itself."""
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):  # macOS calls the first by another name
            sender.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class TcpSource:
    """A port that one sender at a time writes lines to; when it leaves, the next one may come.

    Raises:
        StreamError: If the port cannot be had.
    """

    def __init__(self, host: str, port: int, reader: Callable[[], LineReader]) -> None:
        self._reader = reader
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._server = socket.create_server((host, port), family=family, backlog=1)
        except (OSError, OverflowError) as error:
            raise StreamError(f"--tcp {host}:{port} cannot be listened on: {error}; choose another port") from error
        self.host, self.port = self._server.getsockname()[:2]

    def __iter__(self) -> Iterator[Item]:
        """Frames of whoever connects."""
        while True:
            try:
                sender, _ = self._server.accept()
            except OSError:  # closed
                return
            _notice_death(sender)
            reader = self._reader()
            with sender, sender.makefile("rb") as file:
                try:
                    yield from read_lines(file, reader)
                except DataError as error:
                    yield BadLine(reader.line, f"{error}; the connection was closed")
                except OSError as error:
                    yield BadLine(reader.line, f"the connection broke: {error.strerror or error}")
            yield Gone()

    def close(self) -> None:
        """Gives the port back."""
        self._server.close()
