"""Logger ``wandb``: Weights & Biases, without an account in a folder until it is synchronised."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch, Info
from gesturelab.training.trackers.tracker import TrackedRun, Tracker, attachments, epoch_values, pictures, scores


class WandbTracker(Tracker):
    """A run of Weights & Biases; steps are epochs, which Lightning's own logger cannot say.

    A run that is resumed offline is written anew from its first epoch on, and replaces the folder of the attempt
    before, since Weights & Biases cannot join two folders of one run.
    """

    package = "wandb"
    extra = "wandb"

    def __init__(self, run: TrackedRun, offline: bool, dir: str, entity: str | None) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        self._folder = Path(run.recall("wandb") or dir).absolute()
        self._offline = offline
        self._tracked = run
        self._before = sorted(self._folder.glob(f"wandb/offline-run-*-{run.id}"))
        self._folder.mkdir(parents=True, exist_ok=True)
        run.remember("wandb", str(self._folder))
        self._run: Any = wandb.init(
            project=run.experiment,
            entity=entity,
            name=run.name,
            id=run.id,
            dir=str(self._folder),
            mode="offline" if offline else "online",
            resume=None if offline else "allow",
            reinit="create_new",
            config={**run.settings, "caveats": run.caveats},
            tags=[label[:64] for label in run.labels],
            notes=run.description,
            settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True),
        )
        self._first = int(self._run.step)

    def log(self, values: dict[str, float], epoch: int) -> None:
        """Writes values of an epoch; those of the training are its last."""
        if epoch >= self._first:
            self._run.log(values, step=epoch, commit="train_loss" in values)

    def resume(self, history: list[Epoch]) -> None:
        """Copies what the attempts before wrote, and what they did not."""
        if self._offline:
            rows: dict[int, dict[str, float]] = {}
            for folder in self._before:
                for epoch, row in read_rows(folder / f"run-{self._tracked.id}.wandb").items():
                    rows.setdefault(epoch, {}).update(row)
            for epoch in history:
                self.log({**rows.get(epoch["epoch"], {}), **epoch_values(epoch)}, epoch["epoch"])
            for folder in self._before:
                shutil.rmtree(folder)
            self._before = []

    def finish(self, run: RunDir, info: Info) -> None:
        """Writes scores as the run's summary, attaches files and pictures, and ends the run."""
        import wandb

        self._run.summary.update({**scores(info), "best_epoch": info["training"]["best_epoch"]})
        self._run.log({name: wandb.Image(str(path)) for name, path in pictures(run).items()})
        for path in attachments(run):
            shutil.copyfile(path, copy := Path(self._run.dir) / _renamed(path))
            self._run.save(str(copy), base_path=self._run.dir, policy="end")
        self._run.finish()

    def fail(self) -> None:
        """Ends the run as failed."""
        self._run.finish(exit_code=1)


def _renamed(path: Path) -> str:
    """Weights & Biases has a config.yaml of its own."""
    return f"gesturelab_{path.name}" if path.name == "config.yaml" else path.name


# The file that Weights & Biases writes offline: records in the log format of LevelDB

BLOCK = 32768
"""Bytes of a block; the file's own header takes the first seven of the first."""
HEADER = 7
"""Bytes before each piece of a record: a checksum, the length (two bytes) and which piece it is."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def read_rows(path: Path) -> dict[int, dict[str, float]]:
    """The numbers that were logged, by step."""
    rows: dict[int, dict[str, float]] = {}
    for record in read_records(path):
        if record.WhichOneof("record_type") == "history":
            values = {
                item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item
            }
            numbers = {key: value for key, value in values.items() if isinstance(value, (int, float)) and key[0] != "_"}
            rows.setdefault(record.history.step.num, {}).update(numbers)
    return rows


def read_records(path: Path) -> Iterator[Any]:
    """Each whole record, as Weights & Biases defines it; the last one of a killed process may be missing."""
    from wandb.proto import wandb_internal_pb2

    internal: Any = wandb_internal_pb2  # it makes its classes when it is imported
    for record in _records(path.read_bytes()):
        yield internal.Record.FromString(record)


def _records(data: bytes) -> Iterator[bytes]:
    at = HEADER
    record = b""
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:  # too little of the block is left for a piece
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or at + HEADER + length > len(data):
            return
        piece = data[at + HEADER : at + HEADER + length]
        record = piece if kind in (FULL, FIRST) else record + piece
        at += HEADER + length
        if kind in (FULL, LAST):
            yield record
