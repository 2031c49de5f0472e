"""The folder of one run: every file name in one place, written whole or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gesturelab.errors import RunError
from gesturelab.files import read_json, why
from gesturelab.json_types import odd_value
from gesturelab.runs.info import INFO_SCHEMA, Info


class _Name:
    """The path of one file or folder of a run, from its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: "RunDir", _owner: type) -> Path:
        return run.path / self._name.format(size=run.size)


@dataclass(frozen=True)
class RunDir:
    """The files of one run.

    Attributes:
        path: The folder.
        size: The model option's name, which is part of the file names.
    """

    path: Path
    size: str = ""

    weights = _Name("model_{size}.pth")
    """Best weights: a plain state dict and plain metadata."""
    scaler = _Name("scaler_{size}.json")
    """The feature scaler, as JSON."""
    info = _Name("info_{size}.json")
    """Metrics and everything needed to judge them, as JSON; written last, so its presence means finished."""
    curves = _Name("curves_{size}.png")
    """Training curves."""
    confusion = _Name("confusion_{size}.png")
    """Confusion matrix of the test recordings."""
    predictions = _Name("predictions_{size}.csv")
    """One row a test recording, as CSV."""
    windows = _Name("windows_{size}.csv")
    """How the answer evolves over each test recording, as CSV; runs of older versions have none."""
    adaptation = _Name("adaptation_{size}.csv")
    """What models adapted to each test person say, as CSV; only after ``compare --adapt``."""
    unknown = _Name("unknown_{size}.csv")
    """Answers to test people's known and unknown movements, as CSV; only with ``data.unknown_gesture``."""
    folds = _Name("folds.json")
    """The test people of each fold, as JSON; only of a split with folds."""
    config = _Name("config.yaml")
    """The composed configuration."""
    checkpoints = _Name("checkpoints")
    """What resumes the run."""
    refit_checkpoints = _Name("checkpoints/refit")
    """What resumes its refit; only of a run with one."""
    log = _Name("train.log")
    """What was printed."""
    status = _Name("status.json")
    """What the run is doing, or how it ended, as JSON."""
    trackers = _Name("trackers.json")
    """Under which id trackers know the run, as JSON; only of a run with one."""
    stop = _Name("stop.txt")
    """While it is there, the run stops at the end of its epoch; holds the reason."""

    @property
    def begun(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(self.checkpoints.glob("[!.]*.ckpt"))

    @property
    def artefacts(self) -> tuple[Path, ...]:
        """The six files that a finished run leaves for others to read."""
        return (self.weights, self.scaler, self.info, self.curves, self.confusion, self.predictions)

    @property
    def checked(self) -> tuple[Path, ...]:
        """What the info file holds checksums of, where it is there: what results rest on or are shown by."""
        results = (self.weights, self.scaler, self.predictions, self.windows, self.unknown)
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
    runs: list[RunDir] = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "offline-run-")))
        if "mlflow.db" in files:
            folders.clear()
        path = Path(folder)
        infos = sorted(name for name in files if name.startswith("info_") and name.endswith(".json"))
        runs += [RunDir(path, name.removeprefix("info_").removesuffix(".json")) for name in infos]
        if not infos and "config.yaml" in files:
            runs.append(RunDir(path))
    return runs
