"""What the machine can do at most, measured first, so that figures can be shares of it."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass(frozen=True)
class Machine:
    """Limits of this machine with the threads that torch uses.

    Attributes:
        name: Of the processor.
        threads: That torch uses.
        gflops: Float32 matrix product, 10^9 operations a second.
        bf16_gflops: The same in bf16.
        copy_gb: Memory copied, 10^9 bytes a second (64 MB at a time, read and written once each).
    """

    name: str
    threads: int
    gflops: float
    bf16_gflops: float
    copy_gb: float

    def __str__(self) -> str:
        return (
            f"{self.name}, {self.threads} threads, torch {torch.__version__}: matrix product {self.gflops:.0f} GFLOP/s "
            f"in float32, {self.bf16_gflops:.0f} in bf16; memory copy {self.copy_gb:.1f} GB/s"
        )


def fastest(
    action: Callable[[], object], seconds: float = 0.6, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds of the fastest of many calls: what other programs take on a shared machine only ever adds."""
    action()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = clock()
        action()
        best = min(best, clock() - began)
    return best


def wall_clock(device: torch.device) -> Callable[[], float]:
    """The clock on the wall; a GPU, which works on while Python goes on, is waited for before it is read."""

    def read() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter()

    return read


def matrix_gflops(
    dtype: torch.dtype,
    width: int = 1024,
    clock: Callable[[], float] = time.perf_counter,
    device: torch.device | None = None,
) -> float:
    """Operations a second of a square matrix product, two for each multiplication and addition."""
    one, other = (torch.randn(width, width, device=device).to(dtype) for _ in range(2))
    return 2 * width**3 / fastest(lambda: one @ other, 0.25, clock) / 1e9


def measure() -> Machine:
    """The limits, in about two seconds."""
    source = torch.ones(2**24)
    target = torch.empty_like(source)
    seconds = fastest(lambda: target.copy_(source))
    return Machine(
        _processor(),
        torch.get_num_threads(),
        matrix_gflops(torch.float32),
        matrix_gflops(torch.bfloat16),
        source.numel() * 4 / seconds / 1e9,
    )


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in lines.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
