"""Asks the system: drivers, Slurm, processors, folders. Nothing here can hang: every command has a deadline."""

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gesturelab.doctor.facts import Cores, Driver, Folder, Partition, Slurm
from gesturelab.sweeps.resources import amd_gpus, cpu_cores

DEADLINE_S = 10.0


def ask(*command: str, seconds: float = DEADLINE_S) -> tuple[int | None, str]:
    """A command's exit status and what it said; the status is None where it is absent or gave no answer in time."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that all of it can be ended
        )
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, str(error)
    with process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return None, f"no answer within {seconds:g} s"
    return process.returncode, said.strip()


def find_driver(root: Path = Path("/")) -> Driver:
    """Versions and GPUs of the drivers.

    Args:
        root: Where /sys, /proc, /dev and /opt are.
    """
    return _nvidia(root, _amd(root))


def _nvidia(root: Path, driver: Driver) -> Driver:
    status, said = ask("nvidia-smi")
    loaded = _read(root / "proc/driver/nvidia/version")
    if status is None and not said and not loaded:
        return driver
    if status != 0:
        return replace(
            driver, nvidia=_first(r"\s(\d+\.[\d.]+)\s", loaded) or "loaded", error=_last_line(said) or "it is not there"
        )
    _, listed = ask("nvidia-smi", "-L")
    return replace(
        driver,
        nvidia=_first(r"Driver Version:\s*([\d.]+)", said) or "unknown",
        nvidia_cuda=_first(r"CUDA (?:UMD )?Version:\s*([\d.]+)", said),
        nvidia_gpus=sum(line.startswith("GPU ") for line in listed.splitlines()),
    )


def _amd(root: Path) -> Driver:
    module, device = root / "sys/module/amdgpu", root / "dev/kfd"
    return Driver(
        amd=(_read(module / "version") or "in the kernel") if module.exists() else "",
        amd_gpus=amd_gpus(root / "sys/class/kfd/kfd/topology/nodes"),
        kfd_closed=device.exists() and not os.access(device, os.R_OK | os.W_OK),
        rocm=_read(root / "opt/rocm/.info/version"),
    )


def find_slurm() -> Slurm | None:
    """The Slurm here and its partitions; None without one."""
    status, version = ask("sinfo", "--version")
    if status is None and not version:
        return None
    if status != 0:
        return Slurm("sinfo is there, but fails", error=_last_line(version))
    status, said = ask("sinfo", "--noheader", "--all", "--format=%R|%a|%l|%D|%G")
    if status != 0:
        return Slurm(version, error=_last_line(said) or f"sinfo ended with {status}")
    return Slurm(version, parse_partitions(said))


def parse_partitions(said: str) -> tuple[Partition, ...]:
    r"""What sinfo lists, a line for each kind of nodes.

    >>> parse_partitions("gpu|up|1-00:00:00|2|gpu:a100:4\ngpu|up|1-00:00:00|3|(null)")
    (Partition(name='gpu', up=True, time_limit='1-00:00:00', nodes=5, gpus='gpu:a100:4'),)
    """
    found: dict[str, Partition] = {}
    for line in said.splitlines():
        if line.count("|") < 4:
            continue
        name, state, limit, nodes, resources = line.split("|", 4)
        old = found.get(name, Partition(name, state == "up", limit, 0, ""))
        gpus = {*filter(None, old.gpus.split(", ")), *([resources] if resources.startswith("gpu") else [])}
        found[name] = replace(
            old, nodes=old.nodes + (int(nodes) if nodes.isdigit() else 0), gpus=", ".join(sorted(gpus))
        )
    return tuple(found.values())


def find_cores(root: Path = Path("/")) -> Cores:
    """The processors of this machine and what this process may use of them."""
    return Cores(os.cpu_count() or 1, cpu_cores(), cgroup_limit(root), round(os.getloadavg()[0], 2))


def cgroup_limit(root: Path) -> float | None:
    """Processors' worth of time that this process's control groups, the outer ones too, let it use; None if all."""
    limits: list[float] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":  # version 2
            top = root / "sys/fs/cgroup"
            names = ("cpu.max",)
        elif "cpu" in controllers.split(","):
            top = root / "sys/fs/cgroup/cpu"
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            quota, _, period = " ".join(_read(folder / name) for name in names).partition(" ")
            if quota.isdigit() and period.isdigit() and int(period):
                limits.append(int(quota) / int(period))
    return min(limits, default=None)


def find_folder(role: str, path: Path) -> Folder:
    """Whether a folder can be written; where it is not there yet, whether it could be made."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        status = os.statvfs(there)
    except OSError as error:
        return Folder(role, path.as_posix(), error.strerror or str(error), 0)
    return Folder(role, path.as_posix(), "", status.f_bavail * status.f_frsize)


def chosen(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that decide about devices, threads and Slurm; no others, which may be secret."""
    names = (
        *("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"),
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "HSA_OVERRIDE_GFX_VERSION"),
    )
    return {name: environment[name] for name in names if name in environment}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _last_line(text: str) -> str:
    """Of several lines the last one, where commands say what was fatal."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""
