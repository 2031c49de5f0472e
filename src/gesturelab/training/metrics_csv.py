"""Logger ``csv``: metrics.csv with one row an epoch, which a resumed run goes on with."""

import csv
from pathlib import Path

import numpy as np

from gesturelab.errors import RunError
from gesturelab.files import atomic_write, open_text, why
from gesturelab.runs.info import Epoch
from gesturelab.training.trackers.tracker import EpochLogger


class MetricsCsv(EpochLogger):
    """Writes every logged value into ``<save_dir>/metrics.csv``, whole or not at all.

    Lightning's own CSV logger deletes the file of an earlier part when a run is resumed.
    """

    def __init__(self, save_dir: Path, name: str = "", version: str = "") -> None:
        super().__init__()
        self.path = save_dir / "metrics.csv"
        self._rows = _read(self.path) if self.path.exists() else {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Takes values of the epoch that ``metrics`` names."""
        self._rows.setdefault(int(metrics["epoch"]), {}).update(metrics)

    def resume(self, history: list[Epoch]) -> None:
        """Adds what a killed attempt did not write of its epochs, as Lightning would have rounded it."""
        for epoch in history:
            row = self._rows.setdefault(epoch["epoch"], {})
            for key in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate"):
                if not row.get(key):
                    row[key] = float(np.float32(epoch[key]))

    def save(self) -> None:
        """Writes the file; Lightning calls this after each epoch's values."""
        columns = list(dict.fromkeys(["epoch", *(key for row in self._rows.values() for key in row)]))
        with atomic_write(self.path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, lineterminator="\n")
            table.writeheader()
            table.writerows({**row, "epoch": epoch} for epoch, row in sorted(self._rows.items()))


def _read(path: Path) -> dict[int, dict[str, str | float]]:
    """The rows by epoch.

    Raises:
        RunError: If it cannot be read.
    """
    try:
        with open_text(path) as file:
            rows = [dict(row) for row in csv.DictReader(file, strict=True)]
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("a row has another number of cells than the head")
        return {int(row["epoch"]): {**row} for row in rows}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise RunError(f"{path} cannot be read ({why(error)}): move it away to go on without its rows") from error
