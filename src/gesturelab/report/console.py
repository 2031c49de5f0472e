"""A comparison on the console, readable from 80 columns up, on a terminal and in a pipe."""

import textwrap
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from gesturelab.evaluation.metrics import CORRECTNESS
from gesturelab.report import cost_words, findings, joined_words, words
from gesturelab.report.words import count, duration, of_row, percent

NARROWEST = 80
"""Columns; a narrower terminal wraps lines, but nothing is cut."""

LEVELS = "rec.: whole recordings (a recording's windows' probabilities averaged); win.: single windows."


def show(report: dict[str, Any], console: Console) -> None:
    """Prints a comparison (as `gesturelab.report.table.comparison` gives it)."""
    console.width = max(console.width, NARROWEST)
    recommendations = {item["group"]: item for item in report["recommendations"]}
    joined = {item["group"]: item for item in report["joined"]}
    costs = {item["group"]: item for item in report["costs"]}
    for group in report["groups"]:
        rows = [row for row in report["runs"] if row["group"] == group["group"]]
        _say(console, words.heading(group), "bold")
        _say(console, words.people(group))
        for warning in group["warnings"]:
            _say(console, warning, "bold red")
        if group["group"] in joined:
            _joined(console, joined[group["group"]])
        if not joined.get(group["group"], {}).get("results"):
            _print(console, _accuracies(rows, several=_several(rows)))
            console.print()
            _print(console, _trainings(rows))
            _say(console, LEVELS)
            if group["target"] == CORRECTNESS:
                console.print()
                _print(console, _beside_baselines(rows))
                _say(console, words.BALANCED)
        if cost_words.worth_showing(costs[group["group"]]):
            _cost(console, costs[group["group"]])
        verdict = bool(joined.get(group["group"], {}).get("verdict"))
        for line in words.recommendation(recommendations[group["group"]], verdict):
            _say(console, line, "bold red" if group["leaky"] else "bold")
        console.print()
    for line in words.apart(report["groups"]):
        _say(console, line)
    if words.singles(report):
        if len(report["groups"]) > 1:
            console.print()
        _say(console, "Overfitting", "bold")
        _print(console, _overfitting(report))
        for line in words.overfitting(report):
            _say(console, line)
    if found := findings.lines(report["runs"]):
        console.print()
        _say(console, "Findings of the trainings", "bold")
        for line in found:
            _say(console, line)
    if report["unfinished"]:
        console.print()
        _say(console, "Not compared", "bold red")
        for item in report["unfinished"]:
            _say(console, f"- {item['path']}: {item['state']}: {item['reason']}")


def _joined(console: Console, item: dict[str, Any]) -> None:
    """A group of folds: one result a size, and the sizes against each other."""
    results = item["results"]
    if results:
        columns, metrics = joined_words.part_columns(item), joined_words.columns_of(results)
        table = _table(*zip(columns, "<" + (len(columns) - 1) * ">", strict=True))
        for row in (row for result in results for row in joined_words.parts(result, metrics)):
            _add(table, *row)
        _print(console, table)
        _say(console, joined_words.part_note(item))
        for result in joined_words.told(results):
            _say(console, joined_words.completeness(result), "bold red" if result["partial"] else "")
            _say(console, joined_words.confidence(result))
            for note in result["notes"]:
                _say(console, f"{result['candidate']}: {note}.")
        console.print()
        labels = [result["candidate"] for result in results]
        table = _table(
            [f"{joined_words.detail_name(item)}, %", "<"], ["rec.", ">"], *([label, ">"] for label in labels)
        )
        for row in joined_words.details(results):
            _add(table, *row)
        _print(console, table)
    if item["pairs"]:
        console.print()
        table = _table(*zip(joined_words.PAIR_COLUMNS, "<>>>><", strict=True))
        for row in joined_words.pairs(item):
            _add(table, *row)
        _print(console, table)
        _say(console, joined_words.pair_note(item))
        _say(console, joined_words.ranks(item))
    for line in [*item["verdict"], *item["beside_peers"]]:
        _say(console, line, "bold")
    for left in item["left_out"]:
        _say(console, f"Not joined: {left['run']}: {left['reason']}", "bold red")


def _cost(console: Console, item: dict[str, Any]) -> None:
    """Accuracy against cost."""
    console.print()
    table = _table(*zip(cost_words.columns(item), cost_words.ALIGNED, strict=True))
    for row in cost_words.rows(item):
        _add(table, *row)
    _print(console, table)
    for line in cost_words.notes(item):
        _say(console, line)


def _several(rows: list[dict[str, Any]]) -> bool:
    """Whether a size occurs with several settings, so that its name does not tell the runs apart."""
    return any(row["candidate"] != row["model"] for row in rows)


