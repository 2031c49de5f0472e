"""Answers as CSV, as lines of JSON and, with their scores, as tables in the terminal."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gesturelab.config.data import Target
from gesturelab.datasets.irds.files import GESTURES, Label, parse_label
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import RecordingError
from gesturelab.evaluation.explanation import Explanation
from gesturelab.evaluation.predictions import Predictions
from gesturelab.evaluation.unknown import NONE_OF_THESE
from gesturelab.export.contents import tested
from gesturelab.export.model import Model, Prediction
from gesturelab.predict.answers import Answer
from gesturelab.report.texts import percent


@dataclass(frozen=True)
class Scored:
    """Scores of labelled recordings.

    Attributes:
        rows: One a part, as `gesturelab.export.contents.tested` gives them.
        unlabelled: How many answered recordings have no label that the model knows.
        known: People among them whom the model has seen, by subset: train, validation; or adapted.
        refused: How many labelled recordings are answered with "none of these"; they are scored by the most probable
            gesture all the same.
    """

    rows: list[dict[str, Any]]
    unlabelled: int
    known: dict[str, list[str]]
    refused: int = 0


def score(model: Model, answers: Sequence[Answer]) -> Scored | None:
    """Scores the answers whose file names are labels; None if there are none."""
    answered = [(answer, answer.prediction) for answer in answers if answer.prediction is not None]
    labelled = [
        (answer.source, *label, prediction.label, prediction.values)
        for answer, prediction in answered
        if (label := _label(model, answer.recording)) is not None
    ]
    if not labelled:
        return None
    sources, labels, truth, _, values = zip(*labelled, strict=True)
    probabilities = np.stack(values)
    predictions = Predictions(
        model.classes,
        sources,
        tuple(label.subject for label in labels),
        np.array(truth, dtype=np.int64),
        probabilities.argmax(axis=1),
        np.array([label.correctness for label in labels], dtype=np.int64),
        probabilities,
    )
    groups = {label.subject: label.group for label in labels}
    known: dict[str, list[str]] = {}
    if model.contents.facts["data"].get("source") != "synthetic":
        known = {subset: sorted(model.contents.people(subset) & groups.keys()) for subset in ("train", "validation")}
    if (adaptation := model.contents.adaptation) is not None:
        known["adapted"] = sorted({adaptation.person} & groups.keys())
    return Scored(
        tested(predictions, groups),
        len(answered) - len(labelled),
        {subset: ids for subset, ids in known.items() if ids},
        sum(label == NONE_OF_THESE for _, _, _, label, _ in labelled),
    )


def caveats(model: Model, scored: Scored) -> list[str]:
    """What must be said beside the scores."""
    texts = list(model.warnings)
    if ids := scored.known.get("train"):
        texts.append(
            f"NOT UNSEEN: {', '.join(ids)} {'is' if len(ids) == 1 else 'are'} among the people that this model was "
            "trained on; these numbers say nothing about new people"
        )
    if ids := scored.known.get("validation"):
        texts.append(f"{', '.join(ids)}: validation people of this model, by whom it was chosen and calibrated")
    if ids := scored.known.get("adapted"):
        texts.append(f"NOT UNSEEN: this model is adapted to {ids[0]}; the recordings that calibrated it test nothing")
    return texts


def _label(model: Model, name: str) -> tuple[Label, int] | None:
    """What a file's name says, and its class; None if it is no label, or training left such recordings out."""
    try:
        label = parse_label(name)
    except RecordingError:
        return None
    gesture = GESTURES[label.gesture]
    options = model.contents.facts["data"].get("options", {})
    if label.correctness not in (options.get("correctness") or CORRECTNESS):
        return None
    if model.contents.target is Target.correctness:
        kept = options.get("gestures")
        trained_on = kept is None or {gesture, str(label.gesture)} & set(map(str, kept))
        return (label, int(label.correctness != 1)) if trained_on else None
    return (label, model.classes.index(gesture)) if gesture in model.classes else None


TOP = 3
"""So many classes are named."""

MOST_ROWS = 60
"""More than a reader reads; files hold them all."""


def _windows(prediction: Prediction) -> Iterator[tuple[float, float, str, Float64[np.ndarray, " classes"]]]:
    """Start and end in seconds, label and probabilities of each window."""
    windows = prediction.windows
    for start, end, row in zip(windows.starts.tolist(), windows.ends.tolist(), windows.probabilities, strict=True):
        yield start, end, prediction.classes[int(row.argmax())], row


def csv_lines(classes: tuple[str, ...], answers: Iterable[Answer], *, windows: bool) -> Iterator[str]:
    """One line a recording, or one a window; files that could not be read have a line with the problem."""
    cells = ("start_s", "end_s", "label") if windows else ("label", "confidence", "unsure", "frames", "seconds")
    yield _line("recording", "file", *cells, "problem", *(f"p_{name}" for name in classes))
    for answer in answers:
        if answer.prediction is None:
            yield _line(answer.recording, answer.source, *[""] * len(cells), answer.problem, *[""] * len(classes))
            continue
        for values, row in _cells(answer.prediction, windows=windows):
            yield _line(answer.recording, answer.source, *values, "", *(f"{value:.6g}" for value in row))


