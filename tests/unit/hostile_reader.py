"""Reads files that would take a machine's memory or wait for ever, in a process that may not: see its test."""

import json
import os
import resource
import struct
import sys
import time
import zipfile
from pathlib import Path

from gesturelab.config.composing import compose
from gesturelab.config.saved import read_config
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import GesturelabError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.evaluation.windows import read_windows
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.report.collect import collect
from gesturelab.runs.status import asked_to_stop, read_status
from gesturelab.splits.split import RecordingTable, choose_people
from gesturelab.sweeps.search.result import read_search

LIMIT = 900 * 2**20
"""Bytes of address space, of which Python and its libraries need half."""

NAME = "101_18_0_1_1_stand.txt"


def main(root: Path) -> None:
    readers = {
        "recording": (NAME, lambda path: read_dataset(irds(path.parent))),
        "info": ("info_tiny.json", lambda path: collect([path.parent])[1][0].reason),
        "scaler": ("scaler_tiny.json", Scaler.load),
        "predictions": ("predictions_tiny.csv", read_predictions),
        "windows": ("windows_tiny.csv", lambda path: read_windows(path, ("a",), ["x"])),
        "config": ("config.yaml", read_config),
        "folds": ("folds.json", lambda path: choose_people(RecordingTable((), (), (), (), (), ()), folds(path))),
        "status": ("status.json", lambda path: str(read_status(path.parent))),
        "search": ("search.json", lambda path: str(read_search(path.parent))),
        "stop": ("stop.txt", lambda path: asked_to_stop(path.parent)),
    }
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    said: dict[str, dict[str, str]] = {}
    for kind, make in (("huge", huge), ("pipe", os.mkfifo), ("device", device), ("folder", os.mkdir)):
        said[kind] = {}
        for name, (file, read) in readers.items():
            folder = root / f"{kind}-{name}"
            folder.mkdir()
            make(folder / file)
            said[kind][name] = result_of(read, folder / file)
    said["recordings"] = {
        "full size": result_of(read_recordings, one(root / "full", b"", 256 * 2**20)),
        "a million columns": result_of(read_recordings, one(root / "columns", b"1," * 10**6)),
        "a long number": result_of(read_recordings, one(root / "number", b"." * 10**7 + b",1" * 74)),
        "a bomb": result_of(read_recordings, bomb(root / "bomb.zip", 40 * 2**20, None)),
        "a lying bomb": result_of(read_recordings, bomb(root / "lie.zip", 1000 * 2**20, 100)),
    }
    said["torch"] = {"imported": str("torch" in sys.modules)}
    print(json.dumps(said))


def result_of(read, path: Path) -> str:
    """The error's message, or what was read, with the seconds it took before."""
    began = time.monotonic()
    try:
        found = str(read(path))
    except GesturelabError as error:
        found = f"error: {error}"
    except BaseException as error:
        found = f"FAILED {type(error).__name__}: {error}"
    assert time.monotonic() - began < 60
    return found[:2000]


def irds(root: Path):
    return compose(["data=irds", f"data.root={root}", "data.strict=true"]).data


def folds(path: Path):
    return compose(["split=folds_file", f"split.file={path}", "split.fold=0"]).split


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**31)  # sparse: it takes no disk


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def read_recordings(folder: Path) -> object:
    return read_dataset(irds(folder))


def one(folder: Path, content: bytes, size: int | None = None) -> Path:
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    if size is not None:
        os.truncate(folder / NAME, size)
    return folder


def bomb(path: Path, size: int, claimed: int | None) -> Path:
    """An archive whose member grows, and may say that it does not."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(NAME, "w") as member:
            for _ in range(size // 2**20):
                member.write(b"1," * 2**19)
        stored = archive.infolist()[0].compress_size
    if claimed is not None:
        data = path.read_bytes()
        path.write_bytes(data.replace(struct.pack("<LL", stored, size), struct.pack("<LL", stored, claimed)))
    return path


if __name__ == "__main__":
    main(Path(sys.argv[1]))
