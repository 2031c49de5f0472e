"""Answers and scores as tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gesturelab.export.model import Model
from gesturelab.predict.answers import Answer
from gesturelab.predict.files import TOP
from gesturelab.predict.score import Scored, caveats
from gesturelab.report.texts import percent

MOST_ROWS = 60
"""More than a reader reads; files hold them all."""


def show_answers(those: Sequence[Answer], console: Console, *, windows: bool) -> None:
    """A row a recording, or a row a window."""
    title = ("from", "to") if windows else ("confidence", "", "frames", "seconds")
    table = Table(box=None, pad_edge=False)
    for name in ("recording", "answer", *title, "most probable"):
        table.add_column(name, justify="right" if name in ("from", "to", "confidence", "frames", "seconds") else "left")
    lines = [line for one in those for line in _lines(one, windows=windows)]
    for line in lines[:MOST_ROWS]:
        table.add_row(*map(escape, line))
    if lines:
        console.print(table)
    if len(lines) > MOST_ROWS:
        console.print(f"... and {len(lines) - MOST_ROWS:,} rows more: --csv or --jsonl write them all")


def _lines(one: Answer, *, windows: bool) -> list[tuple[str, ...]]:
    said = one.prediction
    if said is None:
        return []
    if not windows:
        top = ", ".join(f"{name} {value:.2f}" for name, value in said.top(TOP))
        mark = "unsure" if said.unsure else ""
        return [
            (one.recording, said.label, f"{said.confidence:.2f}", mark, f"{said.frames}", f"{said.seconds:.1f}", top)
        ]
    found: list[tuple[str, ...]] = []
    for start, end, row in zip(said.windows.starts, said.windows.ends, said.windows.probabilities, strict=True):
        line = (-row).argsort(kind="stable")[:TOP].tolist()
        top = ", ".join(f"{said.classes[at]} {row[at]:.2f}" for at in line)
        found.append((one.recording, said.classes[line[0]], f"{start:.1f} s", f"{end:.1f} s", top))
    return found


def show_scores(model: Model, scored: Scored, console: Console) -> None:
    """What must be said, and a row a part."""
    for text in caveats(model, scored):
        console.print(text, style="bold", markup=False)
    table = Table(box=None, pad_edge=False)
    for name in ("by the files' names", "people", "recordings", "accuracy", "balanced accuracy"):
        table.add_column(name, justify="left" if name.startswith("by") else "right")
    for row in scored.rows:
        scores = (percent(row["accuracy"]), percent(row["balanced_accuracy"]))
        table.add_row(row["part"], str(row["people"]), f"{row['recordings']:,}", *scores)
    console.print(table)
    if scored.unlabelled:
        console.print(f"{scored.unlabelled:,} recordings have no label that the model knows, and are not counted")
