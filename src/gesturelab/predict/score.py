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
from gesturelab.export.facts import tested
from gesturelab.export.model import Model, Prediction
from gesturelab.predict.answers import Answer


@dataclass(frozen=True)
class Scored:
    """Scores of labelled recordings.

    Attributes:
        rows: One a part, as `gesturelab.export.facts.tested` gives them.
        unlabelled: How many answered recordings have no label that the model knows.
        known: People among them whom the model has seen, by side: train, validation.
    """

    rows: list[dict[str, Any]]
    unlabelled: int
    known: dict[str, list[str]]


def score(model: Model, those: Sequence[Answer]) -> Scored | None:
    """Scores the answers whose file names are labels; None if there are none."""
    answered = [(one, one.prediction) for one in those if one.prediction is not None]
    labelled: list[tuple[str, Label, int, Prediction]] = []
    for one, prediction in answered:
        label = _label(one.recording)
        truth = None if label is None else _truth(model, label)
        if label is not None and truth is not None:
            labelled.append((one.source, label, truth, prediction))
    if not labelled:
        return None
    said = Predictions(
        model.classes,
        tuple(source for source, *_ in labelled),
        tuple(label.subject for _, label, _, _ in labelled),
        np.array([truth for _, _, truth, _ in labelled], dtype=np.int64),
        np.array([int(one.values.argmax()) for *_, one in labelled], dtype=np.int64),
        np.array([label.correctness for _, label, _, _ in labelled], dtype=np.int64),
        np.stack([one.values for *_, one in labelled]),
    )
    groups = {label.subject: label.group for _, label, _, _ in labelled}
    known: dict[str, list[str]] = {}
    if model.contents.facts["data"].get("source") != "synthetic":
        known = {side: sorted(model.contents.people(side) & groups.keys()) for side in ("train", "validation")}
    return Scored(
        tested(said, groups), len(answered) - len(labelled), {side: ids for side, ids in known.items() if ids}
    )


def caveats(model: Model, scored: Scored) -> list[str]:
    """What must be said beside the scores."""
    said = list(model.warnings)
    if ids := scored.known.get("train"):
        said.append(
            f"NOT UNSEEN: {', '.join(ids)} {'is' if len(ids) == 1 else 'are'} among the people that this model was "
            "trained on; these numbers say nothing about new people"
        )
    if ids := scored.known.get("validation"):
        said.append(f"{', '.join(ids)}: validation people of this model, by whom it was chosen and calibrated")
    return said


def _label(name: str) -> Label | None:
    try:
        return parse_label(name)
    except RecordingError:
        return None


def _truth(model: Model, label: Label) -> int | None:
    """The class of what was done; None if the model's training left such recordings out."""
    gesture = GESTURES[label.gesture]
    options = model.contents.facts["data"].get("options", {})
    kept = options.get("gestures")
    if label.correctness not in (options.get("correctness") or CORRECTNESS):
        return None
    if model.contents.target is Target.correctness:
        asked = kept is None or {gesture, str(label.gesture)} & set(map(str, kept))
        return int(label.correctness != 1) if asked else None
    return model.classes.index(gesture) if gesture in model.classes else None
