"""Intervals from a bootstrap over people: a person's recordings are alike, so people are drawn, not recordings."""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from jaxtyping import Float64

DRAWS = 5000
LEVEL = 0.95
SEED = 20210521
"""Of the draws, so that the same predictions always have the same interval."""

Statistic = Callable[[Float64[np.ndarray, "draws people"]], Float64[np.ndarray, "draws scores"]]
"""From how often each person counts to scores."""


def draw_people(people: int, draws: int = DRAWS, seed: int = SEED) -> Float64[np.ndarray, "draws people"]:
    """How often each person is in each draw, with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(people, np.full(people, 1 / people), size=draws).astype(np.float64)


def intervals(
    statistic: Statistic, people: int, *, draws: int = DRAWS, level: float = LEVEL, seed: int = SEED
) -> Float64[np.ndarray, "scores 2"]:
    """Lower and upper bound of each score: bias-corrected and accelerated, resampling people.

    B. Efron, Better Bootstrap Confidence Intervals, Journal of the American Statistical Association, 1987. A draw
    without a score (it holds no recording of the kind that is scored) is left out. NaN for fewer than two people.
    """
    observed = statistic(np.ones((1, people)))[0]
    if people < 2:
        return np.full((len(observed), 2), np.nan)
    drawn = statistic(draw_people(people, draws, seed))
    without = statistic(1 - np.eye(people))
    return np.array([bca(observed[at], drawn[:, at], without[:, at], level) for at in range(len(observed))])


def bca(
    observed: float | np.floating,
    drawn: Float64[np.ndarray, " draws"],
    without: Float64[np.ndarray, " people"],
    level: float = LEVEL,
) -> tuple[float, float]:
    """Lower and upper bound of one score.

    Args:
        observed: The score.
        drawn: Of draws.
        without: With each person left out once, for the acceleration.
        level: Share of such intervals that hold the true value.
    """
    drawn, without = drawn[~np.isnan(drawn)], without[~np.isnan(without)]
    if np.isnan(observed) or not len(drawn):
        return float("nan"), float("nan")
    apart = np.round(drawn - observed, 12)  # so that equal means equal
    below = ((apart < 0).mean() + (apart <= 0).mean()) / 2
    normal = NormalDist()
    tails = ((1 - level) / 2, (1 + level) / 2)
    if 0 < below < 1:
        bias = normal.inv_cdf(below)
        pull = without.mean() - without if len(without) else np.zeros(1)
        spread = (pull**2).sum()
        acceleration = (pull**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
        shifted = [bias + normal.inv_cdf(tail) for tail in tails]
        tails = tuple(normal.cdf(bias + at / (1 - acceleration * at)) for at in shifted)
    low, high = np.quantile(drawn, tails).tolist()
    return low, high
