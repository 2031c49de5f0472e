"""Corpora kept parsed on disk: positions as a memory map, the rest as JSON; no pickle.

An entry is a folder ``<source>-<options>-<stamp>``. It is written beside, synced and renamed, so it is there whole or
not at all, and of two processes that build it at once the second uses the first one's. Positions are gigabytes, so
their checksum is compared only when their file is not as it was written: another size or other times (a copied cache, a
restored backup, anything that wrote into it). Everything else is small, and compared at each start.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from gesturelab.datasets.recording import Dataset, Rejected, hash_positions
from gesturelab.files import read_text, refuse_special_file, sync, sync_folder, why, write_text
from gesturelab.skeletons.definition import restored, stored

_log = logging.getLogger(__name__)

_POSITIONS, _COLUMNS = "positions.npy", "dataset.json"
"""The second begins with a line that holds the checksum of the rest."""
_WRITTEN = "positions.stat"
"""Size and times of the positions' file when it was written, or last found to be whole."""
_MAX_POSITIONS = 2**50
ABANDONED_S = 86_400.0
"""An unfinished entry that nobody has written to for so long is removed."""


def cache_folder(configured: str | None) -> Path:
    """The folder configured, else the one that GESTURELAB_CACHE names, else the user's cache folder."""
    named = configured or os.environ.get("GESTURELAB_CACHE")
    return Path(named).expanduser() if named else user_cache_path("gesturelab")


def cached(
    folder: Path, *, source: str, options: dict[str, Any], stamp: list[Any], build: Callable[[Path | None], Dataset]
) -> Dataset:
    """The dataset from the cache, its positions a read-only memory map; built and kept if it is not there.

    Args:
        folder: Where entries are kept; a folder that cannot be written costs a warning and the next start's time.
        source: The dataset's name.
        options: What the dataset depends on, as plain JSON values.
        stamp: What changes when the files behind it do. A new stamp replaces the entry with the old one.
        build: Makes the dataset, its positions written to a file, or in memory where there is none.
    """
    family = f"{source}-{_digest(options)}"
    entry = folder / f"{family}-{_digest([stamp, _code()])}"
    if (dataset := _load(entry)) is not None:
        return dataset
    try:
        dataset = _store(entry, build)
    except OSError as error:
        _log.warning("parsed recordings cannot be kept in %s: %s", folder, error.strerror or error)
        return build(None)
    for old in folder.glob(f"{family}-*"):
        if old != entry:
            shutil.rmtree(old, ignore_errors=True)
    for beside in folder.glob(f".{family}-*"):
        if _seconds_since_written(beside) > ABANDONED_S:  # its process was killed
            shutil.rmtree(beside, ignore_errors=True)
    return _load(entry) or dataset


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _code() -> list[str]:
    """The code that parses: an entry made by other code is not used."""
    rooms = (Path(__file__).parent, Path(__file__).parents[1] / "skeletons")
    return [_digest(path.read_text(encoding="utf-8")) for room in rooms for path in sorted(room.rglob("*.py"))]


def _load(entry: Path) -> Dataset | None:
    """The entry's dataset; None if there is none, or (with a warning) if it is damaged."""
    if not entry.is_dir():
        return None
    try:
        checksum, _, text = read_text(entry / _COLUMNS).partition("\n")
        if hashlib.sha256(text.encode()).hexdigest() != checksum:
            raise ValueError(f"{_COLUMNS} is not what was written")
        values = json.loads(text)
        refuse_special_file(entry / _POSITIONS, _MAX_POSITIONS)
        positions = np.load(entry / _POSITIONS, mmap_mode="r", allow_pickle=False)
        checksum = values.pop("positions_sha256")
        if not _as_written(entry):
            if positions.dtype != np.float32 or _checksum(positions) != checksum:
                raise ValueError(f"{_POSITIONS} is not what was written")
            with suppress(OSError):  # a cache that cannot be written is compared at each start
                write_text(entry / _WRITTEN, _marks(entry))
        return _from_values(values, positions)
    except Exception as error:  # whatever is wrong with it, the recordings themselves are there
        _log.warning("the cache entry %s is damaged (%s); it is built again", entry, why(error))
        return None


def _checksum(positions: np.ndarray) -> str:
    digest = hashlib.sha256()
    hash_positions(digest.update, positions)
    return digest.hexdigest()


def _marks(entry: Path) -> str:
    stat = (entry / _POSITIONS).stat()
    return f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _as_written(entry: Path) -> bool:
    try:
        return read_text(entry / _WRITTEN, 2**10) == _marks(entry)
    except (OSError, ValueError):
        return False


def _from_values(values: dict[str, Any], positions: np.ndarray) -> Dataset:
    columns: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    columns |= {key: np.array(values[key], dtype=np.int64) for key in ("offsets", "gestures", "correctness")}
    columns["rates_hz"] = np.array(values["rates_hz"], dtype=np.float64)
    columns["skeleton"] = restored(values["skeleton"])
    columns["rejected"] = tuple(Rejected(*pair) for pair in values["rejected"])
    dataset = Dataset(positions=positions, **columns)
    if dataset.offsets[-1] != len(positions) or len(dataset.offsets) != len(dataset) + 1:
        raise ValueError(f"{_COLUMNS} and {_POSITIONS} do not belong together")
    return dataset


def _to_values(dataset: Dataset) -> dict[str, Any]:
    values = vars(dataset).copy()
    del values["positions"], values["target"]  # the target is of an experiment, not of recordings
    values = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}
    rejected = [[left.recording, left.reason] for left in dataset.rejected]
    return values | {"skeleton": stored(dataset.skeleton), "rejected": rejected}


def _seconds_since_written(folder: Path) -> float:
    try:
        return time.time() - max(path.stat().st_mtime for path in (folder, *folder.glob("*")))
    except OSError:  # it has just been finished
        return 0.0


def _store(entry: Path, build: Callable[[Path | None], Dataset]) -> Dataset:
    """Builds the dataset into a new entry; leaves another process's alone unless it is damaged.

    Raises:
        OSError: If it cannot be written.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
    try:
        dataset = build(beside / _POSITIONS)
        values = _to_values(dataset) | {"positions_sha256": _checksum(dataset.positions)}
        text = json.dumps(values)
        checksum = hashlib.sha256(text.encode()).hexdigest()
        (beside / _COLUMNS).write_text(f"{checksum}\n{text}", encoding="utf-8")
        for name in (_POSITIONS, _COLUMNS):
            sync(beside / name)
        (beside / _WRITTEN).write_text(_marks(beside), encoding="utf-8")
        try:
            beside.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise
            if _load(entry) is None:
                aside = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
                entry.rename(aside / "damaged")
                shutil.rmtree(aside, ignore_errors=True)
                beside.rename(entry)
        sync_folder(entry.parent)
        return dataset
    finally:
        shutil.rmtree(beside, ignore_errors=True)
