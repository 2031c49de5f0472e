"""The pictures of a run and of its sizes, as PNG or SVG files fit for a paper, and what all pictures share."""

import textwrap
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.files import atomic_write
from gesturelab.report.groups import split_name
from gesturelab.report.results import RunRow
from gesturelab.report.texts import count, percent
from gesturelab.runs.info import LEAKY, SYNTHETIC, Info, target_of

DPI = 200
UNDATED: dict[str, dict[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
"""What keeps the day out of files of vectors; other endings are PNG."""
TRAIN, VALIDATION, BEST, WARNING = "#0072B2", "#D55E00", "#009E73", "#B00020"
GROUPS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that colour-blind people tell apart: M. Okabe and K. Ito, Color Universal Design, 2008."""
MARKERS = "osD^vP"
LONGEST = 40
"""Letters of a label that loses its middle."""
LABEL, TITLE, SMALL = 11, 13, 9
"""Font sizes in points."""

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": LABEL,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.7,
    "legend.edgecolor": "white",
    "pdf.fonttype": 42,
    "legend.fontsize": SMALL,
    "legend.framealpha": 1,
    "svg.hashsalt": "gesturelab",
    "text.parse_math": False,
    "xtick.labelsize": LABEL - 1,
    "ytick.labelsize": LABEL - 1,
}
"""Of all pictures: a faint grid, no frame where no axis is, a dollar begins no formula, the same picture is the same
file."""

styled = rc_context(STYLE)
"""Draws a picture in this style."""


@styled
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
    for axes, score in zip(panels, ("loss", "accuracy"), strict=True):
        for subset, colour, line in (("train", TRAIN, "--"), ("validation", VALIDATION, "-")):
            values = [cast(Any, entry)[f"{subset}_{score}"] for entry in history]
            axes.plot(epochs, values, line, color=colour, linewidth=1.8, marker=alone, label=subset)
        if best in epochs:
            shown = dict(zip(epochs, values, strict=True))[best]  # of validation, the subset drawn last
            text = percent(shown) if score == "accuracy" else f"{shown:.3f}"
            label = f"kept: epoch {best} of {len(history)}\n{score} {text}"
            axes.axvline(best, color=BEST, linewidth=1, linestyle=":")
            axes.plot([best], [shown], "D", color=BEST, markersize=7, label=label)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if history:
            axes.legend()
        else:
            axes.text(0.5, 0.5, "no epochs", transform=axes.transAxes, ha="center", va="center", fontsize=LABEL)
    panels[0].set_ylabel("loss (nats a window)")
    panels[0].set_ylim(bottom=0)
    panels[1].set_ylabel("accuracy of windows")
    percent_axis(panels[1].yaxis)
    note = "train: measured while training, with dropout and augmentation on; validation: off"
    save(figure, path, _title(info), info["warnings"], note)


@rc_context({"axes.labelsize": LABEL, "svg.hashsalt": "gesturelab", "text.parse_math": False})
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
    for row, column in zip(*counts.nonzero(), strict=True):
        text = f"{counts[row, column]}\n{_whole(float(share[row, column]))}"
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour, linespacing=1.1)
    rows = [f"{name}  (n = {total})" for name, total in zip(gestures, totals[:, 0], strict=True)]
    axes.set_xticks(range(size), gestures, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), rows)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#d0d0d0", linewidth=0.6)
    axes.tick_params(which="both", length=0, labelsize=LABEL - 1)
    of_correctness = target_of(info) == CORRECTNESS
    label = "class" if of_correctness else "gesture"
    axes.set(xlabel=f"recognised {label}", ylabel=f"true {label} (test recordings)")
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=PercentFormatter(1, decimals=0, symbol=" %"))
    bar.set_label(f"share of the true {label}'s recordings")
    bar.ax.tick_params(labelsize=SMALL)
    right, total = int(np.trace(counts)), int(counts.sum())
    score = f"{right} of {total} test recordings right ({percent(right / total)})" if total else "no test recordings"
    if of_correctness and total and totals.all():
        score = f"balanced accuracy {percent(float(share.diagonal().mean()))}, {score}"
    save(figure, path, f"{_title(info)}\n{score}", info["warnings"])


def _whole(share: float) -> str:
    """A share in whole per cent; never 100 or 0 when it is not."""
    shown = round(100 * share)
    if share < 1 and shown == 100:
        return ">99 %"
    return f"{shown} %" if shown else "<1 %"


@styled
def draw_sizes(rows: Sequence[RunRow], path: Path) -> None:
    """The primary metric of recordings against parameters: test filled, validation hollow, seeds faint.

    Args:
        rows: Of runs; peers are left out, since their parameters say nothing of a size.
        path: The PNG file.

    Raises:
        RunError: If the file cannot be written.
    """
    rows = [row for row in rows if not row.peer and None not in (row.score("validation"), row.score("test"))]
    if not rows:
        return
    figure = Figure(figsize=(8, 5))
    axes = figure.subplots()
    groups = sorted({row.group for row in rows})
    handles: list[Artist] = [
        Line2D([], [], marker="o", color="black", label="test"),
        Line2D([], [], marker="s", color="black", linestyle=":", markerfacecolor="white", label="validation"),
    ]
    for place, group in enumerate(groups):
        members = [row for row in rows if row.group == group]
        colour = GROUPS[place % len(GROUPS)]
        _draw_group(axes, members, colour)
        if len(groups) > 1 and place < len(GROUPS):
            first = members[0]
            handles.append(Patch(color=colour, label=f"group {group}: {first.data} {first.split} {first.flags}"))
    sizes = sorted({row.parameters for row in rows})
    ticks = [size for at, size in enumerate(sizes) if at == 0 or size / sizes[at - 1] > 1.25]
    log_axis(axes, (sizes[0] / 1.6, sizes[-1] * 1.6), {tick: count(tick) for tick in ticks})
    names = " or ".join(dict.fromkeys(primary_metric(row.target).title for row in rows))
    axes.set(xlabel="parameters (logarithmic)", ylabel=f"{names} of recordings")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.margins(y=0.18)
    legend_outside(axes, handles, 1 if len(groups) > 1 else 2)
    left_out = f"; the legend leaves out {len(groups) - len(GROUPS)} groups" if len(groups) > len(GROUPS) else ""
    several = len({(row.group, row.candidate) for row in rows}) < len(rows)
    faint = "means over seeds, single runs faint; " if several else ""
    note = f"{faint}choose a size by validation, not by test{left_out}"
    save(figure, path, f"{names.capitalize()} against size", warnings_of(rows), note)


def _draw_group(axes: Axes, rows: Sequence[RunRow], colour: str) -> None:
    by_candidate: dict[str, list[RunRow]] = {}
    for row in sorted(rows, key=lambda row: row.parameters):
        by_candidate.setdefault(row.candidate, []).append(row)
    sizes = [runs[0].parameters for runs in by_candidate.values()]
    means: dict[str, list[float]] = {}
    for subset, marker, fill, line in (("validation", "s", "white", ":"), ("test", "o", colour, "-")):
        style: dict[str, Any] = {"marker": marker, "color": colour}
        if len(rows) > len(sizes):
            places, values = [row.parameters for row in rows], _of_subset(rows, subset)
            axes.plot(places, values, markersize=4, alpha=0.35, linestyle="", **style)
        means[subset] = [fmean(_of_subset(runs, subset)) for runs in by_candidate.values()]
        axes.plot(sizes, means[subset], line, markerfacecolor=fill, markersize=8, linewidth=1.3, **style)
    for at, (label, runs) in enumerate(by_candidate.items()):
        above = means["test"][at] > means["validation"][at]
        high = (max if above else min)(_of_subset(runs, "test"))
        annotate(axes, shorten(label), sizes[at], high, 8 if above else -9, fontsize=LABEL - 1)


def _of_subset(rows: Sequence[RunRow], subset: str) -> list[float]:
    return [cast(float, row.score(subset)) for row in rows]


def _title(info: Info) -> str:
    size = f"{info['model']['size']} ({count(info['model']['parameters'])} parameters)"
    name = textwrap.shorten(info["name"], 60, placeholder="…")
    return f"{name}: {size}\n{split_name(info)}, seed {info['seed']}"


def warnings_of(rows: Sequence[RunRow]) -> list[str]:
    """What must stand on a picture of some runs."""
    flags = " ".join(row.flags for row in rows)
    return [text for mark, text in (("LEAKY", LEAKY), ("SYNTHETIC", SYNTHETIC)) if mark in flags]


def colour_and_marker(place: int) -> dict[str, Any]:
    """How the candidate, size or group at a place is drawn."""
    return {"color": GROUPS[place % len(GROUPS)], "marker": MARKERS[place % len(MARKERS)]}


def annotate(axes: Axes, text: str, x: float, y: float, points: float, **options: Any) -> None:
    """A text so many points above a place, or below it."""
    where: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom" if points > 0 else "top"}
    axes.annotate(text, (x, y), (0, points), **where, **options)


def log_axis(axes: Axes, limits: tuple[float, float], labels: Mapping[float, str]) -> None:
    """A logarithmic x axis with these numbers only."""
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_xticks(list(labels), list(labels.values()))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)


def legend_outside(
    axes: Axes, handles: Sequence[Artist], columns: int, y: float = -0.14, loc: Any = "upper left", **options: Any
) -> None:
    """A legend without a frame below the axes, or above them."""
    axes.legend(handles=handles, frameon=False, loc=loc, bbox_to_anchor=(0, y), ncols=columns, **options)


def shorten(name: str) -> str:
    """A name of at most 28 letters, cut at the end."""
    return textwrap.shorten(name, 28, placeholder="…")


def shorten_middle(name: str) -> str:
    """A name of at most `LONGEST` letters that loses its middle, since the ends tell sizes apart.

    >>> shorten_middle("tiny"), shorten_middle("a" * 30 + "b" * 30)
    ('tiny', 'aaaaaaaaaaaaaaaaaaaaa…bbbbbbbbbbbbbbbbbb')
    """
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 + 1]}…{name[-(LONGEST // 2 - 2) :]}"


def text_width(text: str, size: float) -> float:
    """Inches that a text takes (a dollar would begin a formula)."""
    return TextPath((0, 0), text.replace("$", "S"), size=size).get_extents().width / 72


def percent_axis(axis: Axis) -> None:
    """Numbers of an axis as per cent."""
    axis.set_major_formatter(PercentFormatter(1, symbol=" %"))


def whole_percents(axis: Axis) -> None:
    """A few round numbers; the sign of per cent stands in the axis's label."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))


def save(figure: Figure, path: Path, title: str, warned: Sequence[str], note: str = "", dpi: int | None = None) -> None:
    """Title, note and warnings around the axes, then the file (SVG, PDF or PNG by its ending), whole or not at all."""
    inches_wide, inches_high = figure.get_size_inches()
    lines = [line for text in warned for line in textwrap.wrap(text, int(inches_wide * 12.8))]
    heading = 0.28 * len(title.splitlines()) + 0.1
    banner = 0.19 * len(lines) + (0.2 if lines else 0)
    foot = 0.07 + 0.18 * len(note.splitlines()) if note else 0.0
    high = inches_high + heading + banner + foot
    figure.set_size_inches(inches_wide, high)
    if lines:
        box = {"facecolor": "#FDECEA", "edgecolor": WARNING, "boxstyle": "round,pad=0.35", "linewidth": 0.8}
        middle = 1 - (banner / 2 + 0.03) / high
        text = "\n".join(lines)
        figure.text(0.5, middle, text, va="center", color=WARNING, fontsize=SMALL, weight="bold", bbox=box, ha="center")
    figure.text(0.5, 1 - (banner + 0.1) / high, title, va="top", fontsize=TITLE, linespacing=1.25, ha="center")
    if note:
        figure.text(0.5, 0.06 / high, note, va="bottom", fontsize=SMALL, color="#555555", ha="center")
    with warnings.catch_warnings(), atomic_write(path) as beside:
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a name in a script the font lacks
        for _ in range(2 if figure.axes[0].get_legend() else 1):  # a legend below the axes moves with them
            figure.tight_layout(rect=(0, foot / high, 1, 1 - (heading + banner) / high))
        form = path.suffix[1:] if path.suffix in UNDATED else "png"
        # matplotlib imports what a form needs: PDF would bring a whole library of fonts into every training
        resolution = (dpi or DPI) if form == "png" else "figure"
        figure.savefig(beside, format=form, dpi=resolution, metadata=UNDATED.get(path.suffix))
