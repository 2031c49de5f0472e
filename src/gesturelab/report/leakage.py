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
from matplotlib.ticker import PercentFormatter

from gesturelab.errors import RunError
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.metrics import CORRECTNESS
from gesturelab.evaluation.predictions import Predictions, read_predictions
from gesturelab.report.figures import GROUPS, LABEL, MARKERS, WARNING, dress, plain_legend, save, shorten_middle
from gesturelab.report.results import RunRow
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import LEAKY, SYNTHETIC

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
    own = [row for row in rows if not row.peer and row.target != CORRECTNESS]
    sizes = list(dict.fromkeys(row.model for row in sorted(own, key=lambda row: row.parameters)))
    points: list[SplitAccuracy] = []
    for kind in KINDS:
        for size in sizes:
            chosen = [row for row in own if row.model == size and row.split.split(" ")[0] == kind]
            if chosen:
                values = tuple(cast(float, row.score("test")) for row in chosen)
                points.append(SplitAccuracy(size, kind, values, *_interval(chosen)))
    return points


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
    people = sorted({person for one in runs for person in one.people})
    place = {person: at for at, person in enumerate(people)}
    right, total = np.zeros((len(runs), len(people))), np.zeros((len(runs), len(people)))
    for at, one in enumerate(runs):
        where = np.array([place[person] for person in one.subjects], dtype=np.int64)
        right[at] = np.bincount(where, weights=one.right, minlength=len(people))
        total[at] = np.bincount(where, minlength=len(people))

    def mean_accuracy(weights: Float64[np.ndarray, "draws people"]) -> Float64[np.ndarray, "draws 1"]:
        hits, counts = weights @ right.T, weights @ total.T  # draws runs
        shares = np.divide(hits, counts, out=np.zeros_like(hits), where=counts > 0)
        tested = (counts > 0).sum(axis=1)
        return np.divide(shares.sum(axis=1), tested, out=np.full(len(weights), np.nan), where=tested > 0)[:, None]

    low, high = intervals(mean_accuracy, len(people))[0].tolist()
    return low, high


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
    kinds = [kind for kind in KINDS if any(one.kind == kind for one in points)]
    sizes = list(dict.fromkeys(one.size for one in points))
    figure = Figure(figsize=(max(6.5, len(kinds) * max(2.1, 1.0 * len(sizes)) + 1.0), 4.6))
    axes = figure.subplots()
    least = min(end for one in points for end in (*one.runs, one.low) if end is not None)
    floor = max(0.0, np.floor((least - 0.04) * 20) / 20)
    axes.set_ylim(floor, 1 + 0.16 * (1 - floor))
    axes.set_xlim(-0.5, len(kinds) - 0.5)
    for at, kind in enumerate(kinds):
        if kind in WORDS:
            axes.axvspan(at - 0.5, at + 0.5, color=BAND, linewidth=0, zorder=0)
            style: dict[str, Any] = {"ha": "center", "va": "center", "color": WARNING, "weight": "bold"}
            axes.text(at, 1 + 0.1 * (1 - floor), "LEAKY", fontsize=LABEL, **style)
    for one in points:
        place = sizes.index(one.size)
        x = kinds.index(one.kind) + (place - (len(sizes) - 1) / 2) * 0.8 / len(sizes)
        _draw_one(axes, x, one, GROUPS[place % len(GROUPS)], MARKERS[place % len(MARKERS)])
    names = [f"{WORDS[kind]}\n(LEAKY)" if kind in WORDS else f"unseen people\n({kind})" for kind in kinds]
    axes.set_xticks(range(len(kinds)), names)
    dress(axes, "", "accuracy of test recordings")
    axes.grid(visible=False, axis="x")
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([tick for tick in (axes.get_yticks()) if floor <= tick <= 1.0001])
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    if len(sizes) > 1:
        _draw_legend(axes, sizes)
    flags = " ".join(row.flags for row in rows)
    warnings = [text for mark, text in (("LEAKY", f"{LEAKY} (red ground)"), ("SYNTHETIC", SYNTHETIC)) if mark in flags]
    only = f": {shorten_middle(sizes[0])}" if len(sizes) == 1 else ""
    save(figure, path, f"The same model, divided differently{only}", warnings, _note(points))


def _draw_one(axes: Axes, x: float, one: SplitAccuracy, colour: str, marker: str) -> None:
    if one.low is not None and one.high is not None:
        axes.plot([x, x], [one.low, one.high], color=colour, linewidth=2, gid="interval")
    if len(one.runs) > 1:
        spots = x + 0.05 * (np.arange(len(one.runs)) - (len(one.runs) - 1) / 2) / len(one.runs) - 0.07
        axes.plot(spots, one.runs, "o", color="#555555", markersize=3, alpha=0.8)
    axes.plot([x], [one.mean], marker, color=colour, markersize=9, markeredgecolor="white")
    where: dict[str, Any] = {"textcoords": "offset points", "ha": "left", "va": "center"}
    axes.annotate(percent(one.mean), (x, one.mean), (8, 0), fontsize=LABEL - 1, **where)


def _draw_legend(axes: Axes, sizes: Sequence[str]) -> None:
    handles: list[Line2D] = []
    for at, size in enumerate(sizes):
        style: dict[str, Any] = {"marker": MARKERS[at % len(MARKERS)], "color": GROUPS[at % len(GROUPS)]}
        handles.append(Line2D([], [], linestyle="", label=shorten_middle(size), **style))
    where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.14), "ncols": min(6, len(sizes))}
    plain_legend(axes, handles=handles, frameon=False, **where)


def _note(points: Sequence[SplitAccuracy]) -> str:
    lines = ["large: mean over runs; small: single runs" if any(len(one.runs) > 1 for one in points) else ""]
    if any(one.low is not None for one in points):
        lines.append("lines: 95 % intervals from a bootstrap over people")
    if any(one.low is None for one in points):
        lines.append("no line: no predictions, or one person")
    return "; ".join(filter(None, lines))
