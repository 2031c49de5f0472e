"""Answers as CSV and as lines of JSON."""

import csv
import json
from collections.abc import Iterable
from typing import Any, TextIO

from gesturelab.predict.answers import Answer

TOP = 3
"""So many classes are named."""


def write_csv(file: TextIO, classes: tuple[str, ...], those: Iterable[Answer], *, windows: bool) -> None:
    """One row a recording, or one a window; files that could not be read have a row with the problem."""
    table = csv.writer(file, lineterminator="\n")
    chances = [f"p_{name}" for name in classes]
    if windows:
        table.writerow(["recording", "file", "start_s", "end_s", "label", "problem", *chances])
    else:
        table.writerow(["recording", "file", "label", "confidence", "unsure", "frames", "seconds", "problem", *chances])
    for one in those:
        said = one.prediction
        if said is None:
            table.writerow(
                [one.recording, one.source, *[""] * (3 if windows else 5), one.problem, *[""] * len(classes)]
            )
        elif windows:
            parts = zip(said.windows.starts, said.windows.ends, said.windows.probabilities, strict=True)
            for start, end, row in parts:
                what = [f"{start:.3f}", f"{end:.3f}", classes[int(row.argmax())], ""]
                table.writerow([one.recording, one.source, *what, *(f"{value:.6g}" for value in row)])
        else:
            sure = [f"{said.confidence:.4f}", "yes" if said.unsure else "no"]
            what = [said.label, *sure, said.frames, f"{said.seconds:.3f}", ""]
            table.writerow([one.recording, one.source, *what, *(f"{value:.6g}" for value in said.values)])


def write_json_lines(file: TextIO, those: Iterable[Answer], *, windows: bool) -> None:
    """One object a recording, with its windows where they are asked for."""
    for one in those:
        file.write(json.dumps(as_plain(one, windows=windows), ensure_ascii=False) + "\n")


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
