"""How good a model was on people it had never seen, by part, and under which protocol."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.evaluation.predictions import Predictions
from gesturelab.evaluation.result import score_part
from gesturelab.runs.info import Info

KEPT = ("seed", "data", "split", "metrics", "confusion", "versions", "git", "classes", "finished", "baselines")
"""Keys of an info file that travel with a model; its notes and tags stay at home."""


def facts(info: Info, predictions: Predictions) -> dict[str, Any]:
    """What a model file tells of its run, as plain values.

    Returns:
        ``warnings`` (LEAKY and SYNTHETIC among them); the keys of `KEPT` that the info file has; ``training`` (epochs,
        device and the like, without the history); ``parameters``; and ``tested``, one a part of the test recordings:
        ``part``, ``people``, ``recordings``, ``accuracy`` and ``balanced_accuracy`` (null where a class is missing).
    """
    whole = cast(dict[str, Any], info)
    data = {key: value for key, value in whole["data"].items() if key != "postures"}  # a line a recording
    training = {key: value for key, value in whole["training"].items() if key not in ("history", "callbacks")}
    return {
        "warnings": list(info["warnings"]),
        **{key: whole[key] for key in KEPT if key in whole},
        "data": data,
        "training": training,
        "parameters": info["model"]["parameters"],
        "augment": info["model"]["hyperparameters"].get("augment"),
        "tested": tested(predictions, info["data"].get("groups", {})),
    }


def tested(predictions: Predictions, groups: dict[str, str]) -> list[dict[str, Any]]:
    """Scores of everybody, and by group, correctness and both."""
    of_group = [groups.get(subject, "") for subject in predictions.subjects]
    of_label = [f"{CORRECTNESS.get(label, label)} movements" for label in predictions.correctness.tolist()]
    both = [f"{group}, {label}" if group else "" for group, label in zip(of_group, of_label, strict=True)]
    rows = [_row("everybody", predictions)]
    for labels in (of_group, of_label, both):
        rows += [_row(part, predictions, labels) for part in sorted(set(labels) - {""})]
    return rows


def _row(part: str, predictions: Predictions, labels: Sequence[str] | None = None) -> dict[str, Any]:
    chosen = None if labels is None else np.array([label == part for label in labels])
    scores = score_part([predictions], chosen, with_intervals=False)
    return {
        "part": part,
        "people": scores["people"],
        "recordings": scores["recordings"],
        "accuracy": scores["accuracy"]["value"],
        "balanced_accuracy": scores["balanced_accuracy"]["value"],
    }
