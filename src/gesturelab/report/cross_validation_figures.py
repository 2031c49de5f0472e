"""The pictures of a cross-validation, as PNG or SVG files: scores, people, confidence, and the diagram of ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.evaluation.pairs import Ranks
from gesturelab.report.figures import (
    GROUPS,
    LABEL,
    SMALL,
    colour_and_marker,
    legend_outside,
    log_axis,
    percent_axis,
    save,
    shorten,
    shorten_middle,
    styled,
    text_width,
    warnings_of,
)
from gesturelab.report.results import CandidateResult, CrossValidationResult, GroupComparison
from gesturelab.report.texts import count, p_value, percent

NOTE = "95 % intervals from a bootstrap over people"

NO_GROUP = "person"
"""What a bar stands for where nothing is known of groups."""


@styled
def draw_cross_validation(group: GroupComparison, folder: Path, form: str = "png") -> list[Path]:
    """All pictures of a group of folds.

    Args:
        group: Of runs that are folds.
        folder: Where the files go.
        form: png or svg.

    Returns:
        The files: sizes, people, reliability, coverage, and of two or more candidates ranks; of peers only people and
        ranks; none when nothing was joined.

    Raises:
        RunError: If a file cannot be written.
    """
    joined = group.cross_validation
    if joined is None or not joined.results:
        return []
    warned = warnings_of(group.runs) + [
        f"PARTIAL: {result.candidate} lacks {result.missing_people}"
        for result in joined.without_baselines
        if result.partial
    ]
    number = "" if group.number == 1 else f"_{group.number}"
    files: list[Path] = []

    def place(name: str) -> tuple[Path, str, list[str]]:
        files.append(folder / f"{name}{number}.{form}")
        return files[-1], group.title, warned

    if joined.sizes:
        _draw_sizes(joined, *place("sizes"))
    _draw_people(joined.without_baselines, *place("people"))
    if joined.sizes:
        _draw_reliability(joined.sizes, *place("reliability"))
        if group.target != CORRECTNESS:
            _draw_coverage(joined.sizes, *place("coverage"))
    if joined.ranks is not None:
        draw_ranks(joined, *place("ranks"))
    return files


def _draw_sizes(joined: CrossValidationResult, path: Path, split: str, warned: list[str]) -> None:
    """The primary metric with its interval against parameters, by group; dashed, the baselines on everybody."""
    results = joined.sizes
    figure = Figure(figsize=(8, 4.8))
    axes = figure.subplots()
    names = list(dict.fromkeys(name for result in results for name in result.scores["by_group"]))
    for place, name in enumerate(["everybody", *names]):
        parts = [(result, {"everybody": result.scores["all"], **result.scores["by_group"]}.get(name))
                 for result in results]  # fmt: skip
        shift = 1.03 ** (place - len(names) / 2)  # so that bars do not hide one another
        style = colour_and_marker(place)
        points = [(result.parameters * shift, result.primary_of(part)) for result, part in parts if part is not None]
        known = [(x, score["value"]) for x, score in points if score["value"] is not None]
        axes.plot([x for x, _ in known], [y for _, y in known], linewidth=1.2, label=name, **style)
        for x, score in points:
            if score["low"] is not None and score["high"] is not None:
                axes.plot([x, x], [score["low"], score["high"]], color=style["color"], linewidth=1.5)
    for place, result in enumerate(result for result in joined.results if result.baseline):
        if (value := result.primary["value"]) is not None:
            line = ("--", ":")[place % 2]
            axes.axhline(value, label=f"{result.candidate}, everybody", color="black", linewidth=1.2, linestyle=line)
    labels = {result.parameters: f"{shorten(result.candidate)}\n{count(result.parameters)}" for result in results}
    log_axis(axes, (min(labels) / 1.6, max(labels) * 1.6), dict(sorted(labels.items())))
    name = primary_metric(results[0].target).title
    axes.set(xlabel="parameters (logarithmic)", ylabel=f"{name} of recordings")
    percent_axis(axes.yaxis)
    axes.legend()
    save(figure, path, f"{name.capitalize()} on unseen people against size\n{split}", warned, NOTE)


def _draw_people(results: Sequence[CandidateResult], path: Path, split: str, warned: list[str]) -> None:
    """Accuracy by person: a panel a size, people in order of accuracy, each group its colour and hatching."""
    most = max(len(result.scores["by_person"]) for result in results)
    figure = Figure(figsize=(max(6.0, 0.32 * most + 2), 2.5 * len(results) + 0.5))
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    groups = sorted(
        {person["group"] or NO_GROUP for result in results for person in result.scores["by_person"].values()}
    )
    styles: dict[str, dict[str, Any]] = {
        name: {"facecolor": GROUPS[at % len(GROUPS)], "hatch": "" if at == 0 else "///", "edgecolor": "white"}
        for at, name in enumerate(groups)
    }
    for axes, result in zip(panels, results, strict=True):
        people = sorted(result.scores["by_person"].items(), key=lambda item: (item[1]["accuracy"], item[0]))
        for at, (_, person) in enumerate(people):
            axes.bar(at, person["accuracy"], width=0.85, **styles[person["group"] or NO_GROUP])
        mean = result.scores["all"]["person_accuracy"]["value"]
        axes.axhline(mean, color="black", linewidth=1, linestyle="--")
        axes.set_xticks(range(len(people)), [name for name, _ in people], rotation=90)
        axes.set_ylabel(f"accuracy, {shorten(result.candidate)}")
        axes.tick_params(axis="x", labelsize=SMALL, length=0)
        axes.grid(visible=False, axis="x")
        axes.set_ylim(0, 1.02)
        percent_axis(axes.yaxis)
    panels[-1].set_xlabel("person, never seen in training")
    handles = [*(Patch(label=name, **style) for name, style in styles.items()),
               Line2D([], [], color="black", linestyle="--", linewidth=1, label="mean over people")]  # fmt: skip
    legend_outside(panels[0], handles, len(handles), 1.0, "lower left")
    save(figure, path, f"Accuracy by person\n{split}", warned)


def _draw_reliability(results: Sequence[CandidateResult], path: Path, split: str, warned: list[str]) -> None:
    """Accuracy against confidence; the larger a point, the more recordings."""
    figure = Figure(figsize=(6, 5.4))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
    for place, result in enumerate(results):
        bins, style = result.scores["reliability"], colour_and_marker(place)
        total = sum(level["recordings"] for level in bins)
        x, y = [level["confidence"] for level in bins], [level["accuracy"] for level in bins]
        error = (result.scores["calibrated_error"] or result.scores["all"]["calibration_error"])["value"]
        label = f"{shorten(result.candidate)}: calibration error {percent(error)}"
        axes.plot(x, y, linewidth=1.2, markersize=3, label=label, **style)
        areas = [12 + 500 * level["recordings"] / total for level in bins]
        axes.scatter(x, y, areas, color=style["color"], alpha=0.35, linewidths=0)
    _dress_shares(axes, "confidence", "share recognised")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    scaled = all(result.scores["calibrated_error"] for result in results)
    note = "confidence after temperature scaling on validation people" if scaled else "confidence as predicted"
    save(figure, path, f"Reliability\n{split}", warned, note)


def _draw_coverage(results: Sequence[CandidateResult], path: Path, split: str, warned: list[str]) -> None:
    """Accuracy of the recordings that are answered, against how many are."""
    figure = Figure(figsize=(7, 4.6))
    axes = figure.subplots()
    for place, result in enumerate(results):
        curve = result.scores["coverage_curve"]
        ninety = next(part["accuracy"] for part in result.scores["answered"] if part["coverage"] == 0.9)
        label = f"{shorten(result.candidate)}: {percent(ninety)} at 90 % coverage"
        style: dict[str, Any] = {"color": GROUPS[place % len(GROUPS)], "linestyle": ("-", "--", "-.", ":")[place % 4]}
        axes.plot([x for x, _ in curve], [y for _, y in curve], linewidth=1.8, label=label, **style)
    for coverage in (0.9, 0.8):
        axes.axvline(coverage, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_xlim(1.01, 0)
    _dress_shares(axes, "coverage: share of recordings that get an answer", "accuracy of those")
    save(figure, path, f"Accuracy when the least confident get no answer\n{split}", warned)


def _dress_shares(axes: Axes, x: str, y: str) -> None:
    """Two axes of shares, and a legend."""
    axes.set(xlabel=x, ylabel=y)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    axes.legend()


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
    line = sorted(mean.items(), key=lambda item: (item[1], item[0]))  # best first
    middle = -(-len(line) // 2)
    better, worse = line[:middle], line[middle:]
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
    places: list[int] = []
    for low, high in spans:
        free = [at for at, level in enumerate(levels) if all(low > b + gap or high < a - gap for a, b in level)]
        places.append(free[0] if free else len(levels))
        if not free:
            levels.append([])
        levels[places[-1]].append((low, high))
    return places


class RankDiagram:
    """A critical-difference diagram as J. Demsar draws it (Journal of Machine Learning Research, 2006).

    The best is on the right. Bars join what Wilcoxon's tests with Holm's correction do not tell apart, as A. Benavoli
    et al. advise (same journal, 2016), not what lies within the critical difference.
    """

    def __init__(self, ranks: Ranks, names: Mapping[str, str], size: float = LABEL, width: float | None = None) -> None:
        """Lays it out.

        Args:
            ranks: What it shows.
            names: What each candidate is called in it.
            size: Of letters, in points; lengths grow with it.
            width: Of the whole, in inches; chosen by the number of candidates if it is not given.
        """
        self.ranks, self.names, self.size, self.unit = ranks, names, size, size / LABEL
        self.most = len(ranks.mean)
        self.labels = place_labels(ranks.mean)
        self.cliques = sorted(([ranks.mean[name] for name in clique] for clique in ranks.cliques), key=min)
        # the end of the line and the rank beside the name
        self.margin = max(text_width(text, size) for text in names.values()) + 1.0 * self.unit
        across = 3.2 if self.most < 5 else 4.6 if self.most < 11 else 7.0  # inches from the best rank to the worst
        across = across if width is None else width - 2 * self.margin
        self.inch = (self.most - 1) / across  # ranks an inch
        self.levels = place_bars([(min(clique), max(clique)) for clique in self.cliques], 0.2 * self.inch)
        bars = 0.17 * (max(self.levels) + 1 if self.levels else 0)
        self.under = 0.2 + bars + 0.25  # from the axis to the first label
        self.depth = self.under + 0.34 * (max(label.row for label in self.labels) + 0.6)
        self.width, self.height = across + 2 * self.margin, (0.92 + self.depth) * self.unit

    def draw(self, axes: Axes) -> None:
        """Fills axes of this width and height."""
        axes.set_axis_off()
        axes.set_xlim(self.most + self.margin * self.inch, 1 - self.margin * self.inch)  # the best on the right
        axes.set_ylim(-self.depth, 0.92)
        axes.plot([1, self.most], [0, 0], color="black", linewidth=1.2)
        for half in range(2, 2 * self.most + 1):
            rank, whole = half / 2, half % 2 == 0
            if whole or self.most < 11:
                axes.plot([rank, rank], [0, 0.1 if whole else 0.05], color="black", linewidth=1.2 if whole else 0.8)
            if whole:
                axes.text(rank, 0.15, f"{rank:.0f}", ha="center", va="bottom", fontsize=self.size)
        self._draw_critical_difference(axes, self.ranks.critical_difference)
        for level, clique in zip(self.levels, self.cliques, strict=True):
            high = -0.2 - 0.17 * level
            ends = (min(clique) - 0.05 * self.inch, max(clique) + 0.05 * self.inch)
            axes.plot(ends, [high, high], color="black", linewidth=4 * self.unit, solid_capstyle="butt", gid="clique")
        for label in self.labels:
            self._draw_label(axes, label)

    def _draw_critical_difference(self, axes: Axes, difference: float) -> None:
        """A line of its length above the axis; the length in words where the axis is shorter."""
        size = max(7.0, SMALL * self.unit)
        if difference > self.most - 1:
            axes.text(self.most, 0.68, f"CD = {difference:.2f}, longer than the axis", fontsize=size, va="center")
            return
        ends = [self.most, self.most - difference]
        axes.plot(ends, [0.58, 0.58], color="#666666", linewidth=1.5, gid="critical difference")
        for end in ends:
            axes.plot([end, end], [0.52, 0.64], color="#666666", linewidth=1.5)
        axes.text(self.most, 0.7, f"CD = {difference:.2f}", ha="left", va="bottom", fontsize=size)

    def _draw_label(self, axes: Axes, label: Label) -> None:
        """A line from the axis down and out to the name; the rank stands at its end."""
        high, text = -(self.under + 0.34 * label.row), self.names[label.name]
        side = 1 if label.left else -1
        edge = (self.most if label.left else 1) + 0.25 * self.unit * self.inch * side
        axes.plot([label.rank, label.rank, edge], [0, high, high], color="#444444", linewidth=0.9)
        axes.plot([label.rank], [0], "o", color="black", markersize=3.5, clip_on=False)
        beside = f"{text}  {label.rank:.2f}" if label.left else f"{label.rank:.2f}  {text}"
        align = "right" if label.left else "left"
        at = edge + 0.07 * self.unit * self.inch * side
        axes.text(at, high, beside, ha=align, va="center", fontsize=self.size, gid="label")


@styled
def draw_ranks(joined: CrossValidationResult, path: Path, split: str, warned: Sequence[str]) -> None:
    """Draws mean ranks.

    Args:
        joined: With ranks.
        path: The file, SVG or PNG.
        split: The second line of the title.
        warned: Warnings.

    Raises:
        RunError: If the file cannot be written.
    """
    ranks = joined.ranks
    assert ranks is not None
    names = {result.candidate: shorten_middle(result.candidate) + ", peer" * result.peer for result in joined.results}
    diagram = RankDiagram(ranks, names)
    figure = Figure(figsize=(diagram.width, diagram.height))
    diagram.draw(figure.subplots())
    bars_say = "Joined by a bar: no two of them differ" if ranks.cliques else "No bar: every two of them differ"
    note = f"{bars_say} (Wilcoxon's signed-rank test, Holm's correction, 0.05).\n"
    note += "CD: Nemenyi's critical difference (0.05), for comparison; the bars do not follow from it."
    title = f"Mean ranks of {len(names)} candidates over {ranks.people} people, the best on the right\n{split}"
    if ranks.friedman_p is not None:
        p = p_value(ranks.friedman_p)
        title += f"; Friedman's test that all are alike: p {f'< {p[1:]}' if p.startswith('<') else f'= {p}'}"
    save(figure, path, title, warned, note)
