"""Corpora kept parsed on disk: positions as a memory map, the rest as JSON; no pickle.

An entry is a folder ``<source>-<options>-<stamp>``. It is written beside and renamed, so it is there whole or not at
all, and of two processes that build it at once the second uses the first one's.
"""

import dataclasses
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from gesturelab.data.definition import restored, stored
from gesturelab.data.recording import Corpus, Rejected
from gesturelab.errors import ConfigError

_log = logging.getLogger(__name__)

_POSITIONS, _COLUMNS = "positions.npy", "corpus.json"


def cache_folder(configured: str | None) -> Path:
    """The folder configured, else the one that GESTURELAB_CACHE names, else the user's cache folder."""
    named = configured or os.environ.get("GESTURELAB_CACHE")
    return Path(named).expanduser() if named else user_cache_path("gesturelab")


def cached(
    folder: Path, *, source: str, options: dict[str, Any], stamp: list[Any], build: Callable[[], Corpus]
) -> Corpus:
    """The corpus from the cache, its positions a read-only memory map; built and kept if it is not there.

    Args:
        folder: Where entries are kept; a folder that cannot be written costs a warning and the next start's time.
        source: The data set's name.
        options: What the corpus depends on, as plain JSON values.
        stamp: What changes when the files behind it do. A new stamp replaces the entry with the old one.
        build: Makes the corpus.
    """
    family = f"{source}-{_digest(options)}"
    entry = folder / f"{family}-{_digest([stamp, _code()])}"
    if (corpus := _load(entry)) is not None:
        return corpus
    corpus = build()
    try:
        _store(entry, corpus)
    except OSError as error:
        _log.warning("parsed recordings cannot be kept in %s: %s", folder, error.strerror or error)
        return corpus
    for old in folder.glob(f"{family}-*"):
        if old != entry:
            shutil.rmtree(old, ignore_errors=True)
    return _load(entry) or corpus


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _code() -> list[str]:
    """The code that parses: an entry made by other code is not used."""
    return [_digest(path.read_text(encoding="utf-8")) for path in sorted(Path(__file__).parent.rglob("*.py"))]


def _load(entry: Path) -> Corpus | None:
    """The entry's corpus; None if there is none, or (with a warning) if it is damaged."""
    if not entry.is_dir():
        return None
    try:
        with (entry / _COLUMNS).open(encoding="utf-8") as file:
            values = json.load(file)
        positions = np.load(entry / _POSITIONS, mmap_mode="r", allow_pickle=False)
        if positions.dtype != np.float32 or hashlib.sha256(positions.data).hexdigest() != values.pop(
            "positions_sha256"
        ):
            raise ValueError(f"{_POSITIONS} is not what was written")
        return _from_values(values, positions)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ConfigError) as error:
        _log.warning("the cache entry %s is damaged (%s); it is built again", entry, error)
        return None


def _from_values(values: dict[str, Any], positions: np.ndarray) -> Corpus:
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    for key in ("offsets", "gestures", "correctness"):
        plain[key] = np.array(values[key], dtype=np.int64)
    plain["rates_hz"] = np.array(values["rates_hz"], dtype=np.float64)
    plain["skeleton"] = restored(values["skeleton"])
    plain["rejected"] = tuple(Rejected(*pair) for pair in values["rejected"])
    corpus = Corpus(positions=positions, **plain)
    if corpus.offsets[-1] != len(positions) or len(corpus.offsets) != len(corpus) + 1:
        raise ValueError(f"{_COLUMNS} and {_POSITIONS} do not belong together")
    return corpus


def _to_values(corpus: Corpus) -> dict[str, Any]:
    values = {field.name: getattr(corpus, field.name) for field in dataclasses.fields(corpus)}
    positions = values.pop("positions")
    del values["target"]  # of an experiment, not of recordings
    plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}
    plain["skeleton"] = stored(corpus.skeleton)
    plain["rejected"] = [[one.recording, one.reason] for one in corpus.rejected]
    plain["positions_sha256"] = hashlib.sha256(positions.data).hexdigest()
    return plain


def _store(entry: Path, corpus: Corpus) -> None:
    """Writes the entry whole; leaves another process's alone unless it is damaged.

    Raises:
        OSError: If it cannot be written.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{entry.name}."))
    try:
        positions = np.ascontiguousarray(corpus.positions, dtype=np.float32)
        corpus = dataclasses.replace(corpus, positions=positions)
        np.save(beside / _POSITIONS, positions)
        (beside / _COLUMNS).write_text(json.dumps(_to_values(corpus)), encoding="utf-8")
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
    finally:
        shutil.rmtree(beside, ignore_errors=True)
