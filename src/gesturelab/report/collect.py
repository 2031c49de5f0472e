"""Finding runs and reading them; what cannot be read is kept, with the reason."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturelab.errors import RunError
from gesturelab.progress import show_progress
from gesturelab.runs.folder import RunDir, find_runs
from gesturelab.runs.info import Info, is_peer

SUBSETS = ("train", "validation", "test")
LEVELS = ("window", "recording")

NEEDED = (
    "name", "seed", "warnings", "window", "features", "data.source", "data.synthetic", "data.fingerprint",
    "split.kind", "split.leaky", "split.options", "model.size", "model.parameters", "model.hyperparameters",
    "training.epochs", "training.best_epoch", "training.seconds",
    *(f"split.{subset}.{key}" for subset in SUBSETS for key in ("subjects", "recordings")),
    *(f"metrics.{subset}.{level}.{score}" for subset in SUBSETS for level in LEVELS for score in ("loss", "accuracy")),
)  # fmt: skip
"""The keys of an info file that a comparison reads; a file without the others is still compared."""


@dataclass(frozen=True)
class Finished:
    """A run that can be compared.

    Attributes:
        path: Its folder, as found.
        label: The shortest end of the path that no other run's folder shares.
        info: What it wrote.
    """

    path: Path
    label: str
    info: Info


@dataclass(frozen=True)
class Unread:
    """A run that cannot be compared.

    Attributes:
        path: Its folder, as found.
        size: The size in the name of its info file; empty when there is none.
        state: ``unfinished`` or ``unreadable``.
        reason: Why.
    """

    path: Path
    size: str
    state: str
    reason: str


def collect(dirs: Sequence[Path]) -> tuple[list[Finished], list[Unread]]:
    """Every run below some folders; a run that is below two of them is read once.

    Returns:
        The finished runs and the others, each in the order found.

    Raises:
        RunError: If a folder does not exist.
    """
    runs = list(_distinct(dirs))
    labels = short_names([run.path for run in runs])
    finished: list[Finished] = []
    unread: list[Unread] = []
    for run, label in show_progress(list(zip(runs, labels, strict=True)), "reading runs"):
        if not run.size:
            unread.append(Unread(run.path, "", "unfinished", "no info_<size>.json: still running, or stopped early"))
            continue
        try:
            info = run.read_info()
            check(info, run.info)
        except (RunError, RecursionError) as error:
            unread.append(Unread(run.path, run.size, "unreadable", str(error)))
        else:
            finished.append(Finished(run.path, label, info))
    return finished, unread


def _distinct(dirs: Sequence[Path]) -> Iterator[RunDir]:
    seen: set[Path] = set()
    for root in dirs:
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "does not exist"
            raise RunError(f"{root} {what}: give folders that hold runs, such as outputs or multirun")
        for run in find_runs(root):
            key = run.info.resolve()
            if key not in seen and run.path.name != ".hydra":  # Hydra keeps a config.yaml of its own there
                seen.add(key)
                yield run


def short_names(paths: Sequence[Path]) -> list[str]:
    """For each path its fewest last parts that tell it from every other one.

    >>> short_names([Path("a/x/0"), Path("a/y/0"), Path("a/y/1")])
    ['x/0', 'y/0', '1']
    """
    parts = [path.resolve().parts for path in paths]
    counts = Counter(whole[start:] for whole in set(parts) for start in range(len(whole)))
    ends = [[whole[start:] for start in range(len(whole) - 1, -1, -1)] for whole in parts]
    return [str(Path(*next((end for end in of_path if counts[end] == 1), of_path[-1]))) for of_path in ends]


def check(info: Info, path: Path) -> None:
    """Refuses an info file that a comparison cannot use; `RunDir.read_info` has checked the types of what it holds.

    Raises:
        RunError: Naming the file and the key that is missing or cannot be.
    """
    peer = "model" in info and is_peer(info)
    for key in NEEDED:
        if peer and key.startswith("metrics.validation"):
            continue
        value: Any = info
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise RunError(f"{path} has no '{key}': it is damaged, or not from gesturelab; run it again")
            value = value[part]
        if value is None:
            raise RunError(f"{path}: '{key}' should be a number, not null; run it again")
        if key.endswith("accuracy") and not 0 <= value <= 1:
            raise RunError(f"{path}: '{key}' is {value}, not between 0 and 1; run it again")
    if info["model"]["parameters"] < 1:
        raise RunError(f"{path}: 'model.parameters' is {info['model']['parameters']}; run it again")
