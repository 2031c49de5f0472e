"""What doctor knows of a machine, and what it says; plain values, so that a test can describe any machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Package:
    """A package that gesturelab's own metadata names.

    Attributes:
        name: On the package index.
        bounds: The versions that gesturelab works with, such as ``>=2.5,<3,!=2.6.2``.
        installed: Its version here; None if it is absent.
        extra: The extra that wants it; empty for what gesturelab always needs.
    """

    name: str
    bounds: str
    installed: str | None
    extra: str = ""


@dataclass(frozen=True)
class Gpu:
    """A GPU that torch sees."""

    name: str
    memory_gib: float
    free_gib: float
    architecture: str
    """gfx90a and the like, or NVIDIA's compute capability, such as 9.0."""


@dataclass(frozen=True)
class Torch:
    """The torch that is installed."""

    version: str
    cuda: str | None = None
    """The CUDA that it was built with."""
    hip: str | None = None
    """The HIP (ROCm) that it was built with."""
    threads: int = 1
    """CPU threads that a training would use."""
    gpus: tuple[Gpu, ...] = ()
    error: str = ""
    """What the configured device answered, if it cannot be used."""

    @property
    def build(self) -> str:
        """``CPU``, ``CUDA 12.8`` or ``ROCm 6.4``."""
        return f"ROCm {self.hip}" if self.hip else f"CUDA {self.cuda}" if self.cuda else "CPU"


@dataclass(frozen=True)
class Driver:
    """What the system says of GPUs, without torch."""

    nvidia: str = ""
    """Version of NVIDIA's driver."""
    nvidia_cuda: str = ""
    """The newest CUDA that it runs."""
    nvidia_gpus: int = 0
    amd: str = ""
    """Version of AMD's kernel driver, or ``in the kernel``."""
    amd_gpus: int = 0
    kfd_closed: bool = False
    """AMD's device file is there, but this user may not open it."""
    rocm: str = ""
    """Version of ROCm in /opt/rocm."""
    error: str = ""
    """What nvidia-smi said when it failed."""


@dataclass(frozen=True)
class Partition:
    """A part of a Slurm cluster."""

    name: str
    up: bool
    time_limit: str
    nodes: int
    gpus: str
    """Slurm's words, such as ``gpu:mi250x:8``; empty without any."""


@dataclass(frozen=True)
class Slurm:
    """The Slurm on this machine; an error says why it did not answer."""

    version: str
    partitions: tuple[Partition, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Folder:
    """A folder that trainings write to; it need not be there yet."""

    role: str
    """outputs, multirun or cache."""
    path: str
    error: str
    """Why nothing can be written there; empty if it can."""
    free_bytes: int


@dataclass(frozen=True)
class Cores:
    """The processors and what limits their use."""

    machine: int
    usable: int
    """That the scheduler lets this process run on."""
    cgroup: float | None
    """Processors' worth of time that the container or the Slurm job may use; None without a limit."""
    load: float
    """Processes that wanted to run in the last minute."""


@dataclass(frozen=True)
class Shape:
    """A size's network at the configured shapes; a guest's may have no width and layers."""

    size: str
    hidden: int | None
    layers: int | None
    parameters: int
    largest_batch: int
    """Above it MIOpen's limits are crossed."""


@dataclass(frozen=True)
class Comparison:
    """One training step of one size on the device, beside the same step in float64 on the CPU.

    Attributes:
        size: The model option; empty for an accident before any was computed.
        device: cpu, or the GPU's name.
        precision: Of the device's arithmetic.
        logits_error: Of the worst window, as a share of a window's length; see `gesturelab.doctor.step.difference`.
        gradient_error: Of the worst gradient.
        worst: Which gradient that was.
        tolerance: Largest error that rounding explains.
        seconds: Wall time of both.
        error: What the device answered, if it could not compute.
    """

    size: str
    device: str
    precision: str
    logits_error: float = 0.0
    gradient_error: float = 0.0
    worst: str = ""
    tolerance: float = 0.0
    seconds: float = 0.0
    error: str = ""

    @property
    def agrees(self) -> bool:
        """Whether rounding explains the difference; never so for a number that is not finite."""
        return not self.error and self.logits_error <= self.tolerance and self.gradient_error <= self.tolerance


@dataclass(frozen=True)
class LargestBatch:
    """The largest batch at which the configured size's step was right on the device, as far as it was searched.

    Attributes:
        right: Windows in that batch; 0 if none was right.
        wrong: Windows in the smallest batch that was not right; None if all were that were tried.
        reason: What was wrong with that one.
        stopped_at: The batch that there was no time to try, or that did not answer in time; None if the search ended.
    """

    right: int
    wrong: int | None = None
    reason: str = ""
    stopped_at: int | None = None


@dataclass(frozen=True)
class Asked:
    """What the configuration asks for."""

    model: str
    device: str
    devices: int
    precision: str
    batch: int
    frames: int
    num_nodes: int = 1
    threads: int | None = None
    cudnn: bool = True


@dataclass(frozen=True)
class Facts:
    """Everything that is judged."""

    asked: Asked
    versions: Mapping[str, str]
    packages: tuple[Package, ...]
    torch: Torch | None
    torch_error: str = ""
    """Why torch cannot be imported."""
    driver: Driver = Driver()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Those variables that decide about devices, threads and Slurm, as they were when the command began."""
    slurm: Slurm | None = None
    folders: tuple[Folder, ...] = ()
    cores: Cores = Cores(machine=1, usable=1, cgroup=None, load=0.0)
    shapes: tuple[Shape, ...] = ()
    comparisons: Sequence[Comparison] = ()
    not_compared: Mapping[str, str] = field(default_factory=dict[str, str])
    """Sizes that were not computed, and why."""
    largest_batch: LargestBatch | None = None
    """None: not searched."""


class Verdict(StrEnum):
    """How bad it is."""

    ok = "ok"
    warning = "warning"
    failure = "failure"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, in a word or two.
        verdict: ok, warning: trainings run, but look; failure: the configured training would fail or be wrong.
        found: What is there.
        do: What to do next; empty when nothing is to be done.
    """

    name: str
    verdict: Verdict
    found: str
    do: str = ""


def ok(name: str, found: str) -> Finding:
    """Nothing is wrong."""
    return Finding(name, Verdict.ok, found)


def warning(name: str, found: str, do: str) -> Finding:
    """Trainings run, but someone should look."""
    return Finding(name, Verdict.warning, found, do)


def failure(name: str, found: str, do: str) -> Finding:
    """The configured training would fail, or give wrong numbers."""
    return Finding(name, Verdict.failure, found, do)
