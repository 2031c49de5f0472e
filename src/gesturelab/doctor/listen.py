"""Listens to the process that uses torch, and says what happened if it stalls or dies."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from gesturelab.doctor.child import MARK, Request
from gesturelab.doctor.facts import Comparison, Gpu, Shape, Torch

CHILD = (sys.executable, "-m", "gesturelab.doctor.child")
PATIENCE_S = 300.0
"""So long nothing may come; the first use of an AMD GPU compiles for minutes."""


@dataclass
class Heard:
    """What came, until the end or an accident."""

    torch: Torch | None = None
    torch_error: str = ""
    shapes: tuple[Shape, ...] = ()
    comparisons: list[Comparison] = field(default_factory=list[Comparison])
    not_compared: dict[str, str] = field(default_factory=dict[str, str])


def listen(
    request: Request,
    *,
    command: Sequence[str] = CHILD,
    patience_s: float = PATIENCE_S,
    working: Callable[[str], None] = lambda _: None,
) -> Heard:
    """Starts the process and gathers what it says.

    Args:
        request: What it shall do.
        command: What to start.
        patience_s: How long nothing may come before it is ended.
        working: Is called with the size that is being computed.
    """
    heard, now = Heard(), ""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()
        end = ""
        try:
            with suppress(BrokenPipeError):
                json.dump(asdict(request), process.stdin)
                process.stdin.close()
            while (line := lines.get(timeout=patience_s)) is not None:
                if line.startswith(MARK):
                    now = _take(heard, *json.loads(line.removeprefix(MARK)), now=now)
                    working(now)
            process.wait(timeout=patience_s)
        except (queue.Empty, subprocess.TimeoutExpired):
            end = f"no answer within {patience_s:g} s"
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            reader.join(timeout=10)
        if end or process.returncode:
            complaints.seek(0)
            _accident(heard, now, end or _ended(process.returncode), complaints.read())
    return heard


def _read(stream: Iterable[str], lines: queue.SimpleQueue[str | None]) -> None:
    try:
        for line in stream:
            lines.put(line.rstrip("\n"))
    finally:
        lines.put(None)


def _take(heard: Heard, kind: str, value: Any, *, now: str) -> str:
    """Keeps one thing that was said; gives the size that is being computed."""
    if kind == "torch":
        heard.torch = Torch(**(value | {"gpus": tuple(Gpu(**gpu) for gpu in value["gpus"])}))
    elif kind == "torch_error":
        heard.torch_error = value
    elif kind == "shapes":
        heard.shapes = tuple(Shape(**shape) for shape in value)
    elif kind == "comparison":
        heard.comparisons.append(Comparison(**value))
    elif kind == "not_compared":
        heard.not_compared = cast(dict[str, str], value)
        return ""
    return value if kind == "computing" else now


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"died of {signal.Signals(-status).name}"
    except ValueError:
        return f"died of signal {-status}"


def _accident(heard: Heard, now: str, end: str, complaints: str) -> None:
    """Puts the end where it belongs: to torch, to the device, or to the size that was being computed."""
    last = next((line.strip() for line in reversed(complaints.splitlines()) if line.strip()), "")
    said = f"the process that uses it {end}" + (f": {last[:300]}" if last else "")
    if heard.torch is None:
        heard.torch_error = heard.torch_error or said
        return
    device = heard.torch.gpus[0].name if heard.torch.gpus else "cpu"
    sizes = [shape.size for shape in heard.shapes]
    heard.comparisons.append(Comparison(now, device, "unknown precision", error=said))
    done = {each.size for each in heard.comparisons}
    heard.not_compared |= {size: "not reached" for size in sizes if size not in done}
