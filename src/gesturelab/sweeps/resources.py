"""Divides a machine among jobs: CPU threads, GPUs."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gesturelab.config.sweeps import LocalLauncherConfig
from gesturelab.errors import ConfigError

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Gpus:
    """The GPUs there are: the variable that chooses among them, and the values it may take."""

    variable: str
    ids: tuple[str, ...]


def divide_resources(
    options: LocalLauncherConfig, gpus: Gpus | None, cores: int, jobs: int, environment: Mapping[str, str] = os.environ
) -> list[dict[str, str]]:
    """Slots: the environment variables of each job that runs at the same time.

    >>> shared = LocalLauncherConfig("", n_jobs=None, threads=None, gpus=None, jobs_per_gpu=2)
    >>> divide_resources(shared, Gpus("CUDA_VISIBLE_DEVICES", ("0", "1")), cores=8, jobs=99, environment={})[1]
    {'CUDA_VISIBLE_DEVICES': '1', 'OMP_NUM_THREADS': '2', 'MKL_NUM_THREADS': '2', 'OPENBLAS_NUM_THREADS': '2'}

    Raises:
        ConfigError: If a GPU is asked for that is not there.
    """
    shares = options.jobs_per_gpu * _choose_gpus(options, gpus)
    count = options.n_jobs or len(shares) or max(cores // 2, 1)
    count = max(min(count, jobs, len(shares) or jobs), 1)
    share = max(cores // count, 1)
    if (allowed := environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()).isdecimal():  # a list is of levels
        share = min(share, max(int(allowed), 1))
    threads = dict.fromkeys(THREADS, str(options.threads or share))
    return [({gpus.variable: shares[slot]} if shares and gpus is not None else {}) | threads for slot in range(count)]


def _choose_gpus(options: LocalLauncherConfig, gpus: Gpus | None) -> list[str]:
    ids = gpus.ids if gpus is not None else ()
    if options.gpus is None:
        return list(ids)
    missing = [number for number in options.gpus if not 0 <= number < len(ids)]
    if missing:
        raise ConfigError(f"hydra.launcher.gpus={options.gpus}: there is no GPU {missing[0]}; there are {len(ids)}")
    return [ids[number] for number in options.gpus]


def count_cpu_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_gpus(environment: Mapping[str, str] = os.environ) -> Gpus | None:
    """The GPUs that this process may use, found without torch; None if there are none.

    The variables that hide GPUs are respected. On AMD the HIP variable counts within what ROCR leaves, so it is used
    only if it is set already.
    """
    for variable in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        if variable in environment:
            ids = tuple(part.strip() for part in environment[variable].split(",") if part.strip() not in ("", "-1"))
            return Gpus(variable, ids) if ids else None
    if (count := _count_nvidia_gpus()) > 0:
        return Gpus("CUDA_VISIBLE_DEVICES", tuple(map(str, range(count))))
    if (count := count_amd_gpus(Path("/sys/class/kfd/kfd/topology/nodes"))) > 0:
        return Gpus("ROCR_VISIBLE_DEVICES", tuple(map(str, range(count))))
    return None


def _count_nvidia_gpus() -> int:
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.splitlines())


def count_amd_gpus(nodes: Path) -> int:
    """Nodes of the kernel's topology that have SIMD units: a CPU's has none."""
    count = 0
    for properties in nodes.glob("*/properties"):
        try:
            lines = properties.read_text().splitlines()
        except OSError:
            continue
        count += any(line.startswith("simd_count ") and line.split()[1] != "0" for line in lines)
    return count
