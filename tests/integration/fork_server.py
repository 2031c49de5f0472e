"""Runs ``python -m gesturelab`` in processes forked from one that has imported everything already.

Importing torch and Lightning takes longer than most of what the tests' commands do. Each line of the standard input is
a request, each line of the standard output an answer: see `Command` in ``command.py``.
"""

import json
import os
import runpy
import signal
import sys
import traceback
from io import TextIOWrapper
from typing import Any, cast

import gesturelab.cli.job
import gesturelab.cli.main
import gesturelab.cli.train
import gesturelab.training.experiment  # noqa: F401 - what takes so long

SECONDS = 300
"""A command that takes longer is killed."""


def command(request: dict[str, Any]) -> int:
    """Runs the command in this process, which has nothing else to do; returns its exit status."""
    os.setpgid(0, 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = request["environment"].get("PYTHONPATH", "").split(os.pathsep)
    streams = [
        os.open(os.devnull, os.O_RDONLY),
        *(os.open(request[name], os.O_WRONLY) for name in ("stdout", "stderr")),
    ]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in (sys.stdout, sys.stderr):
        cast(TextIOWrapper, stream).reconfigure(line_buffering=True)  # who watches a command reads it line by line
    sys.argv = ["gesturelab", *request["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(SECONDS)
    try:
        runpy.run_module("gesturelab", run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        if not isinstance(leaving.code, int | None):
            print(leaving.code, file=sys.stderr)
            return 1
        return leaving.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def begin(request: dict[str, Any]) -> int:
    """Runs the command in a process of its own; returns its id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = command(request)
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(status)
    return child


def poll(pid: int) -> int | None:
    """The exit status of a command; None while it runs."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def main() -> None:
    """Answers requests until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(poll(request["pid"]) if "pid" in request else begin(request)), flush=True)


if __name__ == "__main__":
    main()
