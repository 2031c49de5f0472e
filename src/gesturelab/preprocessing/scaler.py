"""The feature scaler: fitted once on training windows, saved, and reloaded, never refitted."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float, Float64

from gesturelab.errors import DataError
from gesturelab.files import read_json, write_json

SCALER_SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Scaler:
    """Mean and standard deviation of each feature; a constant feature has deviation 1, so that it scales to 0.

    Attributes:
        names: Name of each feature, such as ``velocity:HandLeft:x``.
    """

    names: tuple[str, ...]
    mean: Float64[np.ndarray, " features"]
    deviation: Float64[np.ndarray, " features"]

    def save(self, path: Path) -> None:
        """Writes the scaler as JSON.

        Raises:
            RunError: If the file cannot be written.
        """
        rows = zip(self.names, self.mean.tolist(), self.deviation.tolist(), strict=True)
        features = [{"name": name, "mean": mean, "deviation": deviation} for name, mean, deviation in rows]
        write_json(path, {"schema": SCALER_SCHEMA, "features": features})

    @classmethod
    def load(cls, path: Path) -> "Scaler":
        """Reads a saved scaler.

        Raises:
            DataError: If the file is missing, damaged, of a newer gesturelab, or holds a number that cannot be used.
        """
        try:
            saved = cast(dict[str, Any], read_json(path))
            if saved["schema"] != SCALER_SCHEMA:
                raise ValueError(f"it has schema {saved['schema']!r}, not {SCALER_SCHEMA}")
            features = cast(list[dict[str, Any]], saved["features"])
            rows = [(str(each["name"]), _number(each["mean"]), _number(each["deviation"])) for each in features]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"scaler file {path} cannot be read: {error!r}") from error
        if not rows or not all(math.isfinite(mean) and 0 < deviation < math.inf for _, mean, deviation in rows):
            raise DataError(f"scaler file {path} holds a mean or deviation that is not finite or not positive")
        names, means, deviations = zip(*rows, strict=True)
        return cls(names, np.array(means, dtype=np.float64), np.array(deviations, dtype=np.float64))


def _number(value: Any) -> float:
    if not isinstance(value, float | int) or isinstance(value, bool) or abs(value) > 1e300:
        raise TypeError(f"{str(value)[:40]} is not a number that could be used")
    return float(value)


def fit_scaler(names: Sequence[str], chunks: Iterable[Float[np.ndarray, "_ features"]]) -> Scaler:
    """Mean and population deviation over the rows of all chunks, merged chunk by chunk (Chan et al., 1979).

    Raises:
        DataError: If there are no rows.
    """
    count, mean, squares = 0, np.zeros(len(names)), np.zeros(len(names))
    for chunk in chunks:
        rows = chunk.astype(np.float64)
        chunk_mean = rows.mean(axis=0)
        apart = chunk_mean - mean
        total = count + len(rows)
        rows -= chunk_mean  # in place: chunks are the largest of what a training holds
        squares += np.square(rows, out=rows).sum(axis=0) + apart**2 * (count * len(rows) / total)
        mean += apart * (len(rows) / total)
        count = total
        del chunk, rows  # before the next one is made
    if count == 0:
        raise DataError("the scaler got no training window to be fitted on")
    deviation = np.sqrt(squares / count)
    constant = deviation < 1e-8 * np.maximum(np.abs(mean), 1)
    return Scaler(tuple(names), mean, np.where(constant, 1.0, deviation))


def no_scaler(names: Sequence[str]) -> Scaler:
    """A scaler that changes nothing."""
    return Scaler(tuple(names), np.zeros(len(names)), np.ones(len(names)))
