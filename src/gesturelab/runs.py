"""The folder of one run: every file name in one place, written whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gesturelab.errors import RunError
from gesturelab.info import INFO_SCHEMA, Info
from gesturelab.json_types import odd_value
from gesturelab.reading import read_json, why

UMASK = os.umask(0o077)
"""What the user wants taken from new files' permissions: read once, as reading it means changing it for a moment."""
os.umask(UMASK)


@dataclass(frozen=True)
class RunDir:
    """The files of one run.

    Attributes:
        path: The folder.
        size: The model option's name, which is part of the file names.
    """

    path: Path
    size: str

    @property
    def weights(self) -> Path:
        """Best weights: a plain state dict and plain metadata."""
        return self.path / f"model_{self.size}.pth"

    @property
    def scaler(self) -> Path:
        """The feature scaler, as JSON."""
        return self.path / f"scaler_{self.size}.json"

    @property
    def info(self) -> Path:
        """Metrics and everything needed to judge them, as JSON; written last, so its presence means finished."""
        return self.path / f"info_{self.size}.json"

    @property
    def curves(self) -> Path:
        """Training curves."""
        return self.path / f"curves_{self.size}.png"

    @property
    def confusion(self) -> Path:
        """Confusion matrix of the test recordings."""
        return self.path / f"confusion_{self.size}.png"

    @property
    def predictions(self) -> Path:
        """One row a test recording, as CSV."""
        return self.path / f"predictions_{self.size}.csv"

    @property
    def windows(self) -> Path:
        """How the answer evolves over each test recording, as CSV; runs of older versions have none."""
        return self.path / f"windows_{self.size}.csv"

    @property
    def folds(self) -> Path:
        """The test people of each fold, as JSON; only of a split with folds."""
        return self.path / "folds.json"

    @property
    def config(self) -> Path:
        """The composed configuration."""
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """What resumes the run."""
        return self.path / "checkpoints"

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(self.checkpoints.glob("[!.]*.ckpt"))

    @property
    def log(self) -> Path:
        """What the console said."""
        return self.path / "train.log"

    @property
    def status(self) -> Path:
        """What the run is doing, or how it ended, as JSON."""
        return self.path / "status.json"

    @property
    def trackers(self) -> Path:
        """Under which id trackers know the run, as JSON; only of a run with one."""
        return self.path / "trackers.json"

    @property
    def stop(self) -> Path:
        """While it is there, the run stops at the end of its epoch; holds the reason."""
        return self.path / "stop.txt"

    @property
    def artefacts(self) -> tuple[Path, ...]:
        """The six files that a finished run leaves for others to read."""
        return (self.weights, self.scaler, self.info, self.curves, self.confusion, self.predictions)

    @property
    def checked(self) -> tuple[Path, ...]:
        """What the info file holds checksums of, where it is there: what results rest on or are shown by."""
        results = (self.weights, self.scaler, self.predictions, self.windows)
        return (*results, self.curves, self.confusion, self.folds, self.config)

    @property
    def complete(self) -> bool:
        """Whether all six are there."""
        return all(path.is_file() for path in self.artefacts)

    def read_info(self) -> Info:
        """The info file.

        Raises:
            RunError: If it is missing, is not JSON, comes from a newer gesturelab, or has a value of the wrong type; a
                key that is not there is no error here.
        """
        try:
            info = read_json(self.info)
        except FileNotFoundError:
            raise RunError(f"{self.path} is unfinished: there is no {self.info.name}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{self.info} cannot be read: {why(error)}") from error
        schema: Any = cast(dict[str, Any], info).get("schema") if isinstance(info, dict) else None
        if not isinstance(schema, int) or isinstance(schema, bool):
            raise RunError(f"{self.info} is not an info file of gesturelab: it has no number 'schema'")
        if schema > INFO_SCHEMA:
            raise RunError(f"{self.info} has schema {schema}, but this gesturelab reads up to {INFO_SCHEMA}: update it")
        if problem := odd_value(info, Info):
            raise RunError(f"{self.info}: {problem}; run it again")
        return cast(Info, info)


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a run with all its files, of whatever size."""
    infos = folder.glob("info_*.json")
    return any(RunDir(folder, path.stem.removeprefix("info_")).complete for path in infos)


def find_runs(root: Path) -> list[RunDir]:
    """Every run below a folder, finished or not, in order of path.

    A folder is a run when it holds ``config.yaml`` or an ``info_*.json``; a run that is not finished and whose size is
    not known has size ``""``. Hidden folders and those of trackers, which hold copies of such files, are left out.
    """
    found: list[RunDir] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "offline-run-")))
        if "mlflow.db" in files:
            folders.clear()
        path = Path(folder)
        infos = sorted(name for name in files if name.startswith("info_") and name.endswith(".json"))
        found += [RunDir(path, name.removeprefix("info_").removesuffix(".json")) for name in infos]
        if not infos and "config.yaml" in files:
            found.append(RunDir(path, ""))
    return found


@contextmanager
def write_whole(path: Path) -> Generator[Path]:
    """Gives a temporary path beside `path`, and moves it there when the block ends well.

    A killed process or a power cut leaves either the old file or the new one, never half of one.

    Raises:
        RunError: If the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    beside = Path(name)
    try:
        yield beside
        sync(beside)
        beside.chmod(0o666 & ~UMASK)
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # a file system that has become read-only keeps it; the error is on its way already
            beside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Makes a file's content last through a power cut.

    Raises:
        OSError: If the system cannot do that.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder last through a power cut, where the system can do that."""
    with suppress(OSError):  # Windows opens no folders; some network file systems sync none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all (UTF-8, LF).

    Raises:
        RunError: If the folder cannot be written or the disk is full.
    """
    with write_whole(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON whole or not at all; refuses NaN, which is not JSON.

    Raises:
        RunError: If the folder cannot be written or the disk is full.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """The file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
