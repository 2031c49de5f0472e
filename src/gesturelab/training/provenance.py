"""Where a result comes from: versions of what computed it, and the state of the code."""

import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import cast

from gesturelab.config.store import conf_dir
from gesturelab.info import GitInfo

PACKAGES = ("gesturelab", "torch", "lightning", "torchmetrics", "hydra-core", "omegaconf", "numpy", "pandas")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


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
