"""The files that resume a run: written whole, read again, and the one before kept until then.

In a run's folder ``checkpoints`` lie

- ``last.ckpt`` and ``previous.ckpt``: after the last whole epoch, and after the one before;
- with `trainer.keep=best`, ``best.ckpt`` and ``second.ckpt``: after the epoch with the lowest validation loss, and
  after the one that was it before (mostly the same files as the others, under a second name);
- ``within.ckpt``: within the epoch that follows ``last.ckpt``.

Each holds all that a training goes on from, so any whole one will do whose best epoch is still there.
"""

import errno
import io
import logging
import os
import pickle
import shutil
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from gesturelab.config.training import Keep
from gesturelab.errors import RunError
from gesturelab.files import atomic_write
from gesturelab.runs.info import Epoch

log = logging.getLogger(__name__)

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
BEST, SECOND = "best.ckpt", "second.ckpt"
WITHIN = "within.ckpt"
DAMAGED = ".damaged"
"""What the name of a file ends in that could not be read and was put aside."""


class DamagedError(RunError):
    """A checkpoint is not what was written."""


class _Contents(NamedTuple):
    """What a checkpoint holds: its epochs, and the last one if it was written at an epoch's end."""

    history: list[Epoch]
    ends: int | None


class VerifiedCheckpoints(TorchCheckpointIO):
    """How Lightning writes checkpoints: beside, on the disk, read again, then renamed."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Writes a checkpoint whole or not at all; of ``last.ckpt`` the one before is kept.

        Raises:
            RunError: If it cannot be written, or not be read again.
        """
        path = Path(path)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(path) as beside:
            with beside.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            _check(beside, content)
            if path.name == LAST and path.exists():
                link(path, path.with_name(PREVIOUS))


def _check(path: Path, content: io.BytesIO) -> None:
    if path.read_bytes() != content.getvalue():
        raise RunError(f"cannot write {path.parent}: what was written is not what is read again; look at the disk")
    content.seek(0)
    try:
        torch.load(content, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RunError(
            "a run could not go on from its checkpoint: a callback or an optimizer of yours keeps more in it than "
            f"plain values and tensors ({str(error).strip().splitlines()[-1]}); leave it out"
        ) from error


def read_checkpoint(path: Path, device: torch.device | None = None) -> dict[str, Any]:
    """A checkpoint's plain values and tensors; code in it does not run.

    Raises:
        DamagedError: If it is not what was written.
        RunError: If it is not there, cannot be read, or holds more than plain values.
    """
    try:
        content = io.BytesIO(path.read_bytes())
    except OSError as error:
        kind = DamagedError if error.errno == errno.EIO else RunError  # the disk lost a part of it
        raise kind(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        with zipfile.ZipFile(content) as archive:
            bad = archive.testzip()  # torch does not look at the check sums
    except Exception as error:  # whatever zipfile makes of any bytes
        raise DamagedError(f"{path} is damaged: {error}") from error
    if bad is not None:
        raise DamagedError(f"{path} is damaged: its part {bad} is not what was written")
    content.seek(0)
    try:
        checkpoint = torch.load(content, map_location=device or "cpu", weights_only=True)
    except Exception as error:
        raise RunError(
            f"{path} is damaged or carries code, and was not loaded; if it is not yours, do not trust what came with "
            f"it. To train anew: rm -r {path.parent}, and begin again"
        ) from error
    if not isinstance(checkpoint, dict) or "gesturelab" not in checkpoint:
        raise RunError(f"{path} is not a checkpoint of gesturelab; to train anew: rm -r {path.parent}")
    return cast(dict[str, Any], checkpoint)


def kept_epoch(history: list[Epoch], keep: Keep) -> int:
    """The epoch whose weights are kept, from 0: with the lowest validation loss, the first of equals; or the last."""
    kept = history[-1] if keep is Keep.last else min(history, key=lambda epoch: epoch["validation_loss"])
    return kept["epoch"]


def kept_checkpoint(folder: Path, keep: Keep) -> Path:
    """The checkpoint of that epoch."""
    return folder / (LAST if keep is Keep.last else BEST)


def link(source: Path, target: Path) -> None:
    """Gives a file a second name in place of whatever had it; copies where the file system has no such links."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.link")
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:
        shutil.copyfile(source, beside)
    beside.replace(target)
    beside.unlink(missing_ok=True)  # replacing a file by itself leaves both names


def remember_best(folder: Path) -> None:
    """Makes the last epoch the best one; the one that was it stays."""
    if (folder / BEST).exists():
        link(folder / BEST, folder / SECOND)
    link(folder / LAST, folder / BEST)


def find_checkpoint(folder: Path, keep: Keep, *, within: bool) -> Path | None:
    """The checkpoint to resume from, after putting the folder in order for it; None if there is none.

    It is the latest whole one whose best epoch is in the folder too; what is damaged is put aside, with a warning.

    Args:
        folder: Of checkpoints.
        keep: Whether the best epoch is needed.
        within: Whether the training can resume in the middle of an epoch.

    Raises:
        RunError: If there are only damaged ones, or one carries code.
    """
    damaged: dict[str, DamagedError] = {}

    @cache
    def read(name: str) -> _Contents | None:
        try:
            return _read_contents(folder / name) if (folder / name).exists() else None
        except DamagedError as error:
            damaged[name] = error
            return None

    def find_end(epoch: int) -> str | None:
        names = (BEST, SECOND, LAST, PREVIOUS)
        return next((name for name in names if (contents := read(name)) is not None and contents.ends == epoch), None)

    for name in ([WITHIN] if within else []) + [LAST, PREVIOUS, BEST, SECOND]:
        if (contents := read(name)) is None:
            continue
        last = read(LAST) if name == WITHIN else None
        if last is not None and len(last.history) > len(contents.history):
            continue  # the epoch that it is in the middle of was finished since
        best = find_end(kept_epoch(contents.history, keep)) if keep is Keep.best and contents.history else ""
        if best is not None:
            break
    else:
        if damaged:
            reasons = "\n  ".join(map(str, damaged.values()))
            raise RunError(
                f"no checkpoint is left to go on from; to train anew: rm -r {folder}, and begin again\n  {reasons}"
            )
        return None
    for bad, error in damaged.items():
        with suppress(FileNotFoundError):  # another process of this training was faster
            (folder / bad).replace(folder / f"{bad}{DAMAGED}")
        instead = f"going on from {folder / name}, after epoch {len(contents.history)}"
        log.warning("%s; %s (the damaged file is now called %s)", error, instead, bad + DAMAGED)
    if name not in (WITHIN, LAST):
        link(folder / name, folder / LAST)
    if best not in ("", BEST):
        link(folder / best, folder / BEST)
    if name != WITHIN:
        (folder / WITHIN).unlink(missing_ok=True)
        name = LAST
    for left in folder.glob(".*.ckpt*"):  # of a process that was killed while it wrote
        left.unlink(missing_ok=True)
    return folder / name


def _read_contents(path: Path) -> _Contents:
    saved = read_checkpoint(path)
    history = cast(list[Epoch], saved["gesturelab"]["history"])
    ended = bool(history) and history[-1]["epoch"] == saved["epoch"]
    return _Contents(history, saved["epoch"] if ended else None)
