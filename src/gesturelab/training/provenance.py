"""Where a result comes from: versions of what computed it, and the state of the code."""

import json
import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gesturelab.config.store import conf_dir
from gesturelab.runs.info import PACKAGES, GitInfo


def installed_version(package: str) -> str | None:
    """The version of a package; None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: installed_version(name) or "unknown" for name in PACKAGES}}


@cache
def environment() -> dict[str, str]:
    """`versions`, and those of all packages that gesturelab needs, and that these need, by name."""
    needed = ["gesturelab"]
    for package in needed:  # it grows
        with suppress(PackageNotFoundError):
            for requirement in map(Requirement, requires(package) or []):
                name = canonicalize_name(requirement.name)
                if name not in needed and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                    needed.append(name)
    return versions() | {name: installed_version(name) or "unknown" for name in sorted(needed)}


def cpu_name() -> str:
    """The processor as people call it; its kind where the system does not tell."""
    listed = Path("/proc/cpuinfo")
    try:
        if listed.exists():
            lines = (line.partition(":") for line in listed.read_text(encoding="utf-8").splitlines())
            return next(value.strip() for key, _, value in lines if key.strip() == "model name")
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]  # macOS
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError, StopIteration):
        return platform.machine()


def load_average() -> float:
    """Processes and threads that wanted to run in the last minute; 0 where the system does not count them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def git_state() -> GitInfo | None:
    """The checkout's commit, and whether files differ from it; None when the code is not in a checkout of its own.

    A snapshot of the code, as Slurm jobs run it, remembers this of the checkout that it was taken from.
    """
    if (remembered := Path(__file__).parents[1] / "git.json").exists():
        return cast(GitInfo | None, json.loads(remembered.read_text(encoding="utf-8")))
    top = conf_dir().parent
    if not (top / ".git").exists():
        return None
    try:
        commit = _git(top.as_posix(), "rev-parse", "HEAD")
        return GitInfo(commit=commit, dirty=bool(_git(top.as_posix(), "status", "--porcelain")))
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: str, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
