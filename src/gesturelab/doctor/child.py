"""All that needs torch, in a process of its own: a broken driver may stall it or end it without a word.

The child sends what it finds, each as soon as it is known; `listen` starts it, and says what happened if it stalls or
dies. Nothing here may import Lightning: the one that is installed may be a malicious release.
"""

import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from gesturelab.config.composing import compose, options
from gesturelab.config.training import LSTMConfig
from gesturelab.doctor.facts import Asked, Comparison, Gpu, LargestBatch, Shape, Torch
from gesturelab.errors import DeviceError, first_line
from gesturelab.runs.signals import kill_group

PATIENCE_S = 300.0
"""So long nothing may come; the first use of an AMD GPU compiles for minutes."""


@dataclass(frozen=True)
class Request:
    """What to do.

    Attributes:
        overrides: Of the configuration.
        seconds: How long to compute, about; None has no limit.
        every_size: Try the large sizes too.
        search_seconds: How long to search for the largest right batch.
        search: Do so even where nothing suggests that it is needed.
    """

    overrides: list[str]
    seconds: float | None
    every_size: bool
    search_seconds: float = 0.0
    search: bool = False


Work = Callable[[Request], Iterator[tuple[str, Any]]]
"""What the child does: it yields fields of `Heard` by name, ``comparison`` and the size it is ``computing``."""


def examine_torch(request: Request) -> Iterator[tuple[str, Any]]:
    """Torch's build and devices, the shapes of all sizes, and how a step of each compares."""
    config = compose(request.overrides)
    from gesturelab.training.device import prepare_device

    try:
        accelerator, error = prepare_device(config.trainer), ""
    except DeviceError as refused:
        accelerator, error = "", str(refused)
    except (ImportError, OSError) as broken:
        yield "torch_error", str(broken) or type(broken).__name__
        return
    yield "torch", torch_facts(error, devices=config.trainer.device != "cpu")
    from gesturelab.doctor.step import compare_sizes, find_shapes

    others = [compose([f"model={name}"]).model for name in options("model") if name != config.model.name]
    models = {config.model.name: config.model} | {each.name: each for each in others if isinstance(each, LSTMConfig)}
    shapes = find_shapes(config, list(models.values()))
    yield "shapes", shapes
    if error:
        yield "not_compared", {shape.size: "the device cannot be used" for shape in shapes}
        return
    sizes = [models[shape.size] for shape in shapes]
    yield from compare_sizes(config, sizes, accelerator, request.seconds, every_size=request.every_size)


def examine_batch(request: Request) -> Iterator[tuple[str, Any]]:
    """How a step of the configured size compares at the configured batch."""
    config = compose(request.overrides)
    from gesturelab.training.device import prepare_device

    accelerator = prepare_device(config.trainer)
    yield "torch", torch_facts("", devices=config.trainer.device != "cpu")
    from gesturelab.doctor.step import comparing

    yield "computing", config.model.name
    for comparison in comparing(config, accelerator)(config.model, batch=config.trainer.batch_size):
        yield "comparison", comparison


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
        error = error or first_line(refused)
    return Torch(
        str(torch.__version__), torch.version.cuda, torch.version.hip, torch.get_num_threads(), tuple(gpus), error
    )


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
    work: Work = examine_torch,
    patience_s: float = PATIENCE_S,
    until: float = math.inf,
    working: Callable[[str], None] = lambda _: None,
) -> Heard:
    """Starts the child and gathers what it sends.

    Args:
        request: What it shall do.
        work: How it does that.
        patience_s: How long nothing may come before it is ended.
        until: When it is ended at the latest, by the monotonic clock.
        working: Is called with the size that is being computed.
    """
    heard, size = Heard(), ""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder, receiver:
        complaints = Path(folder) / "complaints"
        complaints.touch()
        process = context.Process(target=_run_child, args=(work, request, sender, complaints))
        process.start()
        sender.close()
        try:
            while receiver.poll(max(min(patience_s, until - time.monotonic()), 0)):
                kind, value = receiver.recv()
                if kind == "comparison":
                    heard.comparisons.append(value)
                elif kind != "computing":
                    setattr(heard, kind, value)
                size = {"computing": value, "not_compared": ""}.get(kind, size)
                working(size)
        except EOFError:
            process.join(patience_s)
        finally:
            if stalled := process.is_alive():
                with suppress(ProcessLookupError):  # it may not lead a group yet
                    kill_group(process.pid or 0)
                process.kill()
            process.join()
        if stalled or process.exitcode:
            end = f"no answer within {patience_s:g} s" if stalled else _ended(process.exitcode or 0)
            _blame(heard, size, end, complaints.read_text("utf-8", "replace"))
    return heard


