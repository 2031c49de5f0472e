"""The pictures of joined folds, as PNG or SVG files."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, PercentFormatter

from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.report.figures import GROUPS, LABEL, SMALL, dress, save
from gesturelab.report.ranks_figure import draw_ranks
from gesturelab.report.words import count, percent
from gesturelab.runs.info import SYNTHETIC

MARKERS = "osD^vP"
NOTE = "95 % intervals from a bootstrap over people"


NO_GROUP = "person"
"""What a bar stands for where nothing is known of groups."""


def draw_joined(item: dict[str, Any], group: dict[str, Any], folder: Path, form: str = "png") -> list[Path]:
    """All pictures of a group of folds.

    Args:
        item: As `gesturelab.report.joined.joined` gives it.
        group: The group in the comparison that it belongs to.
        folder: Where the files go.
        form: png or svg.

    Returns:
        The files: sizes, people, reliability, coverage, and of two or more candidates ranks; of peers only people and
        ranks; none when nothing was joined.

    Raises:
        RunError: If a file cannot be written.
    """
    results: list[dict[str, Any]] = item["results"]
    if not results:
        return []
    said = [SYNTHETIC] if group["synthetic"] else []
    said += [
        f"PARTIAL: {result['candidate']} lacks {', '.join(result['missing_people']) or 'some people'}"
        for result in results
        if result["partial"] and not result.get("baseline")
    ]
    split = f"{group['data']}, {group['split']['kind']}"
    number = "" if group["group"] == 1 else f"_{group['group']}"
    names = ("sizes", "people", "reliability", "coverage", "ranks")
    files = {name: folder / f"{name}{number}.{form}" for name in names}
    drawn = ["people"]
    _people([one for one in results if not one.get("baseline")], files["people"], split, said)
    if item["ranks"] is not None:
        draw_ranks(item, files["ranks"], split, said)
        drawn.append("ranks")
    if sizes := [result for result in results if not result["peer"]]:
        _sizes(sizes, files["sizes"], split, said, [one for one in results if one.get("baseline")])
        _reliability(sizes, files["reliability"], split, said)
        drawn += ["sizes", "reliability"]
        if item.get("target") != CORRECTNESS:
            _coverage(sizes, files["coverage"], split, said)
            drawn.append("coverage")
    return [files[name] for name in names if name in drawn]


def _sizes(
    results: Sequence[dict[str, Any]], path: Path, split: str, said: list[str], baselines: Sequence[dict[str, Any]]
) -> None:
    """The score that leads with its interval against parameters, by group; dashed, the baselines on everybody."""
    target = results[0].get("target", "gesture")
    figure = Figure(figsize=(8, 4.8))
    axes = figure.subplots()
    names = list(dict.fromkeys(name for result in results for name in result["by_group"]))
    for place, name in enumerate(["everybody", *names]):
        parts = [result["all"] if place == 0 else result["by_group"].get(name) for result in results]
        shift = 1.03 ** (place - len(names) / 2)  # so that bars do not hide one another
        style: dict[str, Any] = {"color": GROUPS[place % len(GROUPS)], "marker": MARKERS[place % len(MARKERS)]}
        points = [
            (result["parameters"] * shift, part[primary_metric(target).name])
            for result, part in zip(results, parts, strict=True)
            if part is not None and part[primary_metric(target).name]["value"] is not None
        ]
        axes.plot([x for x, _ in points], [one["value"] for _, one in points], linewidth=1.2, label=name, **style)
        for x, one in points:
            if one["low"] is not None:
                axes.plot([x, x], [one["low"], one["high"]], color=style["color"], linewidth=1.5)
    for place, one in enumerate(baselines):
        label = f"{one['candidate']}, everybody"
        style = {"color": "black", "linewidth": 1.2, "linestyle": ("--", ":")[place % 2]}
        if (value := one["all"][primary_metric(target).name]["value"]) is not None:
            axes.axhline(value, label=label, **style)
    sizes = sorted({result["parameters"] for result in results})
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
    labels = {result["parameters"]: result["candidate"] for result in results}
    axes.set_xticks(sizes, [f"{_short(labels[size])}\n{count(size)}" for size in sizes], parse_math=False)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    name = primary_metric(target).title
    dress(axes, "parameters (logarithmic)", f"{name} of recordings")
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _legend(axes)
    save(figure, path, f"{name.capitalize()} on unseen people against size\n{split}", said, NOTE)


def _people(results: Sequence[dict[str, Any]], path: Path, split: str, said: list[str]) -> None:
    """Accuracy by person: a panel a size, people in order of accuracy, each group its colour and hatching."""
    most = max(len(result["by_person"]) for result in results)
    figure = Figure(figsize=(max(6.0, 0.32 * most + 2), 2.5 * len(results) + 0.5))
    panels = figure.subplots(len(results), 1, squeeze=False)[:, 0]
    groups = sorted({one["group"] or NO_GROUP for result in results for one in result["by_person"].values()})
    for axes, result in zip(panels, results, strict=True):
        line = sorted(result["by_person"].items(), key=lambda one: (one[1]["accuracy"], one[0]))
        for at, (_, one) in enumerate(line):
            place = groups.index(one["group"] or NO_GROUP)
            hatch = "" if place == 0 else "///"
            axes.bar(at, one["accuracy"], color=GROUPS[place % len(GROUPS)], hatch=hatch, edgecolor="white", width=0.85)
        mean = result["all"]["person_accuracy"]["value"]
        axes.axhline(mean, color="black", linewidth=1, linestyle="--")
        axes.set_xticks(range(len(line)), [person for person, _ in line], rotation=90, parse_math=False)
        dress(axes, "", f"accuracy, {_short(result['candidate'])}")
        axes.tick_params(axis="x", labelsize=SMALL, length=0)
        axes.grid(visible=False, axis="x")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    panels[-1].set_xlabel("person, never seen in training", fontsize=LABEL)
    handles: list[Any] = [
        Patch(facecolor=GROUPS[at % len(GROUPS)], hatch="" if at == 0 else "///", edgecolor="white", label=name)
        for at, name in enumerate(groups)
    ]
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=1, label="mean over people"))
    where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "ncols": len(handles)}
    panels[0].legend(handles=handles, fontsize=SMALL, frameon=False, **where)
    save(figure, path, f"Accuracy by person\n{split}", said)


def _reliability(results: Sequence[dict[str, Any]], path: Path, split: str, said: list[str]) -> None:
    """Accuracy against confidence; the larger a point, the more recordings."""
    figure = Figure(figsize=(6, 5.4))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":")
    for place, result in enumerate(results):
        bins = result["reliability"]
        colour = GROUPS[place % len(GROUPS)]
        total = sum(one["recordings"] for one in bins)
        x, y = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
        error = (result["calibrated_error"] or result["all"]["calibration_error"])["value"]
        label = f"{_short(result['candidate'])}: calibration error {percent(error)}"
        axes.plot(x, y, color=colour, linewidth=1.2, marker=MARKERS[place % len(MARKERS)], markersize=3, label=label)
        axes.scatter(
            x, y, [12 + 500 * one["recordings"] / total for one in bins], color=colour, alpha=0.35, linewidths=0
        )
    dress(axes, "confidence", "share recognised")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    _legend(axes)
    scaled = all(result["calibrated_error"] for result in results)
    note = "confidence after temperature scaling on validation people" if scaled else "confidence as predicted"
    save(figure, path, f"Reliability\n{split}", said, note)


def _coverage(results: Sequence[dict[str, Any]], path: Path, split: str, said: list[str]) -> None:
    """Accuracy of the recordings that are answered, against how many are."""
    figure = Figure(figsize=(7, 4.6))
    axes = figure.subplots()
    for place, result in enumerate(results):
        curve = result["coverage_curve"]
        ninety = next(one["accuracy"] for one in result["answered"] if one["coverage"] == 0.9)
        label = f"{_short(result['candidate'])}: {percent(ninety)} at 90 % coverage"
        style: dict[str, Any] = {"color": GROUPS[place % len(GROUPS)], "linestyle": ("-", "--", "-.", ":")[place % 4]}
        axes.plot([x for x, _ in curve], [y for _, y in curve], linewidth=1.8, label=label, **style)
    for coverage in (0.9, 0.8):
        axes.axvline(coverage, color="#888888", linewidth=0.8, linestyle=":")
    axes.set_xlim(1.01, 0)
    dress(axes, "coverage: share of recordings that get an answer", "accuracy of those")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    _legend(axes)
    save(figure, path, f"Accuracy when the least confident get no answer\n{split}", said)


def _short(name: str) -> str:
    return textwrap.shorten(name, 28, placeholder="…")


def _legend(axes: Axes) -> None:
    for text in axes.legend(fontsize=SMALL, framealpha=1, edgecolor="white").get_texts():
        text.set_parse_math(False)
