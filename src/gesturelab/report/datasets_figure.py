"""One figure for a paper: models on several datasets, their ranks, and accuracy against training time."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter

from gesturelab.evaluation.cost import beaten_by
from gesturelab.evaluation.result import Value
from gesturelab.report.cost_figure import TIMES, choose_ticks, round_time
from gesturelab.report.cross_validation_figures import RankDiagram
from gesturelab.report.figures import (
    MARKERS,
    STYLE,
    WARNING,
    colour_and_marker,
    legend_outside,
    log_axis,
    save,
    shorten,
    text_width,
    warnings_of,
)
from gesturelab.report.results import Comparison, DatasetsResult

WIDTH = 7.0
"""Inches: two columns of a paper."""

LETTERS = 8
"""Points; no letter is smaller than 7."""

PRINT_DPI = 300

DECADES_OF_TIME = (0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
"""Seconds."""


def describe_datasets(across: DatasetsResult) -> str:
    """What the figure shows, for those who do not see it too."""
    return (
        f"{len(across.rows)} models on {len(across.datasets)} datasets. a: accuracy on each dataset, with 95 % "
        "intervals over people; b: mean accuracy against training time; c: mean ranks with the critical "
        f"difference, where a bar joins models that no test tells apart. {across.recommendation}"
    )


@rc_context(STYLE | {"axes.labelsize": LETTERS, "legend.fontsize": 7, "xtick.labelsize": 7, "ytick.labelsize": LETTERS})
def draw_datasets(comparison: Comparison, path: Path) -> None:
    """Draws the accuracy on each dataset, accuracy against training time and the critical-difference diagram.

    Args:
        comparison: With several datasets.
        path: The file: PDF, SVG or PNG.

    Raises:
        RunError: If the file cannot be written.
    """
    across = comparison.across
    assert across is not None
    names = {row.model: shorten(row.model) + ", peer" * row.peer for row in across.rows}
    diagram = RankDiagram(across.ranks, names, LETTERS, WIDTH - 0.2)
    high = 0.75 + len(across.rows) * max(0.24, 0.085 * (len(across.datasets) + 1))
    figure = Figure(figsize=(WIDTH, high + diagram.height))
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1), height_ratios=(high, diagram.height))
    dots, times, ranks = (figure.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :]))
    _draw_dots(dots, across, names)
    _draw_times(times, across, names, (WIDTH * 0.36, high - 0.6))
    diagram.draw(ranks)
    for axes, letter, x, y in ((dots, "a", -0.28, 1), (times, "b", -0.18, 1), (ranks, "c", -0.15, 0.82)):
        axes.set_title(letter, x=x, y=y, loc="left", fontsize=9, weight="bold")
    rows = [row for group in comparison.groups if group.number in across.groups for row in group.runs]
    save(figure, path, "", warnings_of(rows), dpi=PRINT_DPI)


def _draw_dots(axes: Axes, across: DatasetsResult, names: dict[str, str]) -> None:
    """A row for each model, the best mean rank on top: a mark with its interval for each dataset, and their mean."""
    step = 0.7 / len(across.datasets)
    for at, row in enumerate(across.rows):
        if at % 2 == 0:
            axes.axhspan(at - 0.5, at + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
        for place, value in enumerate(row.values):
            style = colour_and_marker(place)
            y = at + step * (place - (len(row.values) - 1) / 2)
            axes.plot(_ends(value), [y, y], color=style["color"], linewidth=1, gid="interval")
            axes.plot([_of(value)], [y], linestyle="", markersize=4, markeredgecolor="white", **style)
        middle = _of(row.mean)
        axes.plot([middle, middle], [at - 0.4, at + 0.4], color="black", linewidth=1.4, zorder=0.9)
    axes.set_ylim(len(across.rows) - 0.5, -0.5)
    axes.set_yticks(range(len(across.rows)), [names[row.model] for row in across.rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("accuracy of recordings, unseen people (%)")
    _whole_percents(axes.xaxis)
    handles = [Line2D([], [], linestyle="-", linewidth=1, markersize=4, label=name, **colour_and_marker(place))
               for place, name in enumerate(across.datasets)]  # fmt: skip
    handles.append(Line2D([], [], color="black", linestyle="", marker="|", markersize=8, label="mean"))
    axes.legend(handles=handles, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles),
                columnspacing=1, handletextpad=0.4, borderaxespad=0.1)  # fmt: skip


def _whole_percents(axis: Axis) -> None:
    """A few round numbers; the sign of per cent stands in the axis's label."""
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=""))


def _of(value: Value) -> float:
    return cast(float, value["value"])


def _ends(value: Value) -> list[float]:
    """The interval; without one the value itself."""
    return [_of(value) if end is None else end for end in (value["low"], value["high"])]


