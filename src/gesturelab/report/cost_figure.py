"""Accuracy against what it costs, with the Pareto set."""

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gesturelab.evaluation.cost import beaten_by
from gesturelab.evaluation.result import Value
from gesturelab.report.figures import (
    GROUPS,
    SMALL,
    WARNING,
    annotate,
    legend_outside,
    log_axis,
    percent_axis,
    save,
    styled,
    warnings_of,
)
from gesturelab.report.results import Cost, CostRow, GroupComparison
from gesturelab.report.texts import percent

COLOUR, PEER = GROUPS[0], "#666666"
SHORT, FEW = 9, 8
"""Names of at most so many letters, of at most so many candidates, stand at the points; others have a number."""

APART = 0.045
"""Points closer than this share of the axis are drawn side by side."""


DECADES = tuple(step * 10.0**power for power in range(-6, 13) for step in (1, 2, 5))
TIMES = (*(at for at in DECADES if at < 10), 10, 20, 30, 40, 60, 90, 120, 180, 300, 600, 1200, 1800, *(
    3600 * at for at in (1, 2, 5, 12, 24, 48, 120, 240)
))  # fmt: skip

ROUND_TIMES = (0.1, 1, 10, 60, 600, 3600, 43_200)


@dataclass(frozen=True)
class Panel:
    """One kind of cost, and where its axis may have numbers."""

    kind: str
    label: str
    tick: Callable[[float], str]
    ticks: Sequence[float]
    peers: bool

    def of(self, row: CostRow) -> float | None:
        """What a candidate costs."""
        return getattr(row, self.kind)


def _round(value: float) -> str:
    """A round number of parameters.

    >>> _round(500.0), _round(2e5), _round(1e6)
    ('500', '200 K', '1 M')
    """
    return f"{value:.0f}" if value < 1e3 else f"{value / 1e3:g} K" if value < 1e6 else f"{value / 1e6:g} M"


def _time(seconds: float) -> str:
    """A round time.

    >>> _time(0.5), _time(20), _time(300), _time(7200)
    ('0.5 s', '20 s', '5 min', '2 h')
    """
    parts = ((3600, "h"), (60, "min"), (1e-9, "s"))
    unit, name = next(part for part in parts if seconds >= part[0])
    return f"{seconds / (1 if name == 's' else unit):g} {name}"


TIME = Panel("seconds", "training time of a run", _time, TIMES, True)
PANELS = (
    Panel("parameters", "parameters", _round, DECADES, False),
    Panel("latency_ms", "latency of a window, one CPU thread", lambda value: f"{value:g} ms", DECADES, False),
    TIME,
)


@styled
def draw_cost(group: GroupComparison, path: Path) -> None:
    """Accuracy with its interval against parameters, latency (if measured) and training time.

    Args:
        group: Of runs that may be compared.
        path: The file, SVG or PNG.

    Raises:
        RunError: If the file cannot be written.
    """
    cost, rows = group.cost, group.cost.rows
    panels = [panel for panel in PANELS if any(panel.of(row) is not None and not row.peer for row in rows)]
    names = [row.candidate for row in rows]
    marks = _marks(names)
    wide = 4.2 * len(panels) + 0.6
    key = [] if marks == names else textwrap.wrap(_key(marks, names), int(wide * 13), break_long_words=True)
    figure = Figure(figsize=(wide, 4.6))
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        unsure = panel.kind == "seconds" and bool(cost.seconds_differ)
        draw_panel(axes, panel, rows, marks, cost.recommended, unsure)
    first = figure.axes[0]
    first.set_ylabel(f"{cost.score} of test recordings")
    percent_axis(first.yaxis)
    first.set_ylim(*heights(rows))
    handles = _handles(rows, cost.recommended)
    legend_outside(first, handles, len(handles), -0.16, borderaxespad=0)
    partial = [row.candidate for row in rows if row.partial]
    warned = warnings_of(group.runs)
    warned += [f"PARTIAL: {', '.join(partial)}: not tested on everybody"] if partial else []
    title = f"{cost.score.capitalize()} against cost\n{group.title}"
    save(figure, path, title, warned, "\n".join([*key, *_notes(cost, wide)]))


def _notes(cost: Cost, wide: float) -> list[str]:
    rows = cost.rows
    first = "costs are logarithmic, points of nearly the same cost side by side"
    if any(row.accuracy["low"] is not None for row in rows):
        people = "95 % intervals from a bootstrap over people; the Pareto set goes by the accuracies as they are"
        first = f"{people}; {first}"
    lines = [first]
    low, high = heights(rows)
    if out := [row for row in rows if row.peer and not low <= row.value <= high]:
        names = ", ".join(f"{row.candidate} ({percent(row.accuracy['value'])})" for row in out)
        lines.append(f"outside the picture: {names}")
    if cost.latency is not None and cost.latency.cpu:
        disturbed = ", DISTURBED by other work" if cost.latency.disturbed else ""
        lines.append(f"latency: median on {cost.latency.cpu}, torch {cost.latency.torch}{disturbed}")
    if cost.seconds_differ:
        lines.append(f"training times are NOT COMPARABLE: {'; '.join(cost.seconds_differ)}")
    return [part for line in lines for part in textwrap.wrap(line, int(wide * 13))]


def heights(rows: Sequence[CostRow]) -> tuple[float, float]:
    """Ends of the axis of accuracy: of the sizes with their intervals; a peer outside is not drawn."""
    values = [end for row in rows if not row.peer for end in interval_ends(row.accuracy)]
    room = 0.14 * max(max(values) - min(values), 0.02)
    return min(values) - room, max(values) + room


def interval_ends(value: Value) -> list[float]:
    """Both ends of an interval; without one the value itself."""
    return [cast(float, value["value"] if end is None else end) for end in (value["low"], value["high"])]


