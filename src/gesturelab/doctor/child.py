"""All that needs torch, in a process of its own: a broken driver may stall it or end it without a word.

The child reads a `Request` as JSON from its input, and tells what it finds as lines of JSON, each as soon as it is
known; `listen` starts it, and says what happened if it stalls or dies. Nothing here may import Lightning: the one that
is installed may be a malicious release.
"""

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
from typing import Any

from gesturelab.config.composing import compose, options
from gesturelab.doctor.facts import Comparison, Gpu, Shape, Torch
from gesturelab.errors import DeviceError

MARK = "gesturelab-doctor "
"""Begins our lines; libraries print others."""
CHILD = (sys.executable, "-m", "gesturelab.doctor.child")
PATIENCE_S = 300.0
"""So long nothing may come; the first use of an AMD GPU compiles for minutes."""


@dataclass(frozen=True)
class Request:
    """What to do.

    Attributes:
        overrides: Of the configuration.
        seconds: How long to compute, about; None has no limit.
        every_size: Try the large sizes too.
    """

    overrides: list[str]
    seconds: float | None
    every_size: bool


def main() -> None:
    """Tells torch's build and devices, the shapes of all sizes, and how a step of each compares."""
    request = Request(**json.load(sys.stdin))
    config = compose(request.overrides)
    from gesturelab.training.device import prepare_device

    try:
        accelerator, error = prepare_device(config.trainer), ""
    except DeviceError as refused:
        accelerator, error = "", str(refused)
    except (ImportError, OSError) as broken:
        tell("torch_error", str(broken) or type(broken).__name__)
        return
    tell("torch", asdict(torch_facts(error, devices=config.trainer.device != "cpu")))
    from gesturelab.doctor.step import compare_sizes, find_shapes

    models = {config.model.name: config.model} | {
        name: compose([f"model={name}"]).model for name in options("model") if name != config.model.name
    }
    shapes = find_shapes(config, list(models.values()))
    tell("shapes", [asdict(shape) for shape in shapes])
    if error:
        tell("not_compared", {shape.size: "the device cannot be used" for shape in shapes})
        return
    sizes = [models[shape.size] for shape in shapes]
    for kind, value in compare_sizes(config, sizes, accelerator, request.seconds, every_size=request.every_size):
        tell(kind, value)


def torch_facts(error: str, *, devices: bool) -> Torch:
    """Torch's build, threads and, if wanted, the GPUs that it sees."""
    import torch

    gpus: list[Gpu] = []
    try:
        for number in range(torch.cuda.device_count() if devices and torch.cuda.is_available() else 0):
            about: Any = torch.cuda.get_device_properties(number)
            free, total = torch.cuda.mem_get_info(number)
            kind = str(about.gcnArchName) if torch.version.hip else f"{about.major}.{about.minor}"
            gpus.append(Gpu(str(about.name), round(total / 2**30, 1), round(free / 2**30, 1), kind))
    except RuntimeError as refused:
        error = error or str(refused).splitlines()[0]
    return Torch(
        str(torch.__version__), torch.version.cuda, torch.version.hip, torch.get_num_threads(), tuple(gpus), error
    )


def tell(kind: str, value: Any) -> None:
    """Says one thing; numbers that are not finite are written as Python's json reads them."""
    print(MARK + json.dumps([kind, value]), flush=True)


@dataclass
class Heard:
    """What the child told, until its end or an accident; the fields are those of `Facts`."""

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
    """Starts the child and gathers what it tells.

    Args:
        request: What it shall do.
        command: What to start.
        patience_s: How long nothing may come before it is ended.
        working: Is called with the size that is being computed.
    """
    heard, size, end = Heard(), "", ""
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
        reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            with suppress(BrokenPipeError):
                json.dump(asdict(request), process.stdin)
                process.stdin.close()
            while (line := lines.get(timeout=patience_s)) is not None:
                if line.startswith(MARK):
                    kind, value = json.loads(line.removeprefix(MARK))
                    _keep(heard, kind, value)
                    size = {"computing": value, "not_compared": ""}.get(kind, size)
                    working(size)
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
            _blame(heard, size, end or _ended(process.returncode), complaints.read())
    return heard


def _read_lines(stream: Iterable[str], lines: queue.SimpleQueue[str | None]) -> None:
    try:
        for line in stream:
            lines.put(line.rstrip("\n"))
    finally:
        lines.put(None)


def _keep(heard: Heard, kind: str, value: Any) -> None:
    if kind == "torch":
        heard.torch = Torch(**(value | {"gpus": tuple(Gpu(**gpu) for gpu in value["gpus"])}))
    elif kind == "shapes":
        heard.shapes = tuple(Shape(**shape) for shape in value)
    elif kind == "comparison":
        heard.comparisons.append(Comparison(**value))
    elif kind in ("torch_error", "not_compared"):
        setattr(heard, kind, value)


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"died of {signal.Signals(-status).name}"
    except ValueError:
        return f"died of signal {-status}"


def _blame(heard: Heard, size: str, end: str, complaints: str) -> None:
    """Puts the end where it belongs: to torch, to the device, or to the size that was being computed."""
    last = next((line.strip() for line in reversed(complaints.splitlines()) if line.strip()), "")
    error = f"the process that uses it {end}" + (f": {last[:300]}" if last else "")
    if heard.torch is None:
        heard.torch_error = heard.torch_error or error
        return
    device = heard.torch.gpus[0].name if heard.torch.gpus else "cpu"
    heard.comparisons.append(Comparison(size, device, "unknown precision", error=error))
    done = {comparison.size for comparison in heard.comparisons}
    heard.not_compared |= {shape.size: "not reached" for shape in heard.shapes if shape.size not in done}


if __name__ == "__main__":
    main()
