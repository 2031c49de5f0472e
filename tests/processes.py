"""Processes that a test begins: none outlives the test, and none is waited for without end."""

import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

SECONDS = 300
"""A process that takes longer is killed, and the test fails."""


@contextmanager
def running(command: Any, **options: Any) -> Generator[subprocess.Popen[Any]]:
    """A process; at the end of the block it has ended by itself, or is killed because the test failed or it hangs."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
            for stream in (process.stdout, process.stderr, process.stdin):
                if stream is not None:
                    stream.close()  # it may wait for its input to end
            process.wait(SECONDS)
        finally:
            process.kill()


def on_this_machine(seconds: float) -> float:
    """A bound of processor time that was set where three million steps of a loop take 0.25 s, longer where they do."""
    start = time.process_time()
    sum(number * number % 7 for number in range(3_000_000))
    return seconds * max(1, (time.process_time() - start) / 0.25)
