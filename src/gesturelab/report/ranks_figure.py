"""The critical-difference diagram: mean ranks on a line, what cannot be told apart joined by bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from gesturelab.report.figures import LABEL, SMALL, save
from gesturelab.report.recommendation import p_value

LONGEST = 40
"""Letters of a label; a longer one loses its middle, since the ends tell sizes apart."""

BAR, ROW = 0.17, 0.34
"""Inches from bar to bar and from label to label."""


@dataclass(frozen=True)
class Label:
    """Where a candidate's name stands.

    Attributes:
        name: Of the candidate.
        rank: Its mean rank.
        left: On the side of the worse ranks.
        row: From the top; the outermost rank of a side has row 0, so that no two lines cross.
    """

    name: str
    rank: float
    left: bool
    row: int


def place_labels(mean: dict[str, float]) -> list[Label]:
    """The worse half on the left, the better half (and the middle one) on the right, outermost first."""
    line = sorted(mean.items(), key=lambda one: (one[1], one[0]))  # best first
    few = len(line) // 2
    better, worse = line[: len(line) - few], line[len(line) - few :]
    return [
        *(Label(name, rank, False, row) for row, (name, rank) in enumerate(better)),
        *(Label(name, rank, True, row) for row, (name, rank) in enumerate(reversed(worse))),
    ]


def place_bars(spans: Sequence[tuple[float, float]], gap: float) -> list[int]:
    """For each bar the highest level on which it keeps the gap from the others.

    >>> place_bars([(1.0, 2.0), (1.5, 3.0), (2.5, 4.0)], 0.1)
    [0, 1, 0]
    """
    levels: list[list[tuple[float, float]]] = []
    found: list[int] = []
    for low, high in spans:
        free = [at for at, level in enumerate(levels) if all(low > b + gap or high < a - gap for a, b in level)]
        at = free[0] if free else len(levels)
        if not free:
            levels.append([])
        levels[at].append((low, high))
        found.append(at)
    return found


def draw_ranks(item: dict[str, Any], path: Path, split: str, said: Sequence[str]) -> None:
    """Draws mean ranks as J. Demsar does (Journal of Machine Learning Research, 2006), the best on the right.

    Bars join what Wilcoxon's tests with Holm's correction do not tell apart, as A. Benavoli et al. advise (same
    journal, 2016), not what lies within the critical difference.

    Args:
        item: As `gesturelab.report.joined.joined` gives it, with ranks.
        path: The file, SVG or PNG.
        split: The second line of the title.
        said: Warnings.

    Raises:
        RunError: If the file cannot be written.
    """
    ranks = item["ranks"]
    mean: dict[str, float] = ranks["mean"]
    peers = {result["candidate"] for result in item["results"] if result["peer"]}
    texts = {name: f"{shown(name)}, peer" if name in peers else shown(name) for name in mean}
    most = len(mean)
    cliques = sorted(([mean[name] for name in clique] for clique in ranks["cliques"]), key=min)
    labels = place_labels(mean)
    margin = max(map(_width, texts.values())) + 1.0  # the end of the line and the rank beside the name
    across = 3.2 if most < 5 else 4.6 if most < 11 else 7.0  # inches from the best rank to the worst
    scale = (most - 1) / across  # ranks an inch
    levels = place_bars([(min(one), max(one)) for one in cliques], 0.2 * scale)
    bars = BAR * (max(levels) + 1 if levels else 0)
    under = 0.2 + bars + 0.25  # inches from the axis to the first label
    rows = max(label.row for label in labels)
    figure = Figure(figsize=(across + 2 * margin, 0.92 + under + ROW * (rows + 0.6)))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(most + margin * scale, 1 - margin * scale)  # the best on the right
    axes.set_ylim(-(under + ROW * (rows + 0.6)), 0.92)
    _axis(axes, most)
    _critical_difference(axes, ranks["critical_difference"], most)
    for level, one in zip(levels, cliques, strict=True):
        high = -0.2 - BAR * level
        ends = (min(one) - 0.05 * scale, max(one) + 0.05 * scale)
        axes.plot(ends, [high, high], color="black", linewidth=4, solid_capstyle="butt", gid="clique")
    for label in labels:
        _label(axes, label, texts[label.name], most, scale, -(under + ROW * label.row))
    joined = "Joined by a bar: no two of them differ" if cliques else "No bar: every two of them differ"
    note = f"{joined} (Wilcoxon's signed-rank test, Holm's correction, 0.05).\n"
    note += "CD: Nemenyi's critical difference (0.05), for comparison; the bars do not follow from it."
    title = f"Mean ranks of {most} candidates over {ranks['people']} people, the best on the right\n{split}"
    if ranks["friedman_p"] is not None:
        title += f"; Friedman's test that all are alike: p {_is(ranks['friedman_p'])}"
    save(figure, path, title, said, note)


def _width(text: str) -> float:
    """Inches that a label takes (a dollar would begin a formula)."""
    return TextPath((0, 0), text.replace("$", "S"), size=LABEL).get_extents().width / 72


def _is(p: float) -> str:
    value = p_value(p)
    return value.replace("<", "< ") if value.startswith("<") else f"= {value}"


def shown(name: str) -> str:
    """A name of at most `LONGEST` letters.

    >>> shown("tiny"), shown("a" * 30 + "b" * 30)
    ('tiny', 'aaaaaaaaaaaaaaaaaaaaa…bbbbbbbbbbbbbbbbbb')
    """
    return name if len(name) <= LONGEST else f"{name[: LONGEST // 2 + 1]}…{name[-(LONGEST // 2 - 2) :]}"


def _axis(axes: Axes, most: int) -> None:
    axes.plot([1, most], [0, 0], color="black", linewidth=1.2)
    for half in range(2, 2 * most + 1):
        rank, whole = half / 2, half % 2 == 0
        if whole or most < 11:
            axes.plot([rank, rank], [0, 0.1 if whole else 0.05], color="black", linewidth=1.2 if whole else 0.8)
        if whole:
            axes.text(rank, 0.15, f"{rank:.0f}", ha="center", va="bottom", fontsize=LABEL)


def _critical_difference(axes: Axes, difference: float, most: int) -> None:
    """A line of the critical difference's length above the axis; the length in words where the axis is shorter."""
    if difference > most - 1:
        axes.text(most, 0.68, f"CD = {difference:.2f}, longer than the axis", fontsize=SMALL, va="center")
        return
    ends = [most, most - difference]
    axes.plot(ends, [0.58, 0.58], color="#666666", linewidth=1.5, gid="critical difference")
    for end in ends:
        axes.plot([end, end], [0.52, 0.64], color="#666666", linewidth=1.5)
    axes.text(most, 0.7, f"CD = {difference:.2f}", ha="left", va="bottom", fontsize=SMALL)


def _label(axes: Axes, label: Label, text: str, most: int, scale: float, high: float) -> None:
    """A line from the axis down and out to the name; the rank stands at its end."""
    edge = most + 0.25 * scale if label.left else 1 - 0.25 * scale
    axes.plot([label.rank, label.rank, edge], [0, high, high], color="#444444", linewidth=0.9)
    axes.plot([label.rank], [0], "o", color="black", markersize=3.5, clip_on=False)
    beside = f"{text}  {label.rank:.2f}" if label.left else f"{label.rank:.2f}  {text}"
    at = edge + 0.07 * scale if label.left else edge - 0.07 * scale
    side = "right" if label.left else "left"
    axes.text(at, high, beside, ha=side, va="center", fontsize=LABEL, parse_math=False, gid="label")
