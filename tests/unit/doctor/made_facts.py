"""Machines to judge, described by hand."""

from dataclasses import replace
from typing import Any

from gesturelab.doctor.facts import (
    Asked,
    Comparison,
    Cores,
    Driver,
    Facts,
    Folder,
    Gpu,
    Package,
    Shape,
    Torch,
)

H100 = Gpu("NVIDIA H100", 80.0, 79.0, "9.0")
MI250 = Gpu("AMD Instinct MI250X", 64.0, 63.0, "gfx90a")

LAPTOP = Facts(
    asked=Asked("tiny", "auto", 1, "auto", 64, 32),
    versions={"python": "3.11.7", "torch": "2.9.1+cpu"},
    packages=(Package("lightning", ">=2.5,<3,!=2.6.2,!=2.6.3", "2.6.1"), Package("optuna", ">=5,<6", None, "search")),
    torch=Torch("2.9.1+cpu", threads=4),
    folders=(Folder("outputs", "outputs", "", 2**36), Folder("cache", "/home/me/.cache", "", 2**36)),
    cores=Cores(machine=4, usable=4, cgroup=None, load=0.5),
    shapes=(Shape("tiny", 168, 2, 507_874, 2048), Shape("xxlarge", 1032, 4, 35_052_922, 2048)),
    comparisons=(Comparison("tiny", "cpu", "float32", 1e-7, 1e-6, "input", 1e-3, 0.5),),
)
"""No GPU, and nothing wrong."""

NVIDIA = replace(
    LAPTOP,
    asked=replace(LAPTOP.asked, device="gpu"),
    torch=Torch("2.9.1+cu128", cuda="12.8", threads=4, gpus=(H100, H100)),
    driver=Driver(nvidia="570.86", nvidia_cuda="12.8", nvidia_gpus=2),
)
"""Two NVIDIA GPUs, and nothing wrong."""

AMD = replace(
    LAPTOP,
    asked=replace(LAPTOP.asked, device="rocm"),
    torch=Torch("2.9.1+rocm6.4", hip="6.4.43482", threads=4, gpus=(MI250,) * 4),
    driver=Driver(amd="6.12.12", amd_gpus=4, rocm="6.4.1"),
)
"""Four AMD GPUs, and nothing wrong."""


def asking(facts: Facts, **changes: Any) -> Facts:
    """The same machine with another configuration."""
    return replace(facts, asked=replace(facts.asked, **changes))


def with_torch(facts: Facts, **changes: Any) -> Facts:
    """The same machine with another torch."""
    assert facts.torch is not None
    return replace(facts, torch=replace(facts.torch, **changes))
