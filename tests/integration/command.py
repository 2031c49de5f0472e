"""Runs ``gesturelab`` as a user does: in a process and a folder of its own."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = (sys.executable, "-m", "gesturelab")
SERVER = Path(__file__).with_name("fork_server.py")


def gesturelab(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The finished command, whatever its exit status, as users see it.

    The measurement of coverage would add half of its time, and Hydra would take it for a debugger and show
    errors in full. The process is a fork of one that has imported torch.
    """
    with tempfile.TemporaryDirectory() as streams:
        paths = {name: Path(streams, name) for name in ("stdout", "stderr")}
        for path in paths.values():
            path.touch()
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": untraced() | environment,
            **{name: str(path) for name, path in paths.items()},
        }
        server = _server()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        answer = server.stdout.readline()
        texts = {name: path.read_text(encoding="utf-8", errors="replace") for name, path in paths.items()}
    return subprocess.CompletedProcess([*COMMAND, *arguments], int(answer), **texts)


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
