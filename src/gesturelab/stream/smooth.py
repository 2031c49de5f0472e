"""Probabilities that do not flicker."""

import numpy as np
from jaxtyping import Float64


class Smoother:
    """Exponential smoothing over time: what was said so many seconds ago counts 1/e of what is said now.

    Args:
        seconds: The time constant; 0 changes nothing.

    >>> smoother = Smoother(1.0)
    >>> smoother(0.0, np.array([1.0, 0.0])).tolist()
    [1.0, 0.0]
    >>> smoother(1.0, np.array([0.0, 1.0])).round(3).tolist()
    [0.368, 0.632]
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Forgets what was said."""
        self._last_s = 0.0
        self._mean: Float64[np.ndarray, " classes"] | None = None

    def __call__(
        self, time_s: float, probabilities: Float64[np.ndarray, " classes"]
    ) -> Float64[np.ndarray, " classes"]:
        """The mean so far, the latest counting most."""
        before, share = self._mean, 1.0
        if before is not None and self.seconds:
            share = 1 - np.exp((self._last_s - time_s) / self.seconds)
        mean = probabilities if before is None else before + share * (probabilities - before)
        self._mean, self._last_s = mean, time_s
        return mean
