"""Joined results in words and cells; console and Markdown say the same."""

from typing import Any

from gesturelab.report.overfitting import band
from gesturelab.report.verdict import p_value, points
from gesturelab.report.words import percent


def interval(value: dict[str, Any]) -> str:
    """A score in per cent with its interval, without the sign.

    >>> interval({"value": 0.884, "low": 0.801, "high": 0.9321})
    '88.4 (80.1-93.2)'
    """
    if value["value"] is None:
        return "-"
    shown = f"{100 * value['value']:.1f}"
    return shown if value["low"] is None else f"{shown} ({100 * value['low']:.1f}-{100 * value['high']:.1f})"


PART_COLUMNS = ("", "people", "rec.", "accuracy", "balanced", "macro F1", "ECE")
"""Of the table of a joined result."""

SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error")

PART_NOTE = (
    "In per cent, in brackets 95 % intervals from a bootstrap over people (BCa, 5,000 draws; rough for fewer than ten "
    "people). balanced: mean recall over gestures; ECE: expected calibration error, 15 bins of equal width (a peer's "
    "scores are no probabilities); mean over people: of each one's accuracy."
)


def parts(result: dict[str, Any], *, wide: bool = False) -> list[tuple[str, ...]]:
    """The rows of the table of a joined result; where it may be wide, all scores have intervals."""
    several = len(result["seeds"]) > 1
    named = [(result["candidate"], result["all"])]
    named += [(f"ensemble of {len(result['seeds'])} seeds", result["ensemble"])] if several else []
    for kind in ("by_group", "by_correctness", "by_group_and_correctness"):
        named += list(result[kind].items()) if len(result[kind]) > 1 or kind == "by_group" else []
    rows: list[tuple[str, ...]] = []
    for name, part in named:
        label = name if part is result["all"] else f"  {name}"
        scores = [interval(part[key]) for key in SHOWN]
        sizes = (str(part["people"]), str(part["recordings"]))
        rows.append((label, *sizes, *scores[:2], *(one if wide else one.split(" (")[0] for one in scores[2:])))
        if part is result["all"]:
            rows.append(("  mean over people", "", "", interval(part["person_accuracy"]), "", "", ""))
    return rows


def details(results: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Accuracy of each size in per cent by posture, gesture and person: label, recordings, one value a size."""
    rows: list[tuple[str, ...]] = []
    for kind in ("by_posture", "by_gesture", "by_person"):
        names = list(dict.fromkeys(name for result in results for name in result[kind]))
        for name in sorted(names) if kind == "by_person" else names:
            found = [result[kind].get(name) for result in results]
            one = next(part for part in found if part is not None)
            group = one.get("group")
            label = f"{name} ({group})" if group else name
            shown = ["" if part is None else f"{100 * _accuracy(part):.1f}" for part in found]
            rows.append((f"{kind.removeprefix('by_')} {label}", str(one["recordings"]), *shown))
    return rows


def _accuracy(part: dict[str, Any]) -> float:
    return part["accuracy"]["value"] if isinstance(part["accuracy"], dict) else part["accuracy"]


def completeness(result: dict[str, Any]) -> str:
    """How many folds and seeds a joined result has, and whom it lacks."""
    seeds = [one["seed"] for one in result["seeds"]]
    said = f"{result['candidate']}: {len(result['folds'])} of {result['planned_folds']} folds, "
    said += f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    if result["seed_deviation"] is not None:
        accuracies = ", ".join(percent(one["accuracy"]) for one in result["seeds"])
        said += f" (accuracy {accuracies}; standard deviation {100 * result['seed_deviation']:.1f} points)"
    if result["partial"]:
        said += f". PARTIAL: not tested yet: {', '.join(result['missing_people']) or 'some people'}"
    spread = round(result["train_accuracy"] - result["all"]["accuracy"]["value"], 9)
    return f"{said}. Train minus test accuracy {percent(spread)}: {band(spread)}."


def confidence(result: dict[str, Any]) -> str:
    """What leaving out the least confident recordings gives, and what calibration does; of a peer, what it is."""
    if result["peer"]:
        return f"{result['candidate']} is a peer: a method from elsewhere on the same folds and recordings."
    said = f"{result['candidate']}, answering the most confident recordings only: "
    shares: list[str] = []
    for one in result["answered"][1:]:
        groups = ", ".join(
            f"{group} {percent(part['accuracy'])} of {percent(part['coverage'])}"
            for group, part in one["by_group"].items()
        )
        share = f"accuracy {percent(one['accuracy'])} at {100 * one['coverage']:.0f} % coverage"
        shares.append(f"{share} ({groups})" if groups else share)
    said += "; ".join(shares)
    if result["calibrated_error"] is not None:
        before, after = result["all"]["calibration_error"], result["calibrated_error"]
        said += f". Calibration error {100 * before['value']:.1f} %, with temperatures fitted on validation people "
        said += f"{interval(after)} %"
    return said + "."


def pairs(item: dict[str, Any]) -> list[tuple[str, ...]]:
    """The rows of the table of pairs: which, difference in points with interval, effect, p, adjusted p."""
    return [
        (
            f"{pair['first']} minus {pair['second']}",
            f"{points(pair['difference'])} ({points(pair['low'])} to {points(pair['high'])})",
            f"{pair['effect']:+.2f}",
            p_value(pair["p"]),
            p_value(pair["adjusted"]),
            "different" if pair["distinguishable"] else "not distinguishable",
        )
        for pair in item["pairs"]
    ]


PAIR_COLUMNS = ("pair", "difference in points", "effect", "p", "Holm", "verdict")


def pair_note(item: dict[str, Any]) -> str:
    """How the pairs were tested."""
    people, recordings = item["pairs"][0]["people"], item["pairs"][0]["recordings"]
    return (
        f"Accuracy a person, on the {recordings:,} recordings of {people} people that all were tested on; "
        "Wilcoxon's signed-rank test (exact), Holm's correction (pairs with a peer apart); effect: matched-pairs "
        "rank-biserial correlation, -1 to 1."
    )


def ranks(item: dict[str, Any]) -> str:
    """Mean ranks, best first, with the critical difference."""
    found = item["ranks"]
    line = sorted(found["mean"].items(), key=lambda one: one[1])
    said = "Mean ranks over people (1 is best): " + ", ".join(f"{name} {rank:.2f}" for name, rank in line)
    said += f"; critical difference (Nemenyi, 0.05) {found['critical_difference']:.2f}"
    if found["friedman_p"] is not None:
        said += f"; Friedman's test that all are alike: p = {p_value(found['friedman_p'])}"
    return said + "."
