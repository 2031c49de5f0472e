"""Which size to take, in plain words."""

from collections.abc import Sequence
from typing import Any

from gesturelab.evaluation.metrics import primary_metric

SHARES = (
    (1 / 2, "half"),
    (1 / 3, "a third"),
    (2 / 3, "two thirds"),
    (1 / 4, "a quarter"),
    (3 / 4, "three quarters"),
    (1 / 5, "a fifth"),
    (1 / 10, "a tenth"),
)


def verdict(results: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> list[str]:
    """Which size to take: the smallest that cannot be told from the one with the best validation accuracy.

    Args:
        results: As `gesturelab.report.joined.joined` gives them.
        pairs: The same.
    """
    if len(results) < 2 or not pairs:
        return []
    what = primary_metric(results[0].get("target", "gesture")).title
    people = pairs[0]["people"]
    said = ["Some folds are missing, so this verdict is provisional."] if any(one["partial"] for one in results) else []
    top = _best(results)
    name = top["candidate"]
    if (needed := fewest_people(len(pairs))) > people:
        which = "two sizes" if len(results) == 2 else f"{len(results)} sizes"
        return [*said, f"{people} people are too few to tell {which} apart: at least {needed} are needed."]
    against = {one["candidate"]: _from(name, one["candidate"], pairs) for one in results if one is not top}
    alike = [one for one in results if one is top or _alike(against[one["candidate"]])]
    chosen = _smallest(alike)
    if len(alike) == 1 and any(not _alike(pair) and pair["difference"] < 0 for pair in against.values()):
        said.append(f"Validation and test people disagree: {name} has the best validation {what}.")
    elif len(alike) == 1:
        said.append(f"{name} has the best validation {what}, and no other size is as good as far as one can tell.")
        said[-1] += f" Take {name}."
    else:
        names = _listed([one["candidate"] for one in alike])
        said.append(f"{names} are not distinguishable on these {people} people; take {chosen['candidate']}")
        if chosen is not top:
            said[-1] += f": {share(chosen['parameters'], top['parameters'])} of {name}'s parameters"
            said[-1] += f". {name} minus {chosen['candidate']}: {_difference(against[chosen['candidate']], what)}."
        else:
            said[-1] += f": it has the fewest parameters of them, and the best validation {what}."
    for other, pair in against.items():
        if _alike(pair):
            continue
        word = "better" if pair["difference"] < 0 else "worse"
        caution = " (choosing by these test people would be optimistic)" if pair["difference"] < 0 else ""
        doubt = "" if pair["distinguishable"] else "perhaps "
        said.append(f"{other} is {doubt}{word} than {name}{caution}: {name} minus {other}: {_difference(pair, what)}.")
    return said


def taken(results: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> str | None:
    """The size that the verdict says to take; None where it cannot say.

    Args:
        results: As `gesturelab.report.joined.joined` gives them, of sizes.
        pairs: The same.
    """
    if len(results) < 2 or not pairs or fewest_people(len(pairs)) > pairs[0]["people"]:
        return None
    top = _best(results)
    against = [_from(top["candidate"], one["candidate"], pairs) for one in results if one is not top]
    if all(not _alike(pair) for pair in against) and any(pair["difference"] < 0 for pair in against):
        return None
    alike = [one for one in results if one is top or _alike(_from(top["candidate"], one["candidate"], pairs))]
    return _smallest(alike)["candidate"]


def _best(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The best by validation accuracy."""
    return min(results, key=lambda one: (-(one["validation_accuracy"] or 0), one["parameters"], one["candidate"]))


def _smallest(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return min(results, key=lambda one: (one["parameters"], -(one["validation_accuracy"] or 0), one["candidate"]))


def beside_peers(results: Sequence[dict[str, Any]], pairs: Sequence[dict[str, Any]]) -> list[str]:
    """How the size with the best validation accuracy does beside methods from elsewhere, best first.

    Args:
        results: As `gesturelab.report.joined.joined` gives them.
        pairs: The same.
    """
    sizes = [one for one in results if not one["peer"]]
    peers = [one for one in results if one["peer"]]
    if not sizes or not peers or not pairs:
        return []
    own = _best(sizes)["candidate"]
    target = sizes[0].get("target", "gesture")
    metric = primary_metric(target)
    what, score = metric.title, "person_accuracy" if target == "gesture" else metric.name
    said: list[str] = []
    for peer in sorted(peers, key=lambda one: -(one["all"][score]["value"] or 0)):
        pair = _from(own, peer["candidate"], pairs)
        word = "better than" if pair["difference"] > 0 else "worse than"
        word = word if pair["distinguishable"] else "not distinguishable from"
        kind = "baseline" if peer.get("baseline") else "peer"
        said.append(f"{own} is {word} {peer['candidate']}, a {kind}, on these {pair['people']} people: {own} minus ")
        said[-1] += f"{peer['candidate']}: {_difference(pair, what)}."
    return said


def _alike(pair: dict[str, Any]) -> bool:
    """Neither the test nor the interval tells the two sizes apart."""
    within = pair["low"] is None or pair["low"] <= 0 <= pair["high"]
    return within and not pair["distinguishable"]


def fewest_people(pairs: int) -> int:
    """With fewer people no pair can be told apart at 0.05: a signed-rank test of n people gives 2 / 2**n at best.

    >>> fewest_people(1), fewest_people(15)
    (6, 10)
    """
    people = 1
    while pairs * 2 / 2**people >= 0.05:
        people += 1
    return people


def _from(first: str, second: str, pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The pair of two sizes, with the difference taken first minus second."""
    for pair in pairs:
        if (pair["first"], pair["second"]) == (first, second):
            return pair
        if (pair["first"], pair["second"]) == (second, first):
            turned = {key: None if pair[key] is None else -pair[key] for key in ("difference", "effect", "low", "high")}
            return {**pair, **turned, "low": turned["high"], "high": turned["low"]}
    raise AssertionError(f"every pair of sizes was compared, but not {first} and {second}")


def _difference(pair: dict[str, Any], what: str) -> str:
    """Points of (balanced) accuracy, with the interval and the test."""
    return (
        f"{points(pair['difference'])} points of {what} ({points(pair['low'])} to {points(pair['high'])}), "
        f"p = {p_value(pair['adjusted'])}"
    )


def points(fraction: float | None) -> str:
    """A difference in points, signed.

    >>> points(0.0123), points(-0.004), points(0.0)
    ('+1.2', '-0.4', '0.0')
    """
    if fraction is None:
        return "?"
    shown = f"{100 * fraction:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown


def p_value(p: float) -> str:
    """A p value with as many digits as matter.

    >>> p_value(0.4312), p_value(0.0431), p_value(0.00001)
    ('0.43', '0.043', '<0.001')
    """
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def share(part: int, whole: int) -> str:
    """How much of the parameters a smaller size has.

    >>> share(1_500_000, 4_600_000), share(70, 1000)
    ('a third', '7 %')
    """
    ratio = part / whole
    near = [word for value, word in SHARES if abs(ratio / value - 1) < 0.08]
    return near[0] if near else f"{100 * ratio:.0f} %" if ratio >= 0.01 else f"{100 * ratio:.1f} %"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]])
