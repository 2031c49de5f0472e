"""One figure for a paper: models on several datasets, their ranks, and accuracy against training time."""

from pathlib import Path
from typing import Any, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gesturelab.report.cost_figure import TIME, draw_panel, heights, interval_ends
from gesturelab.report.cross_validation_figures import RankDiagram
from gesturelab.report.figures import STYLE, colour_and_marker, save, shorten, warnings_of, whole_percents
from gesturelab.report.results import Comparison, CostRow, DatasetsResult

WIDTH = 7.0
"""Inches: two columns of a paper."""

LETTERS = 8
"""Points; no letter is smaller than 7."""

PRINT_DPI = 300

SMALLER: dict[Any, Any] = {
    **STYLE, "axes.labelsize": LETTERS, "legend.fontsize": 7, "xtick.labelsize": 7, "ytick.labelsize": LETTERS
}  # fmt: skip


def describe_datasets(across: DatasetsResult) -> str:
    """What the figure shows, for those who do not see it too."""
    return (
        f"{len(across.rows)} models on {len(across.datasets)} datasets. a: accuracy on each dataset, with 95 % "
        "intervals over people; b: mean accuracy against training time, by the models' numbers, filled where no model "
        "is both better and faster; c: mean ranks with the critical difference, where a bar joins models that no test "
        "tells apart. "
        f"{across.recommendation}"
    )


@rc_context(SMALLER)
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
    _draw_times(times, across)
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
            axes.plot(interval_ends(value), [y, y], color=style["color"], linewidth=1, gid="interval")
            axes.plot([cast(float, value["value"])], [y], linestyle="", markersize=4, markeredgecolor="white", **style)
        axes.plot([cast(float, row.mean["value"])] * 2, [at - 0.4, at + 0.4], color="black", linewidth=1.4, zorder=0.9)
    axes.set_ylim(len(across.rows) - 0.5, -0.5)
    axes.set_yticks(range(len(across.rows)), [f"{names[row.model]}  {at}" for at, row in enumerate(across.rows, 1)])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("accuracy of recordings, unseen people (%)")
    whole_percents(axes.xaxis)
    handles = [Line2D([], [], linestyle="-", linewidth=1, markersize=4, label=name, **colour_and_marker(place))
               for place, name in enumerate(across.datasets)]  # fmt: skip
    handles.append(Line2D([], [], color="black", linestyle="", marker="|", markersize=8, label="mean"))
    axes.legend(handles=handles, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(handles),
                columnspacing=1, handletextpad=0.4, borderaxespad=0.1)  # fmt: skip


def _draw_times(axes: Axes, across: DatasetsResult) -> None:
    """Mean accuracy against training time, by the models' numbers; where devices differ, stars say on which."""
    trained_on = [" and ".join(row.devices) or "unknown device" for row in across.rows]
    devices = list(dict.fromkeys(trained_on))
    marks = [f"{at}{'*' * devices.index(device)}" for at, device in enumerate(trained_on, 1)]
    rows = [CostRow(row.model, False, row.mean, row.parameters, None, row.seconds, None, None) for row in across.rows]
    draw_panel(axes, TIME, rows, marks, None, bool(across.seconds_differ), letters=7, colour="#333333")
    axes.set_ylim(*heights(rows))
    axes.set_ylabel("mean accuracy (%)")
    whole_percents(axes.yaxis)
    key = ", ".join(f"{'*' * at} {device}".strip() for at, device in enumerate(devices))
    axes.set_xlabel(f"{axes.get_xlabel()}\n{key}")
