"""What ``benchmarks/gpu.py`` measures with torch, in a process that a GPU may stall or end: one task after another.

Trainings are begun by `gesturelab.train`, as users begin them; a callback takes the time and ends them.
"""

import gc
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from gesturelab.config.composing import compose
from gesturelab.config.training import Device, TrainConfig, TrainerConfig
from gesturelab.doctor.child import end_with_parent
from gesturelab.errors import GesturelabError
from gesturelab.models.flops import on_meta_device
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.sweeps.resources import count_cpu_cores
from gesturelab.training.device import import_torchmetrics, largest_miopen_batch, prepare_device
from gesturelab.training.micro_batching import is_out_of_memory
from gesturelab.training.provenance import cpu_name

Task = dict[str, Any]
Result = dict[str, Any]
CLASSES = 9
BROKEN = ("CUDA error", "HIP error", "device-side assert", "CUDNN_STATUS_EXECUTION_FAILED", "miopenStatusUnknownError")
"""In messages after which a process cannot use the device any more."""


def measure_machine(task: Task) -> Result:
    """What the device is, and what it can do at most."""
    trainer = task["trainer"]
    if trainer == "gpu" and torch.version.hip is not None:
        trainer = "rocm"
    device = _wake({"trainer": trainer})
    facts: Result = {
        "trainer": trainer,
        "name": cpu_name(),
        "cpu": cpu_name(),
        "cores": count_cpu_cores(),
        "torch": str(torch.__version__),
        "library": "",
        "memory_gib": None,
        "native_bf16": True,
        "largest_batch": None,
    }
    if device.type == "cuda":
        about: Any = torch.cuda.get_device_properties(device)
        architecture = str(about.gcnArchName) if torch.version.hip else f"{about.major}.{about.minor}"
        library = f"ROCm {torch.version.hip}, MIOpen" if torch.version.hip else f"CUDA {torch.version.cuda}, cuDNN"
        facts |= {
            "name": f"{about.name or 'GPU'} ({architecture})",
            "library": f"{library} {torch.backends.cudnn.version()}",
            "memory_gib": round(about.total_memory / 2**30, 1),
            "native_bf16": _has_bf16(),
            "largest_batch": _largest_batch() if torch.version.hip else None,
        }
    return facts | {"tflops": _products(device, task["width"]), "copy_gb": _copy(device, task["width"])}


def _has_bf16() -> bool:
    try:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:  # an older torch, which does not emulate it
        return bool(torch.cuda.is_bf16_supported())


def _largest_batch() -> int:
    """Windows in a step that a training on an AMD GPU does not refuse."""
    config = compose()
    return largest_miopen_batch(config.model, config.window.length_frames)


def _products(device: torch.device, width: int) -> dict[str, float]:
    """10^12 operations a second of a square matrix product by arithmetic; without those that the device refuses."""
    from suite.machine import matrix_gflops, wall_clock

    rates: dict[str, float] = {}
    kinds = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}
    if device.type == "cuda":
        kinds |= {"tf32": torch.float32}
    for name, kind in kinds.items():
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        with suppress(RuntimeError):
            rates[name] = matrix_gflops(kind, width, wall_clock(device), device) / 1e3
    torch.set_float32_matmul_precision("highest")
    return rates


def _copy(device: torch.device, width: int) -> float:
    """Memory copied, 10^9 bytes a second."""
    from suite.machine import fastest, wall_clock

    source = torch.ones(width * width, device=device)
    target = torch.empty_like(source)
    return 4 * source.numel() / fastest(lambda: target.copy_(source), 0.25, wall_clock(device)) / 1e9


def measure_steps(task: Task) -> Result:
    """Windows a second of a size, batch and precision, from within a training."""
    config, result = _train(task, "suite.gpu_callbacks.MeasureSteps")
    from suite.training_step import training_flops

    features = Features(config.features, KINECT_V2)
    network = on_meta_device(config.model, features, CLASSES, config.window.length_frames)
    return result | {"flops_per_window": training_flops(config, network, len(features.names))}


def measure_loops(task: Task) -> Result:
    """Lightning against a bare loop and the original's way, in turns within a training."""
    return _train(task, "suite.gpu_callbacks.CompareLoops")[1]


def _overrides(task: Task) -> list[str]:
    """A training of which one epoch is more than is measured; none of it is validated."""
    return [
        *task["source"],
        f"trainer={task['trainer']}",
        f"model={task['size']}",
        f"trainer.batch_size={task['batch']}",
        f"trainer.precision={task['precision']}",
        "trainer.max_epochs=2",
        "callbacks=none",
        *(["trainer.cudnn=false"] if task["part"] == "native" else []),
    ]


