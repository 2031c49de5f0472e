"""Signals that ask a process to leave: Ctrl-C, and those of a queue that needs the node.

A handler only sets a flag: what it raised could land anywhere, in somebody's ``except Exception`` as well. Whatever
lasts (steps, epochs, scoring, reading recordings, waiting for other processes) calls `raise_if_received` at moments
that it chooses. Only a second Ctrl-C, from somebody who will not wait, interrupts where it lands.
"""

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from gesturelab.errors import PreemptedError, StoppedError

if TYPE_CHECKING:
    import subprocess

PREEMPTIONS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)  # Windows has the first only
)
INSIST_S = 1.0
"""A second Ctrl-C so long after the first ends the process at once; sooner it is the same key, heard twice."""
LOOK_S = 0.1
"""Between two looks of `sleep`."""

Answer = Callable[[signal.Signals], None]
Handler = Callable[[int, FrameType | None], None]

_received: signal.Signals | None = None
_received_at = 0.0
_handlers: dict[int, Handler] = {}
"""Of the signals that this process answers itself."""
_answer: Answer | None = None


def listen(*numbers: int) -> None:
    """From now on these signals set the flag, whoever answered them before; without any, those of a queue.

    In a thread other than the main one nothing happens: Python leaves signals to that one.
    """
    for number in numbers or PREEMPTIONS:
        if number != signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:  # a shell's background job
            _install(number, _remember)


def announce_and_ignore(*numbers: int) -> None:
    """From now on these signals change nothing but a line on the standard error."""
    for number in numbers:
        _install(number, _announce)


def listen_again() -> None:
    """Takes the signals back from a library that took them."""
    for number, handler in _handlers.items():
        _install(number, handler)


def stop_listening() -> None:
    """Gives all signals back to the system and forgets what was received: for a process that lasts, as of tests."""
    global _received, _answer
    for number in _handlers:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _handlers.clear()
    _received = _answer = None


def _install(number: int, handler: Handler) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(number, handler)
        _handlers[number] = handler
        atexit.unregister(_ignore_all)
        atexit.register(_ignore_all)


def _ignore_all() -> None:
    """Keeps a signal from ending a process that is ending: Python gives up its handlers before it is gone."""
    for number in _handlers:
        signal.signal(number, signal.SIG_IGN)


def answer_with(answer: Answer | None) -> None:
    """What `raise_if_received` does about a signal of a queue in place of raising KeyboardInterrupt."""
    global _answer
    _answer = answer


@contextmanager
def defer_signals() -> Generator[None]:
    """In the block Ctrl-C and the signals of a queue set the flag; handlers that others installed stay.

    Afterwards everything is as it was; the flag stays only where the process listens anyway.
    """
    global _received
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *PREEMPTIONS):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                before[number] = signal.getsignal(number)
                listen(number)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
            del _handlers[number]
        if not _handlers:
            _received = None


def received_signal() -> signal.Signals | None:
    """The signal that asked this process to leave."""
    return _received


def raise_if_received(patience_s: float = 0.0) -> None:
    """Leaves if a signal asked for that.

    Args:
        patience_s: How long after the signal what is at work may still go on.

    Raises:
        KeyboardInterrupt: If there was a signal; for those of a queue, what `answer_with` was given may raise something
            else, or nothing.
    """
    global _received
    received = _received
    if received is None or time.monotonic() - _received_at < patience_s:
        return
    if _answer is None or received is signal.SIGINT:
        raise KeyboardInterrupt
    _received = None  # it is answered once
    _answer(received)


def pass_on(process: "subprocess.Popen[Any]", number: int) -> None:
    """Sends a signal to a process. Windows has none to send: there it ends at once, and its last epoch resumes it."""
    if os.name == "nt":
        process.terminate()
    else:
        process.send_signal(number)


def kill_group(pid: int) -> None:
    """Ends the process that leads a group, and the group; on Windows, which has no groups, the process alone.

    Raises:
        ProcessLookupError: If there is none.
    """
    if hasattr(os, "killpg"):
        os.killpg(pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGTERM)  # cannot be caught there


def sleep(seconds: float) -> None:
    """Waits, and looks for signals meanwhile.

    Raises:
        KeyboardInterrupt: See `raise_if_received`.
    """
    until = time.monotonic() + seconds
    raise_if_received()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_S))
        raise_if_received()


def stop_error(details: str) -> StoppedError:
    """The error of a training that was stopped: by which signal, and then `details`."""
    if _received is None or _received is signal.SIGINT:
        return StoppedError(f"stopped by Ctrl-C{details}")
    return PreemptedError(f"left on {_received.name}{details}")


def exit_status() -> int:
    """Of a process that leaves on KeyboardInterrupt: 75 after a queue's signal, else 130."""
    return stop_error("").exit_status


def _announce(number: int, _frame: FrameType | None) -> None:
    # not by a logger, which may be writing right now
    os.write(2, f"gesturelab: {signal.Signals(number).name}: training on until the job is ended\n".encode())


def _remember(number: int, _frame: FrameType | None) -> None:
    global _received, _received_at
    if _received is None:
        _received, _received_at = signal.Signals(number), time.monotonic()
    elif number == signal.SIGINT and time.monotonic() - _received_at > INSIST_S:
        raise KeyboardInterrupt
