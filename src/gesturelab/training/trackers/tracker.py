"""What a logger of gesturelab and a tracker do, and what they are told of a run."""

import hashlib
import json
import uuid
from abc import abstractmethod
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from lightning.pytorch.loggers import Logger

from gesturelab.config.training import TrainConfig
from gesturelab.config.typed import to_values
from gesturelab.errors import RunError
from gesturelab.files import read_json, why, write_json
from gesturelab.json_types import flatten
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers know it.

    Attributes:
        folder: The run's folder.
        experiment: What trackers call the experiment, or project.
        id: Of 32 hexadecimal digits; a resumed run has the id that it began with.
        settings: The whole configuration but the loggers, flat.
        tags: Words to find the run by.
        notes: Anything worth remembering.
        caveats: What must be said wherever its numbers appear.
    """

    folder: Path
    experiment: str
    id: str
    settings: dict[str, Any]
    tags: list[str]
    notes: str
    caveats: list[str]

    @property
    def name(self) -> str:
        """What trackers call the run: its folder's name."""
        return self.folder.resolve().name

    @property
    def labels(self) -> list[str]:
        """The tags, and the first word of each caveat."""
        return [*self.tags, *(caveat.split(":")[0] for caveat in self.caveats)]

    @property
    def description(self) -> str:
        """The caveats and the notes, a line each."""
        return "\n".join([*self.caveats, *([self.notes] if self.notes else [])])

    def recall(self, key: str) -> str | None:
        """What `remember` was given, in this attempt or an earlier one."""
        return _read(RunDir(self.folder).trackers).get(key)

    def remember(self, key: str, value: str) -> None:
        """Keeps a value in the run's folder, for when it is resumed.

        Raises:
            RunError: If the folder cannot be written.
        """
        path = RunDir(self.folder).trackers
        write_json(path, {**_read(path), key: value})


def tracked_run(config: TrainConfig, folder: Path, caveats: list[str]) -> TrackedRun:
    """The run that a folder holds: the id in its ``trackers.json`` if that is of the same settings, else a new one.

    Raises:
        RunError: If the folder cannot be written.
    """
    settings = flatten({key: value for key, value in to_values(config).items() if key != "logger"})
    settings |= {"data.source": config.data.source, "split.kind": config.split.kind}
    path = RunDir(folder).trackers
    known = _read(path)
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    if known.get("settings") != mark:  # trackers cannot change a run's settings
        known = {"id": uuid.uuid4().hex, "settings": mark}
        write_json(path, known)
    return TrackedRun(folder, config.name, known["id"], settings, config.tags, config.notes, caveats)


def _read(path: Path) -> dict[str, str]:
    try:
        known: Any = read_json(path)
        if not isinstance(known, dict) or not isinstance(cast(dict[str, Any], known).get("id"), str):
            raise ValueError("it holds no id of a run")
        return cast(dict[str, str], known)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {why(error)}; without it the trackers begin a new run") from error


class EpochLogger(Logger):
    """A Lightning logger whose steps are epochs; it is told what a checkpoint holds, and how the run ended."""

    name = ""  # type: ignore[assignment]
    """Nothing: Lightning would make folders of name and version."""
    version = ""  # type: ignore[assignment]

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: the whole configuration is known when a logger is made."""

    def resume(self, history: list[Epoch]) -> None:
        """Makes ready for the epoch after these; shows those that are missing."""

    def finish(self, run: RunDir, info: Info) -> None:
        """Shows what only the finished run has."""


class Tracker(EpochLogger):
    """One place where a run is shown; making one finds the run there, or begins it.

    Whatever a method raises is told once and ends nothing; see `gesturelab.training.trackers.guard`.
    """

    package: ClassVar[str]
    """What must be installed."""
    extra: ClassVar[str]
    """The extra of pyproject.toml that installs it."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Shows values of the epoch that ``metrics`` names."""
        self.log({key: value for key, value in metrics.items() if key != "epoch"}, int(metrics["epoch"]))

    def finalize(self, status: str) -> None:
        """Ends the run as a failure if it is one; a success still has its scores to come."""
        if status != "success":
            self.fail()

    @abstractmethod
    def log(self, values: dict[str, float], epoch: int) -> None:
        """Shows values of an epoch; one that is shown already stays as it is."""

    @abstractmethod
    def fail(self) -> None:
        """Ends the run as a failure; it may still be resumed."""


def epoch_values(epoch: Epoch) -> dict[str, float]:
    """An epoch's values by name, without its number."""
    return {key: float(cast(float, value)) for key, value in epoch.items() if key != "epoch"}


def scores(info: Info) -> dict[str, float]:
    """The scores of the info file, with the best weights, such as ``test/recording_accuracy``."""
    return {
        f"{side}/{level}_{name}": float(value)
        for side, levels in cast(dict[str, dict[str, dict[str, float | None]]], info["metrics"]).items()
        for level, named in levels.items()
        for name, value in named.items()
        if value is not None
    }


def attachments(run: RunDir) -> tuple[Path, ...]:
    """The files that trackers are given; the weights are not among them."""
    return (run.info, run.curves, run.confusion, run.predictions, run.config)


def pictures(run: RunDir) -> dict[str, Path]:
    """The pictures by name."""
    return {"curves": run.curves, "confusion": run.confusion}