def _accuracies(rows: list[dict[str, Any]], several: bool) -> Table:
    table = _table(
        ["#", ">"],
        ["model", "<"],
        ["parameters", ">"],
        ["seed", ">"],
        *([f"{level}\n{side}", ">"] for level in ("rec.", "win.") for side in ("train", "valid.", "test")),
    )
    for row in rows:
        values = [
            percent(of_row(row, side, level))
            for level in ("recording", "window")
            for side in ("train", "validation", "test")
        ]
        model = row["candidate"] if several else row["model"]
        _add(table, row["run"], model, count(row["parameters"]), row["seed"], *values)
    return table


def _beside_baselines(rows: list[dict[str, Any]]) -> Table:
    """Correct or incorrect, on test recordings, beside what one gets for nothing."""
    keys = ("test_recording_balanced_accuracy", "length_balanced_accuracy", "majority_balanced_accuracy")
    keys += ("test_sensitivity", "test_specificity", "test_roc_auc", "test_recording_accuracy")
    heads = ("balanced\naccuracy", "length\nalone", "majority\nclass", "sensi-\ntivity", "speci-\nficity", "ROC\nAUC")
    table = _table(["#", ">"], ["model", "<"], *([head, ">"] for head in (*heads, "accuracy")))
    for row in rows:
        _add(table, row["run"], row["candidate"], *(percent(row[key]) for key in keys))
    return table


def _trainings(rows: list[dict[str, Any]]) -> Table:
    table = _table(
        ["#", ">"],
        ["run", "<"],
        ["name", "<"],
        ["time", ">"],
        ["epochs", ">"],
        *([f"{level}\nloss\n{side}", ">"] for level in ("rec.", "win.") for side in ("train", "test")),
    )
    for row in rows:
        losses = [
            f"{row[f'{side}_{level}_loss']:.4f}" for level in ("recording", "window") for side in ("train", "test")
        ]
        _add(table, row["run"], row["folder"], row["name"], duration(row["seconds"]), row["epochs"], *losses)
    return table


def _overfitting(report: dict[str, Any]) -> Table:
    rows = {row["run"]: row for row in report["runs"]}
    table = _table(
        ["#", ">"],
        ["group", ">"],
        ["model", "<"],
        ["seed", ">"],
        ["train", ">"],
        ["test", ">"],
        ["gap", ">"],
        ["gap of\nwindows", ">"],
        ["verdict", "<"],
        ["flags", "<"],
    )
    for item in words.singles(report):
        row = rows[item["run"]]
        accuracies = (percent(of_row(row, side)) for side in ("train", "test"))
        gaps = (percent(item["recording_gap"]), percent(item["window_gap"]))
        row_flags = row["flags"].replace(" ", "\n")
        _add(
            table, row["run"], row["group"], row["model"], row["seed"], *accuracies, *gaps, item["band"], row_flags
        )  # fmt: skip
    return table


def _table(*columns: Sequence[str]) -> Table:
    """Text may be folded, numbers may not."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title, side in columns:
        left = side == "<"
        least = 6 if left else None
        table.add_column(title, justify="left" if left else "right", no_wrap=not left, overflow="fold", min_width=least)
    return table


LONGEST_WHOLE_WORD = 12
"""Words up to this length are never folded."""


def _print(console: Console, table: Table) -> None:
    """A table, wider than the console if need be: rich would cut its numbers."""
    width = console.width
    for column in table.columns:
        if not column.no_wrap:
            column.min_width = max(column.min_width or 1, min(_longest_word(column), LONGEST_WHOLE_WORD))
    gaps = 2 * (len(table.columns) - 1)
    console.width = max(width, gaps + sum(_least(column) for column in table.columns))
    console.print(table)
    console.width = width


def _longest_word(column: Column) -> int:
    return max(len(word) for cell in (column.header, *column.cells) for word in [*str(cell).split(), ""])


def _least(column: Column) -> int:
    """Columns that a column needs: a number all of its own, folded text few."""
    if not column.no_wrap:
        return column.min_width or 1
    cells = [str(cell) for cell in (column.header, *column.cells)]
    return max(len(line) for cell in cells for line in cell.splitlines())


def _add(table: Table, *values: object) -> None:
    table.add_row(*(plain(str(value)) for value in values))


def plain(text: str) -> Text:
    """Text as it is: no markup, and no control characters that could drive the terminal."""
    return Text(
        "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )


def _say(console: Console, text: str, style: str = "") -> None:
    """One paragraph, with no break between a number and its per cent sign."""
    glued = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(glued, console.width, break_on_hyphens=False, break_long_words=False, subsequent_indent="  ")
    for line in lines:
        console.print(plain(line.replace("\N{NO-BREAK SPACE}", " ")), style=style, soft_wrap=True)
