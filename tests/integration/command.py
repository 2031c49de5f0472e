"""Runs ``gesturelab`` as a user does: in a process and a folder of its own."""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from processes import SECONDS

COMMAND = (sys.executable, "-m", "gesturelab")
SERVER = Path(__file__).with_name("fork_server.py")


class Command:
    """A ``gesturelab`` command that has begun, in a fork of a process that has imported torch.

    The measurement of coverage would add half of its time, and Hydra would take it for a debugger and show
    errors in full.
    """

    def __init__(self, *arguments: str, folder: Path, **environment: str) -> None:
        self.arguments = arguments
        self._status: int | None = None
        self._streams = tempfile.TemporaryDirectory()
        self._paths = {name: Path(self._streams.name, name) for name in ("stdout", "stderr")}
        for path in self._paths.values():
            path.touch()
        self.pid = self._begin(folder, untraced() | environment)

    def _begin(self, folder: Path, environment: dict[str, str]) -> int:
        paths = {name: str(path) for name, path in self._paths.items()}
        return _ask(arguments=self.arguments, folder=str(folder), environment=environment, **paths)

    def _poll(self) -> int | None:
        return _ask(pid=self.pid)

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *error: object) -> None:
        self.signal(signal.SIGKILL)
        self.wait()
        self._streams.cleanup()

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self._status is None:
            self._status = self._poll()
        return self._status

    def wait(self, seconds: float = SECONDS) -> int:
        """Its exit status; fails the test, with what it wrote, if it is still there after so many seconds."""
        end = time.monotonic() + seconds
        while (status := self.poll()) is None:
            assert time.monotonic() < end, f"still there after {seconds} s: {self.stdout}{self.stderr}"
            time.sleep(0.01)
        return status

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait_for_line(self, start: str) -> None:
        """Returns as soon as it has written a line that begins so."""
        while not any(line.startswith(start) for line in self.stdout.splitlines()):
            assert self.poll() is None, self.stdout + self.stderr
            time.sleep(0.01)

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._paths["stdout"].read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """Its errors so far."""
        return self._paths["stderr"].read_text(encoding="utf-8", errors="replace")


class Process(Command):
    """One that imports torch itself, as a user's does."""

    def _begin(self, folder: Path, environment: dict[str, str]) -> int:
        with self._paths["stdout"].open("w") as stdout, self._paths["stderr"].open("w") as stderr:
            options: dict[str, Any] = {"cwd": folder, "env": environment, "stdout": stdout, "stderr": stderr}
            self._process = subprocess.Popen(
                [*COMMAND, *self.arguments],
                **options,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's job ignores it
            )
        return self._process.pid

    def _poll(self) -> int | None:
        return self._process.poll()


def gesturelab(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The finished command, whatever its exit status, as users see it."""
    with Command(*arguments, folder=folder, **environment) as command:
        status = command.wait()
        return subprocess.CompletedProcess([*COMMAND, *arguments], status, command.stdout, command.stderr)


def _ask(**request: Any) -> Any:
    """What the server answers."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return json.loads(server.stdout.readline())


@functools.cache
def _server() -> subprocess.Popen[str]:
    """The process that is forked; it ends when this one does, which closes its input."""
    server = subprocess.Popen(
        [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=untraced()
    )
    atexit.register(_end, server)
    return server


def _end(server: subprocess.Popen[str]) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.wait(timeout=60)
    server.stdout.close()


def untraced() -> dict[str, str]:
    """The environment without the measurement of coverage, which would slow a command down."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}
