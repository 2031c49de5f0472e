"""How good answers are, where the files' names say what was done (as those of IntelliRehabDS do)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gesturelab.config.data import Target
from gesturelab.datasets.irds.files import GESTURES, Label, parse_label
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import RecordingError
from gesturelab.evaluation.predictions import Predictions
from gesturelab.export.contents import tested
from gesturelab.export.model import Model
from gesturelab.predict.answers import Answer


@dataclass(frozen=True)
class Scored:
    """Scores of labelled recordings.

    Attributes:
        rows: One a part, as `gesturelab.export.contents.tested` gives them.
        unlabelled: How many answered recordings have no label that the model knows.
        known: People among them whom the model has seen, by subset: train, validation.
    """

    rows: list[dict[str, Any]]
    unlabelled: int
    known: dict[str, list[str]]


def score(model: Model, answers: Sequence[Answer]) -> Scored | None:
    """Scores the answers whose file names are labels; None if there are none."""
    answered = [(answer, answer.prediction.values) for answer in answers if answer.prediction is not None]
    labelled = [
        (answer.source, *label, values)
        for answer, values in answered
        if (label := _label(model, answer.recording)) is not None
    ]
    if not labelled:
        return None
    sources, labels, truth, values = zip(*labelled, strict=True)
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
    return Scored(
        tested(predictions, groups),
        len(answered) - len(labelled),
        {subset: ids for subset, ids in known.items() if ids},
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
