"""A comparison as Markdown, for a page or a pull request."""

import re
from collections.abc import Iterable
from typing import Any

from gesturelab.report import cost_words, findings, joined_words, words
from gesturelab.report.words import duration, percent

COLUMNS = (
    "#",
    "run",
    "name",
    "model",
    "parameters",
    "seed",
    "train (recordings)",
    "validation (recordings)",
    "test (recordings)",
    "train (windows)",
    "test (windows)",
    "train loss (recordings)",
    "test loss (recordings)",
    "train loss (windows)",
    "test loss (windows)",
    "time",
    "epochs",
    "data",
    "split",
    "flags",
)


def markdown(report: dict[str, Any]) -> str:
    """The whole comparison (as `gesturelab.report.table.comparison` gives it)."""
    lines = ["# Comparison of runs", ""]
    recommendations = {item["group"]: item for item in report["recommendations"]}
    joined = {item["group"]: item for item in report["joined"]}
    costs = {item["group"]: item for item in report["costs"]}
    for group in report["groups"]:
        rows = [row for row in report["runs"] if row["group"] == group["group"]]
        lines += [f"## {cell(words.heading(group))}", "", words.people(group), ""]
        lines += [part for warning in group["warnings"] for part in (f"**{cell(warning)}**", "")]
        verdict = bool(joined.get(group["group"], {}).get("verdict"))
        if group["group"] in joined:
            lines += _joined(joined[group["group"]])
        if not joined.get(group["group"], {}).get("results"):
            lines += [*table(COLUMNS, map(_values, rows)), ""]
        if cost_words.worth_showing(costs[group["group"]]):
            lines += [*table(cost_words.columns(costs[group["group"]]), cost_words.rows(costs[group["group"]])), ""]
            lines += [part for line in cost_words.notes(costs[group["group"]]) for part in (cell(line), "")]
        chosen = words.recommendation(recommendations[group["group"]], verdict)
        lines += [part for line in chosen for part in (cell(line), "")]
    lines += [part for line in words.apart(report["groups"]) for part in (cell(line), "")]
    if words.singles(report):
        models = {row["run"]: row["candidate"] for row in report["runs"]}
        found = (
            (
                item["run"],
                models[item["run"]],
                percent(item["recording_gap"]),
                percent(item["window_gap"]),
                item["band"],
                item["advice"] or "",
            )
            for item in words.singles(report)
        )
        lines += ["## Overfitting", ""]
        lines += [*table(("#", "model", "gap (recordings)", "gap (windows)", "overfitting", "try"), found), ""]
        lines += [part for line in words.overfitting(report) for part in (cell(line), "")]
    if found := findings.lines(report["runs"]):
        lines += ["## Findings of the trainings", "", *(part for line in found for part in (cell(line), ""))]
    if report["unfinished"]:
        lines += ["## Not compared", ""]
        unread = ((item["path"], item["state"], item["reason"]) for item in report["unfinished"])
        lines += [*table(("run", "state", "reason"), unread), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _joined(item: dict[str, Any]) -> list[str]:
    """A group of folds: one result a size, and the sizes against each other."""
    results = item["results"]
    lines: list[str] = []
    said: list[str] = []
    if results:
        metrics = joined_words.columns_of(results)
        rows = (row for result in results for row in joined_words.parts(result, metrics, wide=True))
        lines += [*table(joined_words.part_columns(item), rows), "", joined_words.part_note(item), ""]
        for result in joined_words.told(results):
            said += [joined_words.completeness(result), joined_words.confidence(result)]
            said += [*(f"{result['candidate']}: {one}." for one in result["notes"])]
        lines += [part for line in said for part in (cell(line), "")]
        columns = (f"{joined_words.detail_name(item)}, %", "rec.", *(result["candidate"] for result in results))
        lines += [*table(columns, joined_words.details(results)), ""]
    if item["pairs"]:
        lines += [*table(joined_words.PAIR_COLUMNS, joined_words.pairs(item)), ""]
        lines += [joined_words.pair_note(item), "", cell(joined_words.ranks(item)), ""]
    concluded = [*item["verdict"], *item["beside_peers"]]
    lines += [part for line in concluded for part in (f"**{cell(line)}**", "")]
    lines += [part for left in item["left_out"] for part in (cell(f"Not joined: {left['run']}: {left['reason']}"), "")]
    return lines


def _values(row: dict[str, Any]) -> tuple[object, ...]:
    accuracies = ("train_recording", "validation_recording", "test_recording", "train_window", "test_window")
    losses = ("train_recording", "test_recording", "train_window", "test_window")
    return (
        row["run"],
        row["folder"],
        row["name"],
        row["candidate"],
        f"{row['parameters']:,}",
        row["seed"],
        *(percent(row[f"{which}_accuracy"]) for which in accuracies),
        *(f"{row[f'{which}_loss']:.4f}" for which in losses),
        duration(row["seconds"]),
        row["epochs"],
        row["data"],
        row["split"],
        row["flags"],
    )


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """The lines of a table."""
    head = [cell(column) for column in columns]
    lines = [head, ["---"] * len(head), *([cell(str(value)) for value in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def cell(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line.

    >>> cell("a|b [bold]")
    'a\\|b \\[bold\\]'
    """
    return re.sub(r"([\\|`*<>\[\]])", r"\\\1", " ".join(text.split()))
