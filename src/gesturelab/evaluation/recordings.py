"""From windows to recordings."""

import numpy as np
from jaxtyping import Float, Int64


def combine_windows(
    recording: Int64[np.ndarray, " windows"], probabilities: Float[np.ndarray, "windows classes"]
) -> tuple[Int64[np.ndarray, " recordings"], Float[np.ndarray, "recordings classes"]]:
    """Averages the probabilities of each recording's windows.

    Returns:
        The recordings that have a window, ascending, and a row of probabilities for each.

    >>> ids, mean = combine_windows(np.array([4, 7, 4]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    >>> ids.tolist(), mean.tolist()
    ([4, 7], [[0.5, 0.5], [0.5, 0.5]])
    """
    ids, row, counts = np.unique(recording, return_inverse=True, return_counts=True)
    total = np.zeros((len(ids), probabilities.shape[1]))
    np.add.at(total, row, probabilities)
    return ids, total / counts[:, None]
