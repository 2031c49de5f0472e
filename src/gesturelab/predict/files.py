"""Answers as CSV and as lines of JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gesturelab.export.model import Prediction
from gesturelab.predict.answers import Answer

TOP = 3
"""So many classes are named."""


def csv_lines(classes: tuple[str, ...], those: Iterable[Answer], *, windows: bool) -> Iterator[str]:
    """One line a recording, or one a window; files that could not be read have a line with the problem."""
    cells = ("start_s", "end_s", "label") if windows else ("label", "confidence", "unsure", "frames", "seconds")
    yield _line("recording", "file", *cells, "problem", *(f"p_{name}" for name in classes))
    for one in those:
        if one.prediction is None:
            yield _line(one.recording, one.source, *[""] * len(cells), one.problem, *[""] * len(classes))
            continue
        for what, chances in _window_cells(one.prediction) if windows else [_cells(one.prediction)]:
            yield _line(one.recording, one.source, *what, "", *(f"{value:.6g}" for value in chances))


def _cells(said: Prediction) -> tuple[tuple[object, ...], list[float]]:
    sure = f"{said.confidence:.4f}", "yes" if said.unsure else "no"
    return (said.label, *sure, said.frames, f"{said.seconds:.3f}"), said.values.tolist()


def _window_cells(said: Prediction) -> Iterator[tuple[tuple[object, ...], list[float]]]:
    for start, end, row in zip(said.windows.starts, said.windows.ends, said.windows.probabilities, strict=True):
        yield (f"{start:.3f}", f"{end:.3f}", said.classes[int(row.argmax())]), row.tolist()


def _line(*cells: object) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def json_lines(those: Iterable[Answer], *, windows: bool, warnings: Sequence[str] = ()) -> Iterator[str]:
    """One object a recording, with its windows where they are asked for, and what must be said of the model."""
    told = {"warnings": list(warnings)} if warnings else {}
    for one in those:
        yield json.dumps(as_plain(one, windows=windows) | told, ensure_ascii=False) + "\n"


def as_plain(one: Answer, *, windows: bool) -> dict[str, Any]:
    """An answer as JSON can hold it."""
    head: dict[str, Any] = {"recording": one.recording, "file": one.source}
    said = one.prediction
    if said is None:
        return head | {"problem": one.problem}
    whole: dict[str, Any] = {
        "label": said.label,
        "confidence": round(said.confidence, 6),
        "unsure": said.unsure,
        "top": [[name, round(value, 6)] for name, value in said.top(TOP)],
        "probabilities": {name: float(f"{value:.6g}") for name, value in said.probabilities.items()},
        "frames": said.frames,
        "seconds": round(said.seconds, 3),
    }
    if windows:
        parts = zip(said.windows.starts.tolist(), said.windows.ends.tolist(), said.windows.probabilities, strict=True)
        whole["windows"] = [
            {
                "start_s": round(start, 3),
                "end_s": round(end, 3),
                "label": said.classes[int(row.argmax())],
                "probabilities": {name: float(f"{p:.6g}") for name, p in zip(said.classes, row.tolist(), strict=True)},
            }
            for start, end, row in parts
        ]
    return head | whole
