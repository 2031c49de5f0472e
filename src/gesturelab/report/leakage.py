"""What the same model scores with random windows, random recordings and unseen people: numbers and a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gesturelab.errors import RunError
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.metrics import CORRECTNESS
from gesturelab.evaluation.predictions import Predictions, read_predictions
from gesturelab.report.figures import (
    LABEL,
    WARNING,
    colour_and_marker,
    legend_outside,
    percent_axis,
    save,
    shorten_middle,
    styled,
    warnings_of,
)
from gesturelab.report.results import RunRow
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir

KINDS = ("random_window", "random_recording", "subject_holdout", "subject_kfold", "loso", "folds_file", "named")
WORDS = {"random_window": "random windows", "random_recording": "random recordings"}
BAND = "#FBE9E7"


@dataclass(frozen=True)
class SplitAccuracy:
    """A size with one way of dividing.

    Attributes:
        size: The model option.
        kind: Of split.
        runs: The accuracy of each run's test recordings.
        low: Lower bound of the 95 % interval of their mean, from a bootstrap over people; None without predictions,
            or with one person.
        high: Upper bound.
    """

    size: str
    kind: str
    runs: tuple[float, ...]
    low: float | None
    high: float | None

    @property
    def mean(self) -> float:
        """Over the runs."""
        return fmean(self.runs)


def leakage(rows: Sequence[RunRow]) -> list[SplitAccuracy]:
    """Each size with each way of dividing that it was trained with to recognise gestures.

    Args:
        rows: Of runs.
    """
    by_place: dict[tuple[str, str], list[RunRow]] = {}
    for row in sorted(rows, key=lambda row: row.parameters):
        if not row.peer and row.target != CORRECTNESS:
            by_place.setdefault((row.split.split(" ")[0], row.model), []).append(row)
    sizes = list(dict.fromkeys(size for _, size in by_place))
    return [
        SplitAccuracy(size, kind, tuple(cast(float, row.score("test")) for row in chosen), *_interval(chosen))
        for kind in KINDS
        for size in sizes
        if (chosen := by_place.get((kind, size)))
    ]


def _interval(rows: Sequence[RunRow]) -> tuple[float | None, float | None]:
    try:
        predictions = [read_predictions(RunDir(Path(row.path), row.model).predictions) for row in rows]
    except RunError:
        return None, None
    low, high = interval_of_mean(predictions)
    return (None, None) if np.isnan(low) else (low, high)


def interval_of_mean(runs: Sequence[Predictions]) -> tuple[float, float]:
    """95 % interval of the mean accuracy of several runs, drawing people; a person drawn counts in every run.

    NaN for one person. A run of which no person is drawn has no accuracy in that draw.
    """
    people = np.array(sorted({person for run in runs for person in run.people}))
    tested_on = [np.searchsorted(people, run.subjects) for run in runs]
    total = np.stack([np.bincount(at, minlength=len(people)) for at in tested_on])
    right = np.stack([np.bincount(at, run.right, len(people)) for at, run in zip(tested_on, runs, strict=True)])

    def mean_accuracy(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws 1"]:
        hits, counts = weights @ right.T, weights @ total.T  # draws runs
        shares = np.divide(hits, counts, out=np.zeros_like(hits), where=counts > 0)
        tested = (counts > 0).sum(axis=1)
        return np.divide(shares.sum(axis=1), tested, out=np.full(len(weights), np.nan), where=tested > 0)[:, None]

    low, high = intervals(mean_accuracy, len(people))[0].tolist()
    return low, high


@styled
def draw_leakage(rows: Sequence[RunRow], path: Path) -> None:
    """Accuracy by way of dividing; the leaky ones stand on red ground.

    Args:
        rows: Of runs.
        path: The file, SVG or PNG.

    Raises:
        RunError: If the file cannot be written.
    """
    points = leakage(rows)
    if not points:
        raise RunError("no run recognises gestures, so there is no leakage to draw")
    kinds = list(dict.fromkeys(point.kind for point in points))
    sizes = list(dict.fromkeys(point.size for point in points))
    figure = Figure(figsize=(max(6.5, len(kinds) * max(2.1, 1.0 * len(sizes)) + 1.0), 4.6))
    axes = figure.subplots()
    least = min(end for point in points for end in (*point.runs, point.low) if end is not None)
    floor = max(0.0, np.floor((least - 0.04) * 20) / 20)
    axes.set_ylim(floor, 1 + 0.16 * (1 - floor))
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    for at, kind in enumerate(kinds):
        if kind in WORDS:
            axes.axvspan(at - 0.5, at + 0.5, color=BAND, linewidth=0, zorder=0)
            style: dict[str, Any] = {"ha": "center", "va": "center", "color": WARNING, "weight": "bold"}
            axes.text(at, 1 + 0.1 * (1 - floor), "LEAKY", fontsize=LABEL, **style)
    for point in points:
        place = sizes.index(point.size)
        x = kinds.index(point.kind) + (place - (len(sizes) - 1) / 2) * 0.8 / len(sizes)
        _draw_accuracy(axes, x, point, colour_and_marker(place))
    names = [f"{WORDS[kind]}\n(LEAKY)" if kind in WORDS else f"unseen people\n({kind})" for kind in kinds]
    axes.set_xticks(range(len(kinds)), names)
    axes.set_ylabel("accuracy of test recordings")
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([tick for tick in axes.get_yticks() if floor <= tick <= 1.0001])
    percent_axis(axes.yaxis)
    if len(sizes) > 1:
        handles = [Line2D([], [], linestyle="", label=shorten_middle(size), **colour_and_marker(at))
                   for at, size in enumerate(sizes)]  # fmt: skip
        legend_outside(axes, handles, min(6, len(sizes)))
    warnings = [text + " (red ground)" * text.startswith("LEAKY") for text in warnings_of(rows)]
    only = f": {shorten_middle(sizes[0])}" if len(sizes) == 1 else ""
    save(figure, path, f"The same model, divided differently{only}", warnings, _note(points))


def _draw_accuracy(axes: Axes, x: float, point: SplitAccuracy, style: dict[str, Any]) -> None:
    if point.low is not None and point.high is not None:
        axes.plot([x, x], [point.low, point.high], color=style["color"], linewidth=2, gid="interval")
    if len(point.runs) > 1:
        spots = x + 0.05 * (np.arange(len(point.runs)) - (len(point.runs) - 1) / 2) / len(point.runs) - 0.07
        axes.plot(spots, point.runs, "o", color="#555555", markersize=3, alpha=0.8)
    axes.plot([x], [point.mean], linestyle="", markersize=9, markeredgecolor="white", **style)
    where: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "va": "center"}
    axes.annotate(percent(point.mean), (x, point.mean), (8, 0), fontsize=LABEL - 1, **where)


def _note(points: Sequence[SplitAccuracy]) -> str:
    parts = {
        "large: mean over runs; small: single runs": any(len(point.runs) > 1 for point in points),
        "lines: 95 % intervals from a bootstrap over people": any(point.low is not None for point in points),
        "no line: no predictions, or one person": any(point.low is None for point in points),
    }
    return "; ".join(text for text, applies in parts.items() if applies)
