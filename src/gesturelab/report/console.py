"""A comparison on the console, readable from 80 columns up, on a terminal and in a pipe."""

import textwrap
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from gesturelab.report import texts
from gesturelab.report.learning_curve import describe_checks, describe_gains
from gesturelab.report.results import Comparison, GroupComparison
from gesturelab.report.sections import (
    Block,
    Table,
    accuracy_table,
    curve_table,
    datasets_blocks,
    datasets_table,
    group_blocks,
    metric_blocks,
    overfitting_blocks,
    shown,
    summary_table,
    training_table,
    unknown_blocks,
    unread_table,
)

NARROWEST = 80
"""Columns; a narrower terminal wraps lines, but nothing is cut."""

MOST_NOTES = 5
"""Lines below the table that answers first."""

LONGEST_WHOLE_WORD = 12
"""Words up to this length are never folded."""


def show(comparison: Comparison, console: Console, *, full: bool = False) -> None:
    """Prints a comparison.

    Args:
        comparison: What is printed.
        console: Where.
        full: Print everything, not only the recommendation, a line a candidate and a few notes.
    """
    console.width = max(console.width, NARROWEST)
    if comparison.across is not None:
        _print_text(console, comparison.across.recommendation, "bold")
        console.print()
    for curve in comparison.curves:
        for line in describe_gains(curve):
            _print_text(console, line, "bold")
        console.print()
        _print_table(console, curve_table(curve))
        console.print()
    if comparison.unknown:
        _print_blocks(console, list(unknown_blocks(comparison)))
        console.print()
    brief = comparison if full else comparison.outside_tables
    for group in brief.groups:
        if comparison.several or full:
            _print_text(console, texts.heading(group), "bold")
        for line in texts.answer(group):
            _print_text(console, line, "bold red" if group.group.leaky else "bold")
        console.print()
        if full:
            _print_group(console, group)
    if full:
        _print_rest(console, comparison)
        return
    if brief.groups:
        _print_table(console, summary_table(brief, narrow=True))
        if comparison.across is not None:
            console.print()
            _print_table(console, datasets_table(comparison.across, narrow=True))
    warned = [line for group in comparison.groups for line in group.warnings]
    notes = list(dict.fromkeys([*warned, *texts.partial(comparison), *texts.notes(brief)]))
    for line in notes[: MOST_NOTES - 1]:
        _print_text(console, line, "bold red" if line.split(":")[0].isupper() else "")
    hidden = len(notes) - MOST_NOTES + 1
    more = f"{hidden} more note{'s' if hidden > 1 else ''}, " if hidden > 0 else ""
    _print_text(console, f"--full: {more}windows, losses, cost, overfitting by run, findings.", "dim")


def show_adaptation(table: Table, console: Console) -> None:
    """Prints how well models do that were adapted to their test people, and what the columns mean."""
    _show_table(table, texts.ADAPTATION, console)


def show_segments(table: Table, console: Console) -> None:
    """Prints how well models find gestures in untrimmed recordings, and what the columns mean."""
    _show_table(table, texts.SEGMENTS, console)


def _show_table(table: Table, legend: str, console: Console) -> None:
    console.width = max(console.width, NARROWEST)
    _print_text(console, table.caption, "bold")
    console.print()
    _print_table(console, table)
    _print_text(console, legend, "dim")
    console.print()


def _print_rest(console: Console, comparison: Comparison) -> None:
    """The lines about all groups together."""
    for line in texts.not_compared(comparison):
        _print_text(console, line)
    unread: list[Block] = [unread_table(comparison)] if comparison.unread else []
    for title, blocks in (
        ("All datasets", list(datasets_blocks(comparison))),
        ("Learning curve", [line for curve in comparison.curves for line in describe_checks(curve)]),
        ("Overfitting", overfitting_blocks(comparison)),
        ("Findings of the trainings", texts.findings(comparison.runs)),
        ("Not compared", unread),
    ):
        if blocks:
            console.print()
            _print_text(console, title, "bold")
            _print_blocks(console, blocks)


def _print_group(console: Console, group: GroupComparison) -> None:
    """Everything that a group's runs say."""
    _print_text(console, texts.people(group))
    for warning in group.warnings:
        _print_text(console, warning, "bold red")
    for line in texts.rest(group):
        _print_text(console, line)
    console.print()
    blocks = list(group_blocks(group, several=False, narrow=True))
    if not group.joined:
        runs = [accuracy_table(group), training_table(group), texts.LEVELS, *metric_blocks(group.runs)]
        blocks = [*runs, *blocks]
    _print_blocks(console, blocks)
    console.print()


def _print_blocks(console: Console, blocks: Sequence[Block]) -> None:
    for at, block in enumerate(blocks):
        if isinstance(block, str):
            _print_text(console, block)
        else:
            if at:
                console.print()
            _print_table(console, block)


def _print_table(console: Console, table: Table) -> None:
    """A table, wider than the console if need be: rich would cut its numbers. Text may be folded, numbers may not."""
    drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title, numeric in zip(table.columns, table.numeric, strict=True):
        justify = "right" if numeric else "left"
        drawn.add_column(title, justify=justify, no_wrap=numeric, overflow="fold", min_width=None if numeric else 4)
    for row in table.rows:
        drawn.add_row(*(plain(shown(cell)) for cell in row))
    width = console.width
    for column in drawn.columns:
        if not column.no_wrap:
            column.min_width = max(column.min_width or 1, min(_longest_word(column), LONGEST_WHOLE_WORD))
    gaps = 2 * (len(drawn.columns) - 1)
    room = {id(column): _whole_width(column) - _least_width(column) for column in drawn.columns}
    console.width = max(width, gaps + sum(_least_width(column) for column in drawn.columns))
    lacking = gaps + sum(map(_whole_width, drawn.columns)) - console.width
    for column in sorted(drawn.columns, key=lambda column: -room[id(column)]):  # rich itself would cut short words too
        column.width = _whole_width(column) - min(max(lacking, 0), room[id(column)])
        lacking -= room[id(column)]
    console.print(drawn)
    console.width = width


def _longest_word(column: Column) -> int:
    """With the spaces before it that indent a line."""
    cells = [str(cell) for cell in (column.header, *column.cells)]
    return max(len(cell) - len(cell.lstrip()) + max(map(len, cell.split()), default=0) for cell in cells)


def _least_width(column: Column) -> int:
    """Columns that a column needs: a number all of its own, folded text few."""
    return _whole_width(column) if column.no_wrap else column.min_width or 1


def _whole_width(column: Column) -> int:
    """Columns with which nothing is folded."""
    cells = [str(cell) for cell in (column.header, *column.cells)]
    return max(column.min_width or 1, *(len(line) for cell in cells for line in cell.splitlines()))


def plain(text: str) -> Text:
    """Text as it is: no markup, and no control characters that could drive the terminal."""
    return Text(
        "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
    )


def _print_text(console: Console, text: str, style: str = "") -> None:
    """One paragraph, with no break between a number and its per cent sign."""
    glued = text.replace(" %", "\N{NO-BREAK SPACE}%")
    lines = textwrap.wrap(glued, console.width, break_on_hyphens=False, break_long_words=False, subsequent_indent="  ")
    for line in lines:
        console.print(plain(line.replace("\N{NO-BREAK SPACE}", " ")), style=style, soft_wrap=True)
