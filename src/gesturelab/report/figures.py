"""The pictures of a run and of a comparison, as PNG files fit for a paper."""

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.files import atomic_write
from gesturelab.report.results import RunRow
from gesturelab.report.texts import count, percent
from gesturelab.runs.info import LEAKY, SYNTHETIC, Info, target_of

DPI = 200
TRAIN, VALIDATION, BEST, WARNING = "#0072B2", "#D55E00", "#009E73", "#B00020"
GROUPS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that colour-blind people tell apart: M. Okabe and K. Ito, Color Universal Design, 2008."""
MARKERS = "osD^vP"
LONGEST = 40
"""Letters of a label that loses its middle."""
LABEL, TITLE, SMALL = 11, 13, 9
"""Font sizes in points."""


def draw_curves(info: Info, path: Path) -> None:
    """Loss and accuracy by epoch, with the epoch whose weights were kept.

    Raises:
        RunError: If the file cannot be written.
    """
    history = info["training"]["history"]
    figure = Figure(figsize=(9, 4))
    panels = figure.subplots(1, 2)
    epochs = [entry["epoch"] + 1 for entry in history]
    values: list[float] = []
    best = info["training"]["best_epoch"] + 1
    alone = "o" if len(history) == 1 else ""
    for axes, what in zip(panels, ("loss", "accuracy"), strict=True):
        for side, colour, line in (("train", TRAIN, "--"), ("validation", VALIDATION, "-")):
            values = [cast(Any, entry)[f"{side}_{what}"] for entry in history]
            axes.plot(epochs, values, line, color=colour, linewidth=1.8, marker=alone, label=side)
        if best in epochs:
            shown = dict(zip(epochs, values, strict=True))[best]  # of validation, the side drawn last
            said = f"accuracy {percent(shown)}" if what == "accuracy" else f"loss {shown:.3f}"
            label = f"kept: epoch {best} of {len(history)}\n{said}"
            axes.axvline(best, color=BEST, linewidth=1, linestyle=":")
            axes.plot([best], [shown], "D", color=BEST, markersize=7, label=label)
        dress(axes, "epoch", {"loss": "loss (nats a window)", "accuracy": "accuracy of windows"}[what])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if not history:
            axes.text(0.5, 0.5, "no epochs", transform=axes.transAxes, ha="center", va="center", fontsize=LABEL)
        else:
            axes.legend(fontsize=SMALL, framealpha=1, edgecolor="white")
    panels[0].set_ylim(bottom=0)
    panels[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=None, symbol=" %"))
    note = "train: measured while training, with dropout and augmentation on; validation: off"
    save(figure, path, _title(info), info["warnings"], note)


def draw_confusion(info: Info, path: Path) -> None:
    """The confusion matrix of the test recordings: counts, coloured by share of the true gesture's recordings.

    Raises:
        RunError: If the file cannot be written.
    """
    counts = np.asarray(info["confusion"], dtype=np.int64)
    gestures = [textwrap.shorten(name.replace("_", " "), 40, placeholder="…") for name in info["gestures"]]
    size = len(gestures)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    longest = 0.085 * max(map(len, gestures), default=0)  # inches
    figure = Figure(figsize=(max(6.0, 0.7 * size + longest + 2.4), max(3.5, 0.6 * size + 0.7 * longest + 0.6)))
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            text = f"{counts[row, column]}\n{_whole(float(share[row, column]))}"
            colour = "white" if share[row, column] > 0.55 else "black"
            axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour, linespacing=1.1)
    rows = [f"{name}  (n = {total})" for name, total in zip(gestures, totals[:, 0], strict=True)]
    axes.set_xticks(range(size), gestures, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(size), rows, parse_math=False)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#d0d0d0", linewidth=0.6)
    axes.tick_params(which="both", length=0, labelsize=LABEL - 1)
    what = "class" if target_of(info) == CORRECTNESS else "gesture"
    axes.set_xlabel(f"recognised {what}", fontsize=LABEL)
    axes.set_ylabel(f"true {what} (test recordings)", fontsize=LABEL)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=PercentFormatter(1, decimals=0, symbol=" %"))
    bar.set_label(f"share of the true {what}'s recordings", fontsize=LABEL)
    bar.ax.tick_params(labelsize=SMALL)
    right, total = int(np.trace(counts)), int(counts.sum())
    recalls = np.divide(np.diag(counts), totals[:, 0], out=np.zeros(size), where=totals[:, 0] > 0)
    balanced = f"balanced accuracy {percent(float(recalls.mean()))}, " if what == "class" and totals.all() else ""
    score = (
        f"\n{balanced}{right} of {total} test recordings right ({percent(right / total)})"
        if total
        else "\nno test recordings"
    )
    save(figure, path, _title(info) + score, info["warnings"])


def _whole(share: float) -> str:
    """A share in whole per cent; never 100 or 0 when it is not."""
    shown = round(100 * share)
    if share < 1 and shown == 100:
        return ">99 %"
    return f"{shown} %" if shown else "<1 %"


@dataclass(frozen=True)
class _Point:
    """A run in the picture of sizes, with its scores of recordings."""

    row: RunRow
    validation: float
    test: float


def draw_sizes(rows: Sequence[RunRow], path: Path) -> None:
    """The primary metric of recordings against parameters: test filled, validation hollow, seeds faint.

    Args:
        rows: Of runs; peers are left out, since their parameters say nothing of a size.
        path: The PNG file.

    Raises:
        RunError: If the file cannot be written.
    """
    points: list[_Point] = []
    for row in rows:
        validation, test = row.score("validation"), row.score("test")
        if not row.peer and validation is not None and test is not None:
            points.append(_Point(row, validation, test))
    if not points:
        return
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    groups = sorted({point.row.group for point in points})
    handles: list[Artist] = [Line2D([], [], marker="o", color="black", label="test")]
    handles.append(
        Line2D([], [], marker="s", color="black", linestyle=":", markerfacecolor="white", label="validation")
    )
    for place, group in enumerate(groups):
        members = [point for point in points if point.row.group == group]
        colour = GROUPS[place % len(GROUPS)]
        _draw_group(axes, members, colour)
        if len(groups) > 1 and place < len(GROUPS):
            first = members[0].row
            label = f"group {group}: {first.data} {first.split} {first.flags}"
            handles.append(Patch(color=colour, label=label))
    sizes = sorted({point.row.parameters for point in points})
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
    ticks = [size for at, size in enumerate(sizes) if at == 0 or size / sizes[at - 1] > 1.25]
    axes.set_xticks(ticks, [count(tick) for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    names = " or ".join(dict.fromkeys(primary_metric(point.row.target).title for point in points))
    dress(axes, "parameters (logarithmic)", f"{names} of recordings")
    axes.tick_params(axis="x", which="minor", length=0)
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.margins(y=0.18)
    where: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (0, -0.14), "ncols": 1 if len(groups) > 1 else 2}
    plain_legend(axes, handles=handles, frameon=False, **where)
    flags = " ".join(point.row.flags for point in points)
    warned = [text for mark, text in (("LEAKY", LEAKY), ("SYNTHETIC", SYNTHETIC)) if mark in flags]
    left_out = f"; the legend leaves out {len(groups) - len(GROUPS)} groups" if len(groups) > len(GROUPS) else ""
    several = len({(point.row.group, point.row.candidate) for point in points}) < len(points)
    faint = "means over seeds, single runs faint; " if several else ""
    note = f"{faint}choose a size by validation, not by test{left_out}"
    save(figure, path, f"{names.capitalize()} against size", warned, note)


def _tick(value: float, place: int | None = None) -> str:
    return f"{100 * value:g} %"


def _draw_group(axes: Axes, points: Sequence[_Point], colour: str) -> None:
    by_candidate: dict[str, list[_Point]] = {}
    for point in sorted(points, key=lambda point: point.row.parameters):
        by_candidate.setdefault(point.row.candidate, []).append(point)
    sizes = [runs[0].row.parameters for runs in by_candidate.values()]
    means: dict[str, list[float]] = {}
    for side, marker, fill, line in (("validation", "s", "white", ":"), ("test", "o", colour, "-")):
        style: dict[str, Any] = {"marker": marker, "color": colour}
        values = [getattr(point, side) for point in points]
        if len(points) > len(sizes):
            places = [point.row.parameters for point in points]
            axes.plot(places, values, markersize=4, alpha=0.35, linestyle="", **style)
        means[side] = [fmean(getattr(point, side) for point in runs) for runs in by_candidate.values()]
        axes.plot(sizes, means[side], line, markerfacecolor=fill, markersize=8, linewidth=1.3, **style)
    for at, (label, runs) in enumerate(by_candidate.items()):
        tests = [point.test for point in runs]
        above = means["test"][at] > means["validation"][at]
        axes.annotate(
            shorten(label),
            (sizes[at], max(tests) if above else min(tests)),
            (0, 8) if above else (0, -9),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=LABEL - 1,
            parse_math=False,
        )


def _title(info: Info) -> str:
    size = f"{info['model']['size']} ({count(info['model']['parameters'])} parameters)"
    fold = info["split"]["options"].get("fold")
    split = info["split"]["kind"] + ("" if fold is None else f" fold {fold}")
    return f"{textwrap.shorten(info['name'], 60, placeholder='…')}: {size}\n{split}, seed {info['seed']}"


def dress(axes: Axes, x: str, y: str) -> None:
    """Labels, a faint grid, and no frame where no axis is."""
    axes.set_xlabel(x, fontsize=LABEL)
    axes.set_ylabel(y, fontsize=LABEL)
    axes.tick_params(labelsize=LABEL - 1)
    axes.grid(color="#e5e5e5", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def shorten(name: str) -> str:
    """A name of at most 28 letters, cut at the end."""
    return textwrap.shorten(name, 28, placeholder="…")


def shorten_middle(name: str) -> str:
    """A name of at most `LONGEST` letters that loses its middle, since the ends tell sizes apart.

    >>> shorten_middle("tiny"), shorten_middle("a" * 30 + "b" * 30)
    ('tiny', 'aaaaaaaaaaaaaaaaaaaaa…bbbbbbbbbbbbbbbbbb')
    """
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 + 1]}…{name[-(LONGEST // 2 - 2) :]}"


def plain_legend(axes: Axes, **options: Any) -> None:
    """A legend whose texts are drawn as they are: a dollar begins no formula."""
    for text in axes.legend(**{"fontsize": SMALL, "framealpha": 1, "edgecolor": "white", **options}).get_texts():
        text.set_parse_math(False)


def percent_axis(axis: Axis) -> None:
    """Numbers of an axis as per cent."""
    axis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def save(figure: Figure, path: Path, title: str, warned: Sequence[str], note: str = "") -> None:
    """Title, note and warnings around the axes, then the file (SVG or PNG by its ending), whole or not at all."""
    inches_wide, inches_high = figure.get_size_inches()
    lines = [line for text in warned for line in textwrap.wrap(text, int(inches_wide * 12.8))]
    heading = 0.28 * len(title.splitlines()) + 0.1
    banner = 0.19 * len(lines) + (0.2 if lines else 0)
    foot = 0.07 + 0.18 * len(note.splitlines()) if note else 0.0
    high = inches_high + heading + banner + foot
    figure.set_size_inches(inches_wide, high)
    style: dict[str, Any] = {"ha": "center", "parse_math": False}
    if lines:
        box = {"facecolor": "#FDECEA", "edgecolor": WARNING, "boxstyle": "round,pad=0.35", "linewidth": 0.8}
        middle = 1 - (banner / 2 + 0.03) / high
        text = "\n".join(lines)
        figure.text(0.5, middle, text, va="center", color=WARNING, fontsize=SMALL, weight="bold", bbox=box, **style)
    figure.text(0.5, 1 - (banner + 0.1) / high, title, va="top", fontsize=TITLE, linespacing=1.25, **style)
    if note:
        figure.text(0.5, 0.06 / high, note, va="bottom", fontsize=SMALL, color="#555555", **style)
    with warnings.catch_warnings(), atomic_write(path) as beside:
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a name in a script the font lacks
        for _ in range(2 if figure.axes[0].get_legend() else 1):  # a legend below the axes moves with them
            figure.tight_layout(rect=(0, foot / high, 1, 1 - (heading + banner) / high))
        if path.suffix == ".svg":
            with rc_context({"svg.hashsalt": "gesturelab"}):  # the same picture, the same file
                FigureCanvasSVG(figure).print_figure(beside, format="svg", metadata={"Date": None})
        else:
            FigureCanvasAgg(figure).print_figure(beside, dpi=DPI, format="png")
