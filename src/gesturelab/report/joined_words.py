"""Joined results in words and cells; console and Markdown say the same."""

from collections.abc import Sequence
from typing import Any

from gesturelab.evaluation.metrics import Metric, metric_named, metrics_for, primary_metric, table_metrics
from gesturelab.report.overfitting import band
from gesturelab.report.recommendation import p_value, points
from gesturelab.report.words import percent

ACCURACY = primary_metric("gesture")


def interval(value: dict[str, Any], metric: Metric = ACCURACY) -> str:
    """A metric with its interval; of fractions in per cent, without the sign.

    >>> interval({"value": 0.884, "low": 0.801, "high": 0.9321})
    '88.4 (80.1-93.2)'
    """
    if value["value"] is None:
        return "-"
    shown = metric.show(value["value"])
    return shown if value["low"] is None else f"{shown} ({metric.show(value['low'])}-{metric.show(value['high'])})"


def columns_of(results: Sequence[dict[str, Any]]) -> tuple[Metric, ...]:
    """The metrics of the table of joined results, the primary one first, users' own last."""
    target = target_of(results[0]) if results else "gesture"
    builtin = {metric.name for metric in metrics_for(target)}
    names = dict.fromkeys(name for result in results for name in result["all"])
    guests = [name for name in names if name not in builtin and name not in ("recordings", "people")]
    return (*table_metrics(target), *(metric_named(name, target) for name in guests))


def metric_cell(part: dict[str, Any], metric: Metric) -> str:
    """A metric of a part with its interval; nothing where the part lacks the metric."""
    return interval(part[metric.name], metric) if metric.name in part else ""


INTERVALS = (
    "In per cent, in brackets 95 % intervals from a bootstrap over people (BCa, 5,000 draws; rough for fewer than ten "
    "people). "
)
PART_NOTES = {
    "gesture": "balanced: mean recall over gestures; ECE: expected calibration error, 15 bins of equal width (a peer's "
    "scores are no probabilities); mean over people: of each one's accuracy.",
    "correctness": "balanced accuracy: mean of sensitivity (incorrect ones found) and specificity (correct ones left "
    "alone); without both classes there is none (-). length alone: longer recordings are called incorrect, from a "
    "threshold that each fold fits on its training people; majority class: what most training recordings are; patient "
    "or not: whatever a patient does is called incorrect, everything else correct. All on exactly these recordings. "
    "Where nearly all incorrect movements are patients', telling who moves is worth much: look at patients alone.",
}


def target_of(item: dict[str, Any]) -> str:
    """What a joined group or one of its results recognises."""
    return item.get("target", "gesture")


def part_columns(item: dict[str, Any]) -> tuple[str, ...]:
    """Of the table of a joined result."""
    return ("", "people", "rec.", *(metric.heading or metric.title for metric in columns_of(item["results"])))


def part_note(item: dict[str, Any]) -> str:
    """What stands below that table."""
    return INTERVALS + PART_NOTES[target_of(item)]


def detail_name(item: dict[str, Any]) -> str:
    """What the table of postures, gestures and people shows; hardly anybody alone has a balanced accuracy."""
    return "accuracy" if target_of(item) == "gesture" else "balanced accuracy; of people accuracy"


def parts(
    result: dict[str, Any], columns: Sequence[Metric] | None = None, *, wide: bool = False
) -> list[tuple[str, ...]]:
    """The rows of the table of a joined result; where it may be wide, all scores have intervals."""
    shown = columns or columns_of([result])
    several = len(result["seeds"]) > 1
    named = [(result["candidate"], result["all"])]
    named += [(f"ensemble of {len(result['seeds'])} seeds", result["ensemble"])] if several else []
    of_gesture = target_of(result) == "gesture"
    kinds = ("by_group", "by_correctness", "by_group_and_correctness")
    for kind in kinds if of_gesture else kinds[:1]:  # sensitivity and specificity say the rest
        named += list(result[kind].items()) if len(result[kind]) > 1 or kind == "by_group" else []
    rows: list[tuple[str, ...]] = []
    for name, part in named:
        label = name if part is result["all"] else f"  {name}"
        scores = [metric_cell(part, metric) for metric in shown]
        sizes = (str(part["people"]), str(part["recordings"]))
        whole = len(scores) if wide else 2 if of_gesture else 1
        rows.append((label, *sizes, *scores[:whole], *(one.split(" (")[0] for one in scores[whole:])))
        if part is result["all"] and of_gesture:
            rows.append(("  mean over people", "", "", interval(part["person_accuracy"]), *[""] * (len(shown) - 1)))
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
            values = [None if part is None else _score(part, kind, target_of(results[0])) for part in found]
            shown = ["" if part is None else "-" if value is None else f"{100 * value:.1f}"
                     for part, value in zip(found, values, strict=True)]  # fmt: skip
            rows.append((f"{kind.removeprefix('by_')} {label}", str(one["recordings"]), *shown))
    return rows


def _score(part: dict[str, Any], kind: str, target: str) -> float | None:
    return part["accuracy"] if kind == "by_person" else part[primary_metric(target).name]["value"]


def told(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results that sentences are about: what baselines are stands below the table."""
    return [result for result in results if not result.get("baseline")]


def completeness(result: dict[str, Any]) -> str:
    """How many folds and seeds a joined result has, and whom it lacks."""
    seeds = [one["seed"] for one in result["seeds"]]
    said = f"{result['candidate']}: {len(result['folds'])} of {result['planned_folds']} folds, "
    said += f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    if result["seed_deviation"] is not None:
        accuracies = ", ".join(percent(one[primary_metric(target_of(result)).name]) for one in result["seeds"])
        name = primary_metric(target_of(result)).title
        said += f" ({name} {accuracies}; standard deviation {100 * result['seed_deviation']:.1f} points)"
    if result["partial"]:
        said += f". PARTIAL: not tested yet: {', '.join(result['missing_people']) or 'some people'}"
    train, test = result["train_accuracy"], result["all"][primary_metric(target_of(result)).name]["value"]
    if train is None or test is None:
        return f"{said}."
    spread = round(train - test, 9)
    return f"{said}. Train minus test {primary_metric(target_of(result)).title} {percent(spread)}: {band(spread)}."


def confidence(result: dict[str, Any]) -> str:
    """What leaving out the least confident recordings gives, and what calibration does; of a peer, what it is."""
    if result["peer"]:
        return f"{result['candidate']} is a peer: a method from elsewhere on the same folds and recordings."
    if not result["answered"]:
        before, after = result["all"]["calibration_error"], result["calibrated_error"]
        scaled = f", with temperatures fitted on validation people {interval(after)} %" if after else ""
        return f"{result['candidate']}: calibration error {interval(before)} %{scaled}."
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
    what, test = "Accuracy a person", "Wilcoxon's signed-rank test (exact)"
    if target_of(item) == "correctness":
        what, test = "What each person adds to balanced accuracy", "Pitman's randomisation test of signs"
    return (
        f"{what}, on the {recordings:,} recordings of {people} people that all were tested on; {test}, Holm's "
        "correction (pairs with a peer or baseline apart); effect: matched-pairs rank-biserial correlation, -1 to 1."
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
