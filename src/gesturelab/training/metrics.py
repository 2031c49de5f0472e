"""Scores of predictions, by torchmetrics."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from torchmetrics.functional.classification import (
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

from gesturelab.config.data import Target
from gesturelab.evaluation.binary import INCORRECT, binary_scores
from gesturelab.runs.info import Scores

SMALLEST_PROBABILITY = 1e-12
"""The loss takes no probability for smaller, so that one certain mistake does not make it infinite."""


def score(
    probabilities: Float[np.ndarray, "cases classes"],
    truth: Int64[np.ndarray, " cases"],
    target: Target = Target.gesture,
) -> Scores:
    """How well cases (windows or recordings) were recognised; of correctness also how well each class was."""
    predicted, true = torch.from_numpy(probabilities), torch.from_numpy(truth)
    classes = probabilities.shape[1]
    matrix = multiclass_confusion_matrix(predicted, true, num_classes=classes).double()
    support = matrix.sum(dim=1)
    recall = matrix.diagonal()[support > 0] / support[support > 0]
    likelihood = np.maximum(probabilities[np.arange(len(truth)), truth], SMALLEST_PROBABILITY)
    found = Scores(
        loss=float(-np.log(likelihood).mean()),
        accuracy=float(matrix.trace() / matrix.sum()),
        balanced_accuracy=float(recall.mean()),
        macro_f1=float(multiclass_f1_score(predicted, true, num_classes=classes, average="macro")),
        count=len(truth),
    )
    if target is Target.correctness:
        wide = probabilities.astype(np.float64)
        binary = binary_scores(truth, wide.argmax(axis=1), wide[:, INCORRECT])
        found["balanced_accuracy"] = binary["balanced_accuracy"]
        found["sensitivity"] = binary["sensitivity"]
        found["specificity"] = binary["specificity"]
        found["roc_auc"] = binary["roc_auc"]
    return found


def confusion(probabilities: Float[np.ndarray, "cases classes"], truth: Int64[np.ndarray, " cases"]) -> list[list[int]]:
    """Counts; rows are the true class, columns the predicted one."""
    predicted, target = torch.from_numpy(probabilities), torch.from_numpy(truth)
    return multiclass_confusion_matrix(predicted, target, num_classes=probabilities.shape[1]).tolist()
