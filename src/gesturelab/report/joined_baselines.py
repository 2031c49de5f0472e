"""The trivial answers to "correct or incorrect?" as results of their own, on the recordings of a joined sweep."""

from dataclasses import replace
from typing import Any, cast

import numpy as np

from gesturelab.evaluation.cross_validation import CrossValidation
from gesturelab.evaluation.predictions import Predictions
from gesturelab.evaluation.result import summarise
from gesturelab.report.words import BASELINES

PATIENT = "patient"
"""The group whose movements may be incorrect."""

WHO = "patient or not"
"""What the baseline is called that knows only who moves."""


def baselines_of(whole: CrossValidation) -> dict[str, CrossValidation]:
    """What trivial answers score on exactly these recordings; nothing where gestures are recognised.

    Length alone and the majority class come from each fold's own training people, and are the same for all seeds. Where
    patients and others were tested, there is a third: whoever knows which of them moves, and looks at nothing else.
    """
    first = whole.by_seed[0]
    if first.trivial is None:
        return {}
    said = {label: _said(first, kind) for kind, label in BASELINES.items()}
    if {whole.groups.get(person) for person in first.people} > {PATIENT}:
        said[WHO] = _by_group(first, whole)
    return {
        label: replace(whole, seeds=whole.seeds[:1], by_seed=(one,), calibrated=(), notes=())
        for label, one in said.items()
    }


def _by_group(first: Predictions, whole: CrossValidation) -> Predictions:
    """Every movement of a patient is called incorrect, every other one correct."""
    patient = np.array([whole.groups.get(subject) == PATIENT for subject in first.subjects])
    order = np.where(patient, 0.9, 0.1)
    return replace(first, predicted=patient.astype(np.int64), probabilities=np.stack([1 - order, order], axis=1))


def _said(first: Predictions, kind: str) -> Predictions:
    """A baseline's predictions; its probabilities only put recordings in order, for the area under the curve."""
    assert first.trivial is not None
    seconds = first.trivial.seconds
    if kind == "length":
        predicted, order = first.trivial.by_length, seconds / (1 + seconds)
    else:
        predicted, order = first.trivial.by_majority, np.full(len(first), 0.5)
    return replace(first, predicted=predicted, probabilities=np.stack([1 - order, order], axis=1))


def baseline_result(label: str, whole: CrossValidation, target: str) -> dict[str, Any]:
    """A baseline beside sizes and peers, as `gesturelab.report.joined.joined` describes it."""
    return {
        "candidate": label,
        "size": label,
        "peer": True,
        "baseline": True,
        "parameters": 1,
        "target": target,
        "train_accuracy": None,
        "validation_accuracy": None,
        **cast(dict[str, Any], summarise(whole)),
    }