def _marks(names: Sequence[str]) -> list[str]:
    """What stands at the points.

    >>> _marks(["tiny", "small"]), _marks(["tiny (with mirrors)", "small"])
    (['tiny', 'small'], ['1', '2'])
    """
    short = len(names) <= FEW and all(len(name) <= SHORT for name in names)
    return list(names) if short else [str(at) for at in range(1, len(names) + 1)]


def _key(marks: Sequence[str], names: Sequence[str]) -> str:
    glued = (f"{mark}\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{name}" for mark, name in zip(marks, names, strict=True))
    return ";  ".join(entry.replace(" ", "\N{NO-BREAK SPACE}") for entry in glued)


def draw_panel(
    axes: Axes,
    panel: Panel,
    rows: Sequence[CostRow],
    marks: Sequence[str],
    recommended: str | None,
    unsure: bool,
    letters: int = SMALL,
    colour: str = COLOUR,
) -> None:
    """One kind of cost; the Pareto set is joined where costs can be compared.

    Args:
        axes: Where it is drawn.
        panel: The kind of cost.
        rows: The points.
        marks: What stands at each.
        recommended: The point that has a ring.
        unsure: Whether costs cannot be compared.
        letters: Size of the marks in points; the points' own grows with it.
        colour: Of points that are no peers.
    """
    low, high = heights(rows)
    shown = [
        (max(cost, 1e-6), row, mark)
        for row, mark in zip(rows, marks, strict=True)
        if (cost := panel.of(row)) is not None and (panel.peers or not row.peer) and low <= row.value <= high
    ]
    shown.sort(key=lambda point: (point[0], point[1].value))
    least, most = shown[0][0], shown[-1][0]
    room = max(most / least, 2.0) ** 0.14 if most / least > 1.5 else 2
    limits = least / room, most * room
    apart = min(APART, 0.6 / len(shown)) * math.log(limits[1] / limits[0])
    places = side_by_side([cost for cost, _, _ in shown], apart)
    judged = [at for at, (_, row, _) in enumerate(shown) if not (unsure or row.peer or row.apart)]
    beaten = beaten_by([shown[at][1].value for at in judged], [[shown[at][0]] for at in judged])
    front = [at for at, winner in zip(judged, beaten, strict=True) if winner is None]
    if not unsure:
        values = [shown[at][1].value for at in front]
        axes.step([places[at] for at in front], values, where="post", color=colour, linewidth=1.4, gid="front")
    for at, (x, (_, row, mark)) in enumerate(zip(places, shown, strict=True)):
        _draw_point(axes, x, row, mark, at in front, row.candidate == recommended, at, letters, colour)
    axes.set_xlabel(f"{panel.label} (NOT COMPARABLE)" if unsure else panel.label)
    if unsure:
        axes.xaxis.label.set_color(WARNING)
    log_axis(axes, limits, {at: panel.tick(at) for at in _ticks(panel.ticks, limits)})


def _ticks(ticks: Sequence[float], limits: tuple[float, float]) -> Sequence[float]:
    """At most five numbers on the axis."""
    inside = [at for at in ticks if limits[0] <= at <= limits[1]]
    if len(inside) > 5:
        inside = [at for at in inside if (f"{at:e}"[0] in "13" if ticks is DECADES else at in ROUND_TIMES)] or inside
    return inside[:: max(1, -(-len(inside) // 5))]


def side_by_side(values: Sequence[float], apart: float) -> list[float]:
    """Ascending values, moved so that each is at least so much larger than the one before, in natural logarithms.

    >>> [round(x, 2) for x in side_by_side([1.0, 1.0, 8.0], math.log(2))]
    [0.71, 1.41, 8.0]
    """
    places = [math.log(value) for value in values]
    for _ in range(200):
        moved = False
        for at in range(1, len(places)):
            lacking = apart - (places[at] - places[at - 1])
            if lacking > 1e-9:
                places[at - 1] -= lacking / 2
                places[at] += lacking / 2
                moved = True
        if not moved:
            break
    return [math.exp(value) for value in places]


def _draw_point(
    axes: Axes, x: float, row: CostRow, mark: str, optimal: bool, recommended: bool, at: int, letters: int, own: str
) -> None:
    colour, shape = (PEER, "D") if row.peer else (own, "o")
    ends, with_interval = interval_ends(row.accuracy), row.accuracy["low"] is not None
    if with_interval:
        axes.plot([x, x], ends, color=colour, linewidth=1.2, alpha=0.8)
    axes.plot([x], [row.value], shape, color=colour, markersize=7 * letters / SMALL,
              markerfacecolor=colour if optimal else "white")  # fmt: skip
    if recommended:
        axes.plot([x], [row.value], "o", color="black", markerfacecolor="none", markersize=13)
    above = at % 2 == 0 or not with_interval
    gap = 9 if recommended else 6
    annotate(axes, mark, x, ends[above], gap if above else -gap, fontsize=letters, gid="name")


def _handles(rows: Sequence[CostRow], recommended: str | None) -> list[Line2D]:
    def handle(
        label: str, marker: str = "o", line: Any = "", size: int = 7, colour: str = COLOUR, fill: str = "white"
    ) -> Line2D:
        style: dict[str, Any] = {"color": colour, "markerfacecolor": fill, "markersize": size}
        return Line2D([], [], marker=marker, linestyle=line, label=label, **style)

    handles = [handle("Pareto set", line="-", fill=COLOUR), handle("others")]
    if any(row.candidate == recommended for row in rows):
        handles.append(handle("recommended", size=13, colour="black", fill="none"))
    if any(row.peer for row in rows):
        handles.append(handle("peer", "D", colour=PEER))
    return handles
