"""Gathers all facts about this machine and this installation.

Nothing that is asked of the system can hang: every command has a deadline.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement

from gesturelab.config.training import TrainConfig
from gesturelab.datasets.cache import cache_folder
from gesturelab.doctor.child import Request, find_largest_batch, listen
from gesturelab.doctor.facts import Asked, Cores, Driver, Facts, Folder, Package, Partition, Slurm
from gesturelab.runs.signals import kill_group
from gesturelab.sweeps.resources import count_amd_gpus, count_cpu_cores
from gesturelab.training.device import separate_miopen_caches
from gesturelab.training.provenance import installed_version, load_average, versions

ENVIRONMENT_OF_ITS_OWN = "peers"
"""The extra whose packages belong into another environment."""

DEADLINE_S = 10.0


def probe(config: TrainConfig, request: Request, working: Callable[[str], None] = lambda _: None) -> Facts:
    """Looks at everything.

    Args:
        config: What a training would be configured to.
        request: The same as overrides, and how much to compute.
        working: Is called with the size that is being computed.
    """
    environment = chosen(os.environ)
    trainer = config.trainer
    cache = cache_folder(config.data.cache_dir)
    folders = {"outputs": Path("outputs"), "multirun": Path("multirun"), "cache": cache}
    asked = Asked(
        config.model.name,
        trainer.device.value,
        trainer.devices,
        trainer.precision.value,
        trainer.batch_size,
        config.window.length_frames,
        trainer.num_nodes,
        trainer.threads,
        trainer.cudnn,
    )
    separate_miopen_caches(trainer)  # what one process compiles, the next ones find
    heard = listen(request, working=working)
    return Facts(
        asked=asked,
        versions=versions(),
        packages=find_packages(),
        driver=find_driver(),
        environment=environment,
        slurm=find_slurm(),
        folders=tuple(find_folder(role, path) for role, path in folders.items()),
        cores=find_cores(),
        largest_batch=find_largest_batch(request, asked, heard, working=working),
        **vars(heard),
    )


def find_packages(of: str = "gesturelab") -> tuple[Package, ...]:
    """What the metadata of an installed package names, with versions here; empty if it is not installed."""
    try:
        lines, extras = requires(of) or [], metadata(of).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return ()
    packages: list[Package] = []
    for wanted in map(Requirement, lines):
        marker = wanted.marker  # none fits what is not for this Python or system
        extra = next((name for name in ("", *extras) if marker is None or marker.evaluate({"extra": name})), None)
        if extra is not None and extra != ENVIRONMENT_OF_ITS_OWN:
            packages.append(Package(wanted.name, str(wanted.specifier), installed_version(wanted.name), extra))
    return tuple(packages)


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
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                kill_group(process.pid)
            return None, f"no answer within {seconds:g} s"
    return process.returncode, output.strip()


def find_driver(root: Path = Path("/")) -> Driver:
    """Versions and GPUs of the drivers.

    Args:
        root: Where /sys, /proc, /dev and /opt are.
    """
    module, device = root / "sys/module/amdgpu", root / "dev/kfd"
    driver = Driver(
        amd=(_read(module / "version") or "in the kernel") if module.exists() else "",
        amd_gpus=count_amd_gpus(root / "sys/class/kfd/kfd/topology/nodes"),
        kfd_closed=device.exists() and not os.access(device, os.R_OK | os.W_OK),
        rocm=_read(root / "opt/rocm/.info/version"),
    )
    status, output = ask("nvidia-smi")
    loaded = _read(root / "proc/driver/nvidia/version")
    if status is None and not output and not loaded:
        return driver
    if status != 0:
        version = _first(r"\s(\d+\.[\d.]+)\s", loaded) or "loaded"
        return replace(driver, nvidia=version, error=_last_line(output) or "it is not there")
    _, listed = ask("nvidia-smi", "-L")
    return replace(
        driver,
        nvidia=_first(r"Driver Version:\s*([\d.]+)", output) or "unknown",
        nvidia_cuda=_first(r"CUDA (?:UMD )?Version:\s*(\d[\d.]*)", output),
        nvidia_gpus=sum(line.startswith("GPU ") for line in listed.splitlines()),
    )


def find_slurm() -> Slurm | None:
    """The Slurm here and its partitions; None without one."""
    status, version = ask("sinfo", "--version")
    if status is None and not version:
        return None
    if status != 0:
        return Slurm("sinfo is there, but fails", error=_last_line(version))
    status, output = ask("sinfo", "--noheader", "--all", "--format=%R|%a|%l|%D|%G")
    if status != 0:
        return Slurm(version, error=_last_line(output) or f"sinfo ended with {status}")
    return Slurm(version, parse_partitions(output))


def parse_partitions(output: str) -> tuple[Partition, ...]:
    r"""What sinfo lists, a line for each kind of nodes.

    >>> parse_partitions("gpu|up|1-00:00:00|2|gpu:a100:4\ngpu|up|1-00:00:00|3|(null)")
    (Partition(name='gpu', up=True, time_limit='1-00:00:00', nodes=5, gpus='gpu:a100:4'),)
    """
    partitions: dict[str, Partition] = {}
    for line in output.splitlines():
        if line.count("|") < 4:
            continue
        name, state, limit, nodes, resources = line.split("|", 4)
        old = partitions.get(name, Partition(name, state == "up", limit, 0, ""))
        gpus = {*filter(None, old.gpus.split(", ")), *([resources] if resources.startswith("gpu") else [])}
        partitions[name] = replace(
            old, nodes=old.nodes + (int(nodes) if nodes.isdigit() else 0), gpus=", ".join(sorted(gpus))
        )
    return tuple(partitions.values())


def find_cores(root: Path = Path("/")) -> Cores:
    """The processors of this machine and what this process may use of them."""
    return Cores(os.cpu_count() or 1, count_cpu_cores(), cgroup_limit(root), round(load_average(), 2))


def cgroup_limit(root: Path) -> float | None:
    """Processors' worth of time that this process's control groups, the outer ones too, let it use; None if all."""
    limits: list[float] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)  # no controllers: version 2
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            quota, _, period = " ".join(_read(folder / name) for name in names).partition(" ")
            if folder.is_relative_to(top) and quota.isdigit() and period.isdigit() and int(period):
                limits.append(int(quota) / int(period))
    return min(limits, default=None)


def find_folder(role: str, path: Path) -> Folder:
    """Whether a folder can be written; where it is not there yet, whether it could be made."""
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        return Folder(role, path.as_posix(), error.strerror or str(error), 0)
    return Folder(role, path.as_posix(), "", free)


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
