"""A metric of your own: the recall of the gesture that is recognised worst."""

from collections.abc import Sequence

import numpy as np


def least_recall(y_true: Sequence[int], y_pred: Sequence[int]) -> float:
    """The smallest share, over the classes that occur, of their cases that were recognised.

    Args:
        y_true: Class of each case.
        y_pred: Predicted class of each case.

    Returns:
        A fraction in [0, 1].
    """
    truth, predicted = np.asarray(y_true), np.asarray(y_pred)
    return min(float((predicted[truth == each] == each).mean()) for each in np.unique(truth))