def _draw_times(axes: Axes, across: DatasetsResult, names: dict[str, str], inches: tuple[float, float]) -> None:
    """Mean accuracy against training time; each device has its mark, and only times that can be compared a front."""
    rows = across.rows
    seconds = [max(row.seconds, 1e-3) for row in rows]
    room = max(max(seconds) / min(seconds), 2.0) ** 0.12
    limits = min(seconds) / room, max(seconds) * room
    ends = [end for row in rows for end in _ends(row.mean)]
    spare = 0.08 * max(max(ends) - min(ends), 0.02)
    heights = min(ends) - spare, max(ends) + spare
    decades = [at for at in DECADES_OF_TIME if limits[0] <= at <= limits[1]]
    ticks = decades if len(decades) > 1 else choose_ticks(TIMES, limits)
    devices = list(dict.fromkeys(" and ".join(row.devices) for row in rows))
    for row, x in zip(rows, seconds, strict=True):
        marker = MARKERS[devices.index(" and ".join(row.devices)) % len(MARKERS)]
        axes.plot([x, x], _ends(row.mean), color="#777777", linewidth=1, gid="interval")
        axes.plot([x], [_of(row.mean)], marker, color="black", markersize=4.5, markeredgecolor="white")
    if not across.seconds_differ:
        beaten = beaten_by([_of(row.mean) for row in rows], [[x] for x in seconds])
        front = sorted((x, _of(row.mean)) for row, x, by in zip(rows, seconds, beaten, strict=True) if by is None)
        xs, ys = zip(*front, strict=True)
        axes.step(xs, ys, where="post", color="#777777", linewidth=0.8, linestyle="--", zorder=0.9, gid="front")
    log_axis(axes, limits, {at: round_time(at) for at in ticks})
    axes.set_ylim(*heights)
    axes.set_ylabel("mean accuracy of the datasets (%)")
    _whole_percents(axes.yaxis)
    axes.set_xlabel(
        "training time (NOT COMPARABLE)" if across.seconds_differ else "training time, mean of the datasets"
    )
    if across.seconds_differ:
        axes.xaxis.label.set_color(WARNING)
    places = [
        ((math.log(x / limits[0])) / math.log(limits[1] / limits[0]) * inches[0],
         *((y - heights[0]) / (heights[1] - heights[0]) * inches[1] for y in (_of(row.mean), *_ends(row.mean))))
        for row, x in zip(rows, seconds, strict=True)
    ]  # fmt: skip
    for row, x, offset in zip(
        rows, seconds, place_names([names[row.model] for row in rows], places, inches), strict=True
    ):
        points: Any = {"textcoords": "offset points", "ha": "left", "va": "bottom", "fontsize": 7, "gid": "name"}
        points["path_effects"] = [withStroke(linewidth=1.5, foreground="white")]
        axes.annotate(names[row.model], (x, _of(row.mean)), tuple(72 * shift for shift in offset), **points)
    if len(devices) > 1 or devices[0]:
        handles = [Line2D([], [], color="black", linestyle="", marker=MARKERS[at % len(MARKERS)], markersize=4,
                          label=device or "unknown device") for at, device in enumerate(devices)]  # fmt: skip
        legend_outside(axes, handles, len(handles), 1.0, "lower left", borderaxespad=0.1, handletextpad=0.2)


def place_names(
    names: Sequence[str], places: Sequence[tuple[float, float, float, float]], inches: tuple[float, float]
) -> list[tuple[float, float]]:
    """Where each name stands from its point so that it lies on no other name, point or interval, if there is room.

    Args:
        names: Of points.
        places: Of each point: x, y, and both ends of its interval; in inches from the lower left corner of the panel.
        inches: Width and height of the panel.

    Returns:
        The lower left corner of each name, in inches from its point.
    """
    high, gap = 0.1, 0.05
    taken = [(x - 0.035, low, x + 0.035, top) for x, _, low, top in places]
    offsets: list[tuple[float, float]] = []
    for name, (x, y, low, top) in zip(names, places, strict=True):
        wide = text_width(name, 7)
        near, far = ([(left, shift - high / 2) for shift in shifts for left in (gap, -gap - wide)]
                     for shifts in ((0.08, -0.08, 0.0), (0.16, -0.16, 0.24, -0.24)))  # fmt: skip
        options = [*near, (-wide / 2, low - y - high - 0.03), (-wide / 2, top - y + 0.03), *far]

        def cost(option: tuple[float, float], x: float = x, y: float = y, wide: float = wide) -> float:
            left, bottom = x + option[0], y + option[1]
            box = (left, bottom, left + wide, bottom + high)
            outside = max(0.0, -left, left + wide - inches[0]) + max(0.0, -bottom, bottom + high - inches[1])
            return outside + sum(_overlap(box, other) for other in taken)

        best = min(options, key=cost)  # of equals the first: beside the point
        offsets.append(best)
        taken.append((x + best[0], y + best[1], x + best[0] + wide, y + best[1] + high))
    return offsets


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Square inches that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