def _wake(task: Task) -> torch.device:
    """The device, woken up before Lightning is imported, as AMD's need."""
    prepare_device(TrainerConfig(device=Device(task["trainer"])))
    import_torchmetrics()
    return torch.device("cpu" if task["trainer"] == "cpu" else "cuda")


def _train(task: Task, callback: str) -> tuple[TrainConfig, Result]:
    """The configuration of a training, and what a callback measured in it."""
    _wake(task)
    import gesturelab
    from suite.training_step import EnoughError

    with tempfile.TemporaryDirectory(dir=task["scratch"]) as folder:
        path = Path(folder) / "measured.json"
        options = {"_target_": callback, "path": f"'{path}'", **task["options"]}
        entries = ",".join(f"{key}:{value}" for key, value in options.items())
        config = compose([*_overrides(task), f"+callbacks.measure={{{entries}}}"])
        with suppress(EnoughError):
            gesturelab.train(config, Path(folder) / "run")
        if not path.exists():
            return config, {"error": "an epoch has too few batches of this size"}
        return config, json.loads(path.read_text(encoding="utf-8"))


def measure_inference(task: Task) -> Result:
    """How long one window takes, and windows a second in large batches, as test windows are scored."""
    device = _wake(task)
    from suite.inference import percentiles, prepare
    from suite.machine import fastest, wall_clock

    clock = wall_clock(device)
    recogniser, windows, _ = prepare(compose(_overrides(task)))
    recogniser, windows = recogniser.to(device), windows.to(device)
    half = {"bf16": torch.bfloat16, "float16": torch.float16}.get(task["precision"])
    result: Result = {}
    with torch.inference_mode(), torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None):

        def one_window(number: int) -> None:
            recogniser.probabilities(windows[number % len(windows)][None])

        p50, p99 = percentiles(one_window, task["count"], clock)
        result |= {"p50_ms": p50, "p99_ms": p99}
        many = windows.repeat(-(-task["batch"] // len(windows)), 1, 1, 1)[: task["batch"]]
        result["windows_per_s"] = len(many) / fastest(lambda: recogniser.probabilities(many), task["seconds"], clock)
    return result


PARTS: dict[str, Callable[[Task], Result]] = {
    "machine": measure_machine,
    "steps": measure_steps,
    "native": measure_steps,
    "loops": measure_loops,
    "inference": measure_inference,
}


def perform(task: Task, parts: dict[str, Callable[[Task], Result]] = PARTS) -> Result:
    """A task's result; an ``error``, with what kind it is, where it fails."""
    began = time.monotonic()
    try:
        result = parts[task["part"]](task)
    except Exception as error:
        text = next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
        known = isinstance(error, GesturelabError)
        result = {"error": "out of memory" if is_out_of_memory(error) or "out of memory" in text else text}
        result |= {"detail": text, "refused": known, "broken": any(words in str(error) for words in BROKEN)}
    with suppress(RuntimeError):
        if torch.cuda.is_available():
            gc.collect()  # cycles of Lightning's, and what an error held, keep memory of the device
            torch.cuda.empty_cache()
    return result | {"seconds": round(time.monotonic() - began, 2)}


def answer(connection: Connection, log: Path) -> None:
    """What the process does: performs the tasks that come, until none comes any more or the device is lost."""
    os.setsid()  # so that all that it begins can be ended
    end_with_parent()
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(file, stream)
    with suppress(EOFError):
        while True:
            result = perform(connection.recv())
            connection.send(result)
            if result.get("broken"):
                return


class Worker:
    """A process that performs tasks, begun again after one that it did not survive.

    Args:
        log: A file for what it prints.
        work: What it does.
    """

    def __init__(self, log: Path, work: Callable[[Connection, Path], None] = answer) -> None:
        self._log = log
        self._work = work
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def ask(self, task: Task, seconds: float) -> Result:
        """The result of a task; an ``error`` where the process dies, or gives none in so many seconds."""
        began = time.monotonic()
        connection = self._connected()
        try:
            connection.send(task)
            if connection.poll(seconds):
                result: Result = connection.recv()
                if result.get("broken"):
                    self.end()
                return result
            error = f"no answer within {seconds:.0f} s"
        except (EOFError, OSError):
            assert self._process is not None
            self._process.join(10)
            error = f"its process died ({self._process.exitcode})"
        self.end()
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        last = next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
        return {"error": error, "detail": last, "seconds": round(time.monotonic() - began, 2)}

    def _connected(self) -> Connection:
        if self._process is None or self._connection is None or not self._process.is_alive():
            self.end()
            context = get_context("spawn")
            self._connection, other = context.Pipe()
            self._process = context.Process(target=self._work, args=(other, self._log), daemon=True)
            self._process.start()
            other.close()
        return self._connection

    def end(self) -> None:
        """Ends the process, with all that it began."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # it may not lead a group yet
                if self._process.pid is not None and os.getpgid(self._process.pid) == self._process.pid:
                    os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
