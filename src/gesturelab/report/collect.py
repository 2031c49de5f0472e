"""Finding runs and reading them; what cannot be read is kept, with the reason."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturelab.errors import RunError
from gesturelab.runs.folder import RunDir, find_runs
from gesturelab.runs.info import Info, is_peer

SIDES = ("train", "validation", "test")
LEVELS = ("window", "recording")

NEEDED: dict[str, type] = {
    "name": str,
    "seed": int,
    "warnings": list,
    "data.source": str,
    "data.synthetic": bool,
    "data.fingerprint": str,
    "split.kind": str,
    "split.leaky": bool,
    "split.options": dict,
    **{f"split.{side}.subjects": list for side in SIDES},
    **{f"split.{side}.recordings": int for side in SIDES},
    "window": dict,
    "features": dict,
    "model.size": str,
    "model.parameters": int,
    "model.hyperparameters": dict,
    "training.epochs": int,
    "training.best_epoch": int,
    "training.seconds": float,
    **{f"metrics.{side}.{level}.loss": float for side in SIDES for level in LEVELS},
    **{f"metrics.{side}.{level}.accuracy": float for side in SIDES for level in LEVELS},
}
"""The keys of an info file that a comparison reads, and their types; a file without the others is still compared."""


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
    for run, label in zip(runs, labels, strict=True):
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
            hydra = run.path.name == ".hydra"  # Hydra keeps a config.yaml of its own there
            if key not in seen and not hydra:
                seen.add(key)
                yield run


def short_names(paths: Sequence[Path]) -> list[str]:
    """For each path its fewest last parts that tell it from every other one.

    >>> short_names([Path("a/x/0"), Path("a/y/0"), Path("a/y/1")])
    ['x/0', 'y/0', '1']
    """
    parts = [path.resolve().parts for path in paths]
    counts: dict[tuple[str, ...], int] = {}
    for whole in set(parts):
        for start in range(len(whole)):
            counts[whole[start:]] = counts.get(whole[start:], 0) + 1
    names: list[str] = []
    for whole in parts:
        ends = [whole[start:] for start in range(len(whole) - 1, -1, -1)]
        names.append(str(Path(*next((end for end in ends if counts[end] == 1), whole))))
    return names


def check(info: Info, path: Path) -> None:
    """Refuses an info file that a comparison cannot use.

    Raises:
        RunError: Naming the file and the key that is missing or cannot be.
    """
    try:
        json.dumps(info, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise RunError(f"{path} holds what JSON cannot ({error}): it is damaged; run it again") from error
    model: Any = info.get("model")
    peer = isinstance(model, dict) and is_peer(info)
    for key, kind in NEEDED.items():
        if peer and key.startswith("metrics.validation"):
            continue
        value: Any = info
        for part in key.split("."):
            if not isinstance(value, dict) or part not in value:
                raise RunError(f"{path} has no '{key}': it is damaged, or not from gesturelab; run it again")
            value = value[part]
        if problem := _problem(key, kind, value):
            raise RunError(f"{path}: '{key}' {problem}; run it again")


def _problem(key: str, kind: type, value: Any) -> str:
    """What is wrong with a value; empty when nothing is."""
    number = kind in (int, float)
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (number and isinstance(value, bool)):
        return f"should be of type {kind.__name__}, not {type(value).__name__}"
    if key.endswith("accuracy") and not 0 <= value <= 1:
        return f"is {value}, not between 0 and 1"
    if key == "model.parameters" and value < 1:
        return f"is {value}"
    if key.endswith(("subjects", "warnings")) and not _all_words(value):
        return "should be a list of words"
    return ""


def _all_words(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