def _run_child(work: Work, request: Request, sender: Connection, complaints: Path) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # so that all that it begins can be ended
    end_with_parent()
    file = os.open(complaints, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    for kind, value in work(request):
        sender.send((kind, value))


def end_with_parent() -> None:
    """Ends this process when the one that began it has ended, however that was: it would go on using the device."""
    parent = parent_process()
    assert parent is not None, "only a process that another one began"

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


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


CLOSE = 16
"""The search ends where the smallest wrong batch is at most a sixteenth above the largest right one."""


def find_largest_batch(
    request: Request,
    asked: Asked,
    heard: Heard,
    *,
    work: Work = examine_batch,
    working: Callable[[str], None] = lambda _: None,
) -> LargestBatch | None:
    """Searches beyond the configured batch on AMD GPUs, below it where a GPU is wrong, elsewhere if it is requested.

    Args:
        request: Its overrides choose size and device; its search_seconds limit the search.
        asked: What they configure.
        heard: What is known of the device.
        work: Compares a step at one batch.
        working: Is called with what is being computed.

    Returns:
        What was found; None where there was no need to search, or nothing to search on.
    """
    compared = [each for each in heard.comparisons if each.size == asked.model]
    bad = next((each for each in compared if not each.agrees), None)
    gpu, shape = heard.torch and heard.torch.gpus, {shape.size: shape for shape in heard.shapes}.get(asked.model)
    needed = gpu and ((heard.torch and heard.torch.hip and asked.cudnn) or bad)
    if shape is None or not compared or not (request.search or needed):
        return None
    until = time.monotonic() + request.search_seconds

    def compare_at(batch: int) -> str | None:
        working(f"{asked.model}, {batch} windows at a time")
        at_batch = replace(request, overrides=[*request.overrides, f"trainer.batch_size={batch}"])
        heard = listen(at_batch, work=work, until=until)
        if time.monotonic() >= until:
            return None
        wrong = next((each for each in heard.comparisons if not each.agrees), None)
        if wrong is None:
            return "" if heard.comparisons else heard.torch_error or "it computed nothing"
        return _reason(wrong)

    known = LargestBatch(asked.batch) if bad is None else LargestBatch(0, asked.batch, _reason(bad))
    result = search(known, max(shape.largest_batch, asked.batch), compare_at)
    working("")
    return result


def _reason(wrong: Comparison) -> str:
    errors = f"outputs differ by {wrong.logits_error:.1g}, gradients by {wrong.gradient_error:.1g}"
    return wrong.error or f"{wrong.precision}: {errors}"


def search(known: LargestBatch, most: int, compare_at: Callable[[int], str | None]) -> LargestBatch:
    """Doubles the batch until one is wrong, then halves the distance between the right and the wrong one.

    Args:
        known: Where to begin.
        most: The largest batch to try.
        compare_at: Tries a batch: empty if it is right, else the reason; None if there is no time left.
    """
    while (batch := _next_batch(known, most)) is not None:
        reason = compare_at(batch)
        if reason is None:
            return replace(known, stopped_at=batch)
        known = replace(known, right=batch) if not reason else replace(known, wrong=batch, reason=reason)
    return known


def _next_batch(known: LargestBatch, most: int) -> int | None:
    right, wrong = known.right, known.wrong
    if wrong is None:
        return min(2 * right, most) if right < most else None
    return (right + wrong) // 2 if wrong - right > max(right // CLOSE, 1) else None
