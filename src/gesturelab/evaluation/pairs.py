"""Sizes against each other on the same people: paired tests over people, and what they allow one to say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, cast

import numpy as np
from jaxtyping import Float64

from gesturelab.evaluation.bootstrap import SEED, Statistic, intervals
from gesturelab.evaluation.metrics import or_none
from gesturelab.progress import show_progress

EXACT_PEOPLE, FLIPS = 14, 20_000
"""Up to so many people a randomisation test is exact; with more it takes so many draws."""


@dataclass(frozen=True)
class Pair:
    """Two models on the same people.

    Attributes:
        first: A model.
        second: Another one.
        people: How many both were tested on.
        recordings: How many both were tested on.
        difference: Mean over people of first minus second.
        low: Lower bound of the difference's 95 % interval; None for one person.
        high: Upper bound.
        effect: Matched-pairs rank-biserial correlation, from -1 (second always better) to 1 (D. Kerby, The Simple
            Difference Formula, Comprehensive Psychology, 2014); people without a difference are left out.
        p: Of Wilcoxon's signed-rank test, two-sided and exact, or of another test that was asked for.
        adjusted: The same, corrected for the number of pairs (Holm).
        distinguishable: Whether ``adjusted`` is below 0.05.
    """

    first: str
    second: str
    people: int
    recordings: int
    difference: float
    low: float | None
    high: float | None
    effect: float
    p: float
    adjusted: float
    distinguishable: bool


def compare_pairs(
    names: Sequence[str],
    values: Float64[np.ndarray, "models people"],
    peers: Sequence[bool] = (),
    recordings: int = 0,
    apart_by: Callable[[int, int], Statistic] | None = None,
) -> tuple[Pair, ...]:
    """Every pair of models, from a value a person (such as accuracy).

    Pairs with a peer are corrected apart, so that the tests of the sizes do not depend on which peers stand beside
    them.

    Args:
        names: Of the models.
        values: Of each model and person; larger is better.
        peers: For each model whether it is a peer, a method from elsewhere; empty when none is.
        recordings: How many the values are of.
        apart_by: Of correct or incorrect, from the places of two models to what the interval is of, and the test is
            `sign_flip_p`; without it that is the mean difference, and the test is `signed_rank_p`.

    >>> import numpy as np
    >>> [pair] = compare_pairs(["a", "b"], np.array([np.linspace(0.6, 0.9, 8), np.linspace(0.5, 0.8, 8)]))
    >>> round(pair.difference, 3), pair.effect, round(pair.p, 6)
    (0.1, 1.0, 0.007812)
    """
    places = list(combinations(range(len(values)), 2))
    # so that 0.9 - 0.8 and 0.3 - 0.2 are one rank
    apart = [np.round(values[one] - values[other], 9) for one, other in places]
    raw = [(sign_flip_p if apart_by else signed_rank_p)(gaps) for gaps in apart]
    with_peer = [any(peers[at] for at in pair) if peers else False for pair in places]
    adjusted = dict.fromkeys(places, 1.0)
    for kind in (False, True):
        family = [at for at in range(len(places)) if with_peer[at] is kind]
        adjusted |= {places[at]: p for at, p in zip(family, holm([raw[at] for at in family]), strict=True)}
    pairs: list[Pair] = []
    for place, gaps, p in show_progress(zip(places, apart, raw, strict=True), "comparing models, pairs", len(places)):
        statistic = apart_by(*place) if apart_by is not None else partial(_weighted_mean, gaps)
        low, high = map(or_none, intervals(statistic, len(gaps))[0].tolist())
        first, second = (names[at] for at in place)
        difference, effect, distinct = float(gaps.mean()), rank_biserial(gaps), adjusted[place] < 0.05
        size = (len(gaps), recordings)
        pairs.append(Pair(first, second, *size, difference, low, high, effect, p, adjusted[place], distinct))
    return tuple(pairs)


def _weighted_mean(
    values: Float64[np.ndarray, " people"], weights: Float64[np.ndarray, "draws people"]
) -> Float64[np.ndarray, "draws 1"]:
    return (weights @ values / weights.sum(axis=1))[:, None]


def signed_rank_p(gaps: Float64[np.ndarray, " people"]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; people without a difference are left out, and 1 if that is all.

    Exact with ties too: under the null each rank has either sign with equal chance, so the distribution of the rank sum
    is built rank by rank (scipy's is exact without ties only).

    >>> import numpy as np
    >>> signed_rank_p(np.array([0.1, 0.1, 0.2, 0.3, 0.3]))
    0.0625
    """
    from scipy import stats  # slow to import

    gaps = gaps[gaps != 0]
    if not len(gaps):
        return 1.0
    doubled = np.rint(2 * cast(np.ndarray, stats.rankdata(np.abs(gaps)))).astype(np.int64)  # shared ranks are halves
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for rank in doubled.tolist():
        chance[rank:] = (chance[rank:] + chance[:-rank]) / 2
        chance[:rank] /= 2
    positive = int(doubled[gaps > 0].sum())
    return float(min(1.0, 2 * min(chance[: positive + 1].sum(), chance[positive:].sum())))


