"""Calibration by temperature scaling, and a confidence threshold below which a model abstains."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float64, Int64

from gesturelab.evaluation.predictions import Predictions

COVERAGES = (1.0, 0.9, 0.8)
TEMPERATURES = (0.01, 100.0)
"""No temperature is searched beyond these."""
ABSTAIN_SHARE = 0.1
"""On so many of the validation recordings, the least confident ones, a model abstains."""
SMALLEST = 1e-12
"""Probabilities are taken for no smaller, so that their logarithm is finite."""


class Answered(TypedDict):
    """Accuracy when a model abstains on the least confident recordings."""

    coverage: float
    """Share of all recordings that are answered."""
    accuracy: float
    """Of these; means over seeds."""
    by_group: dict[str, dict[str, float]]
    """For each group ``coverage`` and ``accuracy`` with the same threshold; a group without an answer is left out."""


def with_temperature(
    probabilities: Float64[np.ndarray, "recordings classes"], temperature: float
) -> Float64[np.ndarray, "recordings classes"]:
    """Probabilities made less sure (above 1) or more (below 1): their logarithms divided by the temperature.

    >>> with_temperature(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    logits = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def fit_temperature(
    probabilities: Float64[np.ndarray, "recordings classes"], truth: Int64[np.ndarray, " recordings"]
) -> float:
    """The temperature with the least cross-entropy, to be fitted on validation people (C. Guo et al., ICML 2017).

    Of so many recordings one more counts as recognised, and one as a mistake (J. Platt, Advances in Large Margin
    Classifiers, 1999): a few people without a mistake would make it certain of everything.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and reports do not fit
    from scipy.special import log_softmax

    logits = np.log(np.maximum(probabilities, SMALLEST))
    recordings, classes = logits.shape
    doubt = 1 / (recordings + 2)
    targets = np.full(logits.shape, doubt / max(classes - 1, 1))
    targets[np.arange(recordings), truth] = 1 - doubt

    def loss(log_temperature: float) -> float:
        return -float((targets * log_softmax(logits * np.exp(-log_temperature), axis=1)).sum(axis=1).mean())

    best: Any = minimize_scalar(loss, bounds=np.log(TEMPERATURES), options={"xatol": 1e-7})
    return float(np.exp(best.x))


def fit_confidence_threshold(
    probabilities: Float64[np.ndarray, "recordings classes"], temperature: float, share: float = ABSTAIN_SHARE
) -> float:
    """The calibrated confidence below which a share of the recordings lie, to be fitted on validation people.

    >>> rows = np.array([[1 - doubt, doubt] for doubt in np.arange(1, 12) / 100])
    >>> round(fit_confidence_threshold(rows, 1.0), 6)  # 0.89 alone is below it
    0.9
    """
    return float(np.quantile(with_temperature(probabilities, temperature).max(axis=1), share))


def calibrated(predictions: Predictions, temperature: float) -> Predictions:
    """The same predictions with other confidences."""
    return replace(predictions, probabilities=with_temperature(predictions.probabilities, temperature))


def accuracy_at_coverage(by_seed: Sequence[Predictions], groups: dict[str, str], coverage: float) -> Answered:
    """Accuracy of the most confident recordings, everybody under one threshold (as one device would have)."""
    known = sorted({groups[person] for person in by_seed[0].subjects if person in groups})
    accuracies: list[float] = []
    parts: dict[str, list[tuple[float, float]]] = {group: [] for group in known}
    for predictions in by_seed:
        count = max(1, round(coverage * len(predictions)))
        kept = np.argsort(-predictions.probabilities.max(axis=1), kind="stable")[:count]
        accuracies.append(float(predictions.right[kept].mean()))
        of_group = np.array([groups.get(subject, "") for subject in predictions.subjects])
        for group in known:
            inside = kept[of_group[kept] == group]
            if len(inside):
                parts[group].append(
                    (len(inside) / int((of_group == group).sum()), float(predictions.right[inside].mean()))
                )

    def means(pairs: list[tuple[float, float]]) -> dict[str, float]:
        share, accuracy = np.mean(pairs, axis=0).tolist()
        return {"coverage": share, "accuracy": accuracy}

    return Answered(
        coverage=coverage,
        accuracy=float(np.mean(accuracies)),
        by_group={group: means(pairs) for group, pairs in parts.items() if pairs},
    )


def coverage_curve(by_seed: Sequence[Predictions]) -> list[list[float]]:
    """Coverage and accuracy, from the most confident recordings to all: at most 100 points; means over seeds."""
    total = len(by_seed[0])
    counts = np.unique(np.linspace(max(1, total // 20), total, min(total, 100)).round().astype(np.int64))
    curves: list[np.ndarray] = []
    for predictions in by_seed:
        line = np.argsort(-predictions.probabilities.max(axis=1), kind="stable")
        curves.append((np.cumsum(predictions.right[line]) / np.arange(1, total + 1))[counts - 1])
    mean = np.mean(curves, axis=0)
    return [[float(count / total), float(accuracy)] for count, accuracy in zip(counts, mean, strict=True)]