def _cells(prediction: Prediction, *, windows: bool) -> Iterator[tuple[tuple[object, ...], Iterable[float]]]:
    if windows:
        for start, end, label, row in _windows(prediction):
            yield (f"{start:.3f}", f"{end:.3f}", label), row
    else:
        sure = f"{prediction.confidence:.4f}", "yes" if prediction.unsure else "no"
        yield (prediction.label, *sure, prediction.frames, f"{prediction.seconds:.3f}"), prediction.values


def _line(*cells: object) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def json_lines(answers: Iterable[Answer], *, windows: bool, warnings: Sequence[str] = ()) -> Iterator[str]:
    """One object a recording, with its windows where they are asked for, and what must be said of the model."""
    said_of_model = {"warnings": list(warnings)} if warnings else {}
    for answer in answers:
        yield json.dumps(as_plain(answer, windows=windows) | said_of_model, ensure_ascii=False) + "\n"


def as_plain(answer: Answer, *, windows: bool) -> dict[str, Any]:
    """An answer as JSON can hold it."""
    plain: dict[str, Any] = {"recording": answer.recording, "file": answer.source}
    prediction = answer.prediction
    if prediction is None:
        return plain | {"problem": answer.problem}

    def by_class(values: Float64[np.ndarray, " classes"]) -> dict[str, float]:
        return {name: float(f"{value:.6g}") for name, value in zip(prediction.classes, values.tolist(), strict=True)}

    plain |= {
        "label": prediction.label,
        "confidence": round(prediction.confidence, 6),
        "unsure": prediction.unsure,
        "top": [[name, round(value, 6)] for name, value in prediction.top(TOP)],
        "probabilities": by_class(prediction.values),
        "frames": prediction.frames,
        "seconds": round(prediction.seconds, 3),
    }
    if answer.explanation is not None:
        plain["explanation"] = _explanation_as_plain(answer.explanation)
    if windows:
        plain["windows"] = [
            {"start_s": round(start, 3), "end_s": round(end, 3), "label": label, "probabilities": by_class(row)}
            for start, end, label, row in _windows(prediction)
        ]
    return plain


def _explanation_as_plain(explanation: Explanation) -> dict[str, Any]:
    def as_rows(importance: Float64[np.ndarray, " parts"], without: Float64[np.ndarray, " parts"]) -> list[Any]:
        pairs = zip(importance.tolist(), without.tolist(), strict=True)
        return [{"importance": round(each, 4), "probability_without": float(f"{share:.6g}")} for each, share in pairs]

    joints = as_rows(explanation.joint_importance, explanation.without_joint)
    moments = as_rows(explanation.moment_importance, explanation.without_moment)
    seconds = zip(explanation.starts.tolist(), explanation.ends.tolist(), moments, strict=True)
    return {
        "sentence": explanation.sentence,
        "top_joints": [explanation.joints[joint] for joint in explanation.top_joints],
        "top_moment": explanation.top_moment,
        "joints": dict(zip(explanation.joints, joints, strict=True)),
        "moments": [{"start_s": round(start, 3), "end_s": round(end, 3), **row} for start, end, row in seconds],
    }


def show_answers(answers: Sequence[Answer], console: Console, *, windows: bool) -> None:
    """A row a recording, or a row a window."""
    columns = ("from", "to") if windows else ("confidence", "", "frames", "seconds")
    table = Table(box=None, pad_edge=False)
    for name in ("recording", "answer", *columns, "most probable"):
        table.add_column(name, justify="right" if name in ("from", "to", "confidence", "frames", "seconds") else "left")
    rows = [row for answer in answers for row in _rows(answer, windows=windows)]
    for row in rows[:MOST_ROWS]:
        table.add_row(*map(escape, row))
    if rows:
        console.print(table)
    if len(rows) > MOST_ROWS:
        console.print(f"... and {len(rows) - MOST_ROWS:,} rows more: --csv or --jsonl write them all")


def _rows(answer: Answer, *, windows: bool) -> Iterator[tuple[str, ...]]:
    prediction = answer.prediction
    if prediction is None:
        return
    if windows:
        for start, end, label, row in _windows(prediction):
            best = (-row).argsort(kind="stable")[:TOP].tolist()
            top = [(prediction.classes[place], float(row[place])) for place in best]
            yield answer.recording, label, f"{start:.1f} s", f"{end:.1f} s", _named(top)
    else:
        sure = f"{prediction.confidence:.2f}", "unsure" if prediction.unsure else ""
        size = f"{prediction.frames}", f"{prediction.seconds:.1f}"
        why = "" if answer.explanation is None else f"\n{answer.explanation.sentence}"
        yield answer.recording, prediction.label, *sure, *size, _named(prediction.top(TOP)) + why


def _named(top: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in top)


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
    if scored.refused:
        console.print(
            f"{scored.refused:,} of these were answered with {NONE_OF_THESE!r}; their most probable gesture is scored"
        )
    if scored.unlabelled:
        console.print(f"{scored.unlabelled:,} recordings have no label that the model knows, and are not counted")
