"""Where frames come from: lines of a file, standard input or a TCP port, or a recording that is played.

Lines hold numbers with commas between them, named by a first line or in the skeleton's order. A source must not wait,
and answers take their time: `receive_waiting` stands between them.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedIOBase

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.formats.csv_table import TIMES, columns
from gesturelab.datasets.recording import IMPOSSIBLE_M, Motion
from gesturelab.errors import DataError, RecordingError, StreamError
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

MAX_LINE_BYTES = 2**17
"""Longer lines are no frames; they are passed over without being held."""

MOST_TIME_S = 1e13
"""Later times cannot be told apart to the millisecond; they are most likely in another unit."""

MOST_WAITING = 1024
"""A source that is farther ahead waits: half a minute of a sensor, or a file that is piped in."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """What a sensor says at a moment.

    Attributes:
        time_s: By the source's clock.
        positions: Metres; NaN where a joint was not seen.
    """

    time_s: float
    positions: Float64[np.ndarray, "joints 3"]


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

Arrivals = Iterable[list[tuple[float, Item]]]
"""Items as they are received, those that waited together, each with the moment of its arrival."""


class LineReader:
    """Reads the lines of one source, one after another.

    A line is the joints' x, y and z in metres, in the skeleton's order, after an optional time in seconds; or what a
    first line with names says (``time_s``, ``Head_x``, ...; see `gesturelab.datasets.formats.csv_table`). Where no time
    is given, frames are counted, those that cannot be read too. A joint was not seen where a value is missing, is not
    finite or is farther away than any sensor sees, and, of a Kinect, at exactly 0, 0, 0.

    Args:
        skeleton: Whose joints they are.
        rate_hz: Frames a second, where lines carry no time.
    """

    def __init__(self, skeleton: Skeleton, rate_hz: float) -> None:
        self.skeleton = skeleton
        self.rate_hz = rate_hz
        self.line = 0
        self._frame = 0
        self._wanted = 3 * len(skeleton.joints)
        self._width: int | None = None
        self._places: Sequence[int] | None = None
        self._time: tuple[int, float] | None = None

    def read(self, line: bytes) -> LiveFrame | None:
        """The frame of the next line; None for a line of names and an empty one.

        Raises:
            RecordingError: If it is no frame; the next line may be one.
            DataError: If the first line names columns, but not those of the skeleton: nothing can be read.
        """
        self.line += 1
        line = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not line:
            return None
        if self._width is None and _holds_names(line):
            self._read_names(line)
            return None
        self._frame += 1
        cells = line.split(b",")
        places, time = self._places, self._time
        if places is None:
            spare = len(cells) - self._wanted
            if spare not in (0, 1):
                raise RecordingError(
                    f"{len(cells)} columns, not {self._wanted} (x, y, z of {len(self.skeleton.joints)} joints) or "
                    f"{self._wanted + 1} (with the time first)"
                )
            self._width = self._width or len(cells)
            places, time = range(spare, len(cells)), (0, 1.0) if spare else None
        elif len(cells) != self._width:
            raise RecordingError(f"{len(cells)} columns, but line 1 names {self._width}")
        time_s = (self._frame - 1) / self.rate_hz if time is None else _number(cells[time[0]]) * time[1]
        if not abs(time_s) < MOST_TIME_S:
            raise RecordingError("its time is no number of seconds")
        positions = np.array([_number(cells[place]) for place in places]).reshape(-1, 3)
        unseen = ~(np.abs(positions) <= IMPOSSIBLE_M).all(axis=1)
        if self.skeleton == KINECT_V2:
            unseen |= (positions == 0).all(axis=1)
        positions[unseen] = np.nan
        return LiveFrame(time_s, positions)

    def _read_names(self, line: bytes) -> None:
        names = [name.strip() for name in line.decode("utf-8", "replace").replace('"', "").split(",")]
        wanted = columns(self.skeleton)
        if missing := [name for name in wanted if name not in names]:
            raise DataError(
                f"line {self.line} is neither numbers nor the names of columns: {len(missing)} of {len(wanted)} are "
                f"missing, such as {missing[0]}; it begins with {line[:60].decode('utf-8', 'backslashreplace')!r}"
            )
        self._width = len(names)
        self._places = [names.index(name) for name in wanted]
        times = [name for name in names if name in TIMES]
        self._time = (names.index(times[0]), TIMES[times[0]] / 1000) if times else None


def _holds_names(line: bytes) -> bool:
    """Whether most cells are words: one that should be a number does not make a line one of names."""
    cells = line.split(b",")
    numbers = 0
    for cell in cells:
        with suppress(RecordingError):
            _number(cell)
            numbers += 1
    return 2 * numbers < len(cells)


def _number(cell: bytes) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        shown = cell[:40].decode("utf-8", "backslashreplace")
        raise RecordingError(f"{shown!r} is not a number") from None


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


def receive_waiting(items: Iterable[Item], clock: Callable[[], float]) -> Iterator[list[tuple[float, Item]]]:
    """All items that wait, each time; the source runs in a thread of its own.

    Raises:
        GesturelabError: If the source can go on no longer.
    """
    waiting: queue.Queue[tuple[float, Item] | BaseException | None] = queue.Queue(MOST_WAITING)

    def fill() -> None:
        try:
            for item in items:
                waiting.put((clock(), item))
        except BaseException as error:  # the other thread says it
            waiting.put(error)
        else:
            waiting.put(None)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        received = [waiting.get()]
        while not waiting.empty():
            received.append(waiting.get())
        if isinstance(error := received[-1], BaseException):
            raise error
        if arrivals := [arrival for arrival in received if isinstance(arrival, tuple)]:
            yield arrivals
        if received[-1] is None:
            return


def receive_one_by_one(items: Iterable[Item], clock: Callable[[], float]) -> Iterator[list[tuple[float, Item]]]:
    """Each item waits until the one before is answered: nothing is left out."""
    return ([(clock(), item)] for item in items)
