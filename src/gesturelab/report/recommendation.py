"""Which size to take, in plain words."""

from collections.abc import Sequence
from dataclasses import replace

from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report.results import CandidateResult, PairResult
from gesturelab.report.texts import p_value, points, share


def select_model(results: Sequence[CandidateResult], pairs: Sequence[PairResult]) -> list[str]:
    """Which size to take: the smallest that does not differ from the one with the best validation accuracy.

    Args:
        results: Of sizes.
        pairs: Of the same.
    """
    if len(results) < 2 or not pairs:
        return []
    metric = primary_metric(results[0].target).title
    people = pairs[0].people
    partial = any(result.partial for result in results)
    sentences = ["Some folds are missing, so this verdict is provisional."] if partial else []
    if (needed := fewest_people(len(pairs))) > people:
        which = "two sizes" if len(results) == 2 else f"{len(results)} sizes"
        return [*sentences, f"{people} people are too few to tell {which} apart: at least {needed} are needed."]
    top, against, alike = _compare_with_best(results, pairs)
    name, chosen = top.candidate, _smallest(alike)
    if len(alike) == 1 and any(pair.difference < 0 for pair in against.values()):
        sentences.append(f"Validation and test people disagree: {name} has the best validation {metric}.")
    elif len(alike) == 1:
        alone = "no other size is as good as far as one can tell"
        sentences.append(f"{name} has the best validation {metric}, and {alone}. Take {name}.")
    else:
        names = [result.candidate for result in alike]
        listed = f"{', '.join(names[:-1])} and {names[-1]}"
        start = f"{listed} are not distinguishable on these {people} people; take {chosen.candidate}: "
        if chosen is top:
            reason = f"it has the fewest parameters of them, and the best validation {metric}."
        else:
            reason = f"{share(chosen.parameters, top.parameters)} of {name}'s parameters. "
            reason += f"{name} minus {chosen.candidate}: {_difference(against[chosen.candidate], metric)}."
        sentences.append(start + reason)
    for other, pair in against.items():
        if _alike(pair):
            continue
        word = "better" if pair.difference < 0 else "worse"
        caution = " (choosing by these test people would be optimistic)" if pair.difference < 0 else ""
        doubt = "" if pair.distinguishable else "perhaps "
        difference = _difference(pair, metric)
        sentences.append(f"{other} is {doubt}{word} than {name}{caution}: {name} minus {other}: {difference}.")
    return sentences


def selected(results: Sequence[CandidateResult], pairs: Sequence[PairResult]) -> str | None:
    """The size that `select_model` says to take; None where it cannot say.

    Args:
        results: Of sizes.
        pairs: Of the same.
    """
    if len(results) < 2 or not pairs or fewest_people(len(pairs)) > pairs[0].people:
        return None
    _, against, alike = _compare_with_best(results, pairs)
    if len(alike) == 1 and any(pair.difference < 0 for pair in against.values()):
        return None
    return _smallest(alike).candidate


def _compare_with_best(
    results: Sequence[CandidateResult], pairs: Sequence[PairResult]
) -> tuple[CandidateResult, dict[str, PairResult], list[CandidateResult]]:
    """The size with the best validation accuracy, its pair with each other size, and those that do not differ."""
    top = _best(results)
    against = {other.candidate: _pair(top.candidate, other.candidate, pairs) for other in results if other is not top}
    return top, against, [result for result in results if result is top or _alike(against[result.candidate])]


def without_peers(
    results: Sequence[CandidateResult], pairs: Sequence[PairResult]
) -> tuple[list[CandidateResult], list[PairResult]]:
    """The sizes, and the pairs of them."""
    sizes = [result for result in results if not result.peer]
    names = {size.candidate for size in sizes}
    return sizes, [pair for pair in pairs if {pair.first, pair.second} <= names]


def _best(results: Sequence[CandidateResult]) -> CandidateResult:
    """The best by validation accuracy."""
    return min(results, key=lambda result: (-(result.validation_accuracy or 0), result.parameters, result.candidate))


def _smallest(results: Sequence[CandidateResult]) -> CandidateResult:
    return min(results, key=lambda result: (result.parameters, -(result.validation_accuracy or 0), result.candidate))


def beside_peers(results: Sequence[CandidateResult], pairs: Sequence[PairResult]) -> list[str]:
    """How the size with the best validation accuracy does beside methods from elsewhere, best first."""
    sizes = [result for result in results if not result.peer]
    peers = [result for result in results if result.peer]
    if not sizes or not peers or not pairs:
        return []
    own = _best(sizes).candidate
    target = sizes[0].target
    sentences: list[str] = []

    def accuracy(peer: CandidateResult) -> float:
        value = peer.scores["all"]["person_accuracy"] if target == "gesture" else peer.primary
        return value["value"] or 0

    for peer in sorted(peers, key=accuracy, reverse=True):
        pair = _pair(own, peer.candidate, pairs)
        word = "better than" if pair.difference > 0 else "worse than"
        word = word if pair.distinguishable else "not distinguishable from"
        kind = "baseline" if peer.baseline else "peer"
        sentences.append(
            f"{own} is {word} {peer.candidate}, a {kind}, on these {pair.people} people: "
            f"{own} minus {peer.candidate}: {_difference(pair, primary_metric(target).title)}."
        )
    return sentences


def _alike(pair: PairResult) -> bool:
    """Neither the test nor the interval tells the two sizes apart."""
    within = pair.low is None or pair.high is None or pair.low <= 0 <= pair.high
    return within and not pair.distinguishable


def fewest_people(pairs: int) -> int:
    """With fewer people no pair can be told apart at 0.05: a signed-rank test of n people gives 2 / 2**n at best.

    >>> fewest_people(1), fewest_people(15)
    (6, 10)
    """
    people = 1
    while pairs * 2 / 2**people >= 0.05:
        people += 1
    return people


def _pair(first: str, second: str, pairs: Sequence[PairResult]) -> PairResult:
    """The pair of two sizes, with the difference taken first minus second."""
    for pair in pairs:
        if (pair.first, pair.second) == (first, second):
            return pair
        if (pair.first, pair.second) == (second, first):
            low, high = (None if end is None else -end for end in (pair.high, pair.low))
            return replace(pair, difference=-pair.difference, effect=-pair.effect, low=low, high=high)
    raise AssertionError(f"every pair of sizes was compared, but not {first} and {second}")


def _difference(pair: PairResult, metric: str) -> str:
    """Points of the primary metric, with the interval and the test."""
    between = f"{points(pair.low)} to {points(pair.high)}"
    return f"{points(pair.difference)} points of {metric} ({between}), p = {p_value(pair.adjusted)}"