def sign_flip_p(gaps: Float64[np.ndarray, " people"]) -> float:
    """Two-sided p of the paired randomisation test of a sum.

    Were two sizes alike, each person's difference could as well have the other sign (E. Pitman, Supplement to the
    Journal of the Royal Statistical Society, 1937). All signs are tried for up to `EXACT_PEOPLE` people with a
    difference, else `FLIPS` random ones.

    >>> import numpy as np
    >>> sign_flip_p(np.array([0.1, 0.2, 0.3, 0.4, 0.0]))
    0.125
    """
    gaps = gaps[gaps != 0]
    if not len(gaps):
        return 1.0
    if exact := len(gaps) <= EXACT_PEOPLE:
        signs = 1 - 2 * (np.arange(2 ** len(gaps))[:, None] >> np.arange(len(gaps)) & 1)
    else:
        signs = np.random.default_rng(SEED).choice([-1, 1], size=(FLIPS, len(gaps)))
    extreme = int((np.abs(signs @ gaps) >= abs(gaps.sum()) - 1e-9).sum())
    return extreme / len(signs) if exact else (extreme + 1) / (len(signs) + 1)


def rank_biserial(gaps: Float64[np.ndarray, " people"]) -> float:
    """Share of rank sums in favour minus share against; 0 when nobody has a difference.

    >>> import numpy as np
    >>> rank_biserial(np.array([0.3, 0.2, -0.1, 0.0]))
    0.6666666666666666
    """
    from scipy import stats

    gaps = gaps[gaps != 0]
    if not len(gaps):
        return 0.0
    ranks = cast(np.ndarray, stats.rankdata(np.abs(gaps)))
    return float((ranks * np.sign(gaps)).sum() / ranks.sum())


def holm(ps: Sequence[float]) -> list[float]:
    """Corrects p values for how many there are (S. Holm, Scandinavian Journal of Statistics, 1979).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(ps, kind="stable")
    rising = np.maximum.accumulate(np.asarray(ps)[order] * np.arange(len(ps), 0, -1))
    return np.minimum(rising, 1)[np.argsort(order)].tolist()


@dataclass(frozen=True)
class Ranks:
    """What a critical-difference diagram shows (J. Demsar, Journal of Machine Learning Research, 2006).

    Attributes:
        people: How many.
        mean: Average rank of each model over people; 1 is best, equals share a rank.
        friedman_p: Of the test that all models are alike; None for fewer than three.
        critical_difference: Nemenyi's, at 0.05.
        cliques: Models among which no pair is distinguishable by Wilcoxon's test with Holm's correction (as
            A. Benavoli et al., same journal, 2016, advise), neighbours by rank; two or more each.
    """

    people: int
    mean: dict[str, float]
    friedman_p: float | None
    critical_difference: float
    cliques: list[list[str]]


def rank_models(names: Sequence[str], values: Float64[np.ndarray, "models people"], pairs: Sequence[Pair]) -> Ranks:
    """Ranks of two or more models, from a value a person (larger is better)."""
    from scipy import stats

    models, people = values.shape
    mean = cast(np.ndarray, stats.rankdata(-np.round(values, 9), axis=0)).mean(axis=1)
    alike = bool((np.round(values - values[0], 9) == 0).all())
    friedman = None
    if models > 2:
        friedman = 1.0 if alike else float(cast(Any, stats.friedmanchisquare(*np.round(values, 9))).pvalue)
    studentized = float(stats.studentized_range.ppf(0.95, models, np.inf)) / np.sqrt(2)
    critical = float(studentized * np.sqrt(models * (models + 1) / (6 * people)))
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if pair.distinguishable}
    line = [names[int(at)] for at in np.argsort(mean, kind="stable")]
    cliques: list[list[str]] = []
    for start in range(models):
        end = start + 1
        while end < models and not any(frozenset((each, line[end])) in apart for each in line[start:end]):
            end += 1
        if end - start > 1 and not (cliques and set(line[start:end]) <= set(cliques[-1])):
            cliques.append(line[start:end])
    return Ranks(people, dict(zip(names, mean.tolist(), strict=True)), friedman, critical, cliques)
