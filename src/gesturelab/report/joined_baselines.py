"""The trivial answers to "correct or incorrect?" as results of their own, on the recordings of a joined sweep."""

from dataclasses import replace
from typing import Any, cast

import numpy as np

from gesturelab.evaluation.join import Joined
from gesturelab.evaluation.predictions import Predictions
from gesturelab.evaluation.result import summarise
from gesturelab.report.lead import BASELINES


def baselines_of(whole: Joined) -> dict[str, Joined]:
    """What length alone and the majority class say of exactly these recordings; nothing where gestures are recognised.

    Each fold's answers come from its own training people, and are the same for all seeds.
    """
    first = whole.by_seed[0]
    if first.trivial is None:
        return {}
    return {
        label: replace(whole, seeds=whole.seeds[:1], by_seed=(_said(first, kind),), calibrated=(), notes=())
        for kind, label in BASELINES.items()
    }


def _said(first: Predictions, kind: str) -> Predictions:
    """A baseline's predictions; its probabilities only put recordings in order, for the area under the curve."""
    assert first.trivial is not None
    seconds = first.trivial.seconds
    if kind == "length":
        predicted, order = first.trivial.by_length, seconds / (1 + seconds)
    else:
        predicted, order = first.trivial.by_majority, np.full(len(first), 0.5)
    return replace(first, predicted=predicted, probabilities=np.stack([1 - order, order], axis=1))


def baseline_result(label: str, whole: Joined, target: str) -> dict[str, Any]:
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
