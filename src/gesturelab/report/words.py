"""Numbers and findings of a comparison in words; console and Markdown say the same."""

import json
from collections.abc import Mapping
from typing import Any

from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report.overfitting import ADVICE, BANDS

BALANCED = (
    "Correct or incorrect: the accuracies of sides are balanced accuracies, the mean of sensitivity (incorrect ones "
    "found) and specificity (correct ones left alone). A dash: one class only, so there is none. Length alone calls "
    "long recordings incorrect (threshold of the training people); the majority class is said of everything."
)
"""Below tables of data.target=correctness."""


BASELINES = {"length": "length alone", "majority": "majority class"}
"""What the trivial answers of an info file are called in tables."""


def of_row(row: Mapping[str, Any], side: str, level: str = "recording") -> float | None:
    """The primary metric of one side and level of a run (as `gesturelab.report.table.Row`)."""
    return row[f"{side}_{level}_{primary_metric(row['target']).name}"]


def percent(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal; a dash where there is none.

    >>> percent(0.884), percent(None)
    ('88.4 %', '-')
    """
    if fraction is None:
        return "-"
    return f"{100 * fraction + 0.0:.1f} %".replace("-0.0", "0.0")


def count(parameters: int) -> str:
    """A number of parameters, readable.

    >>> [count(n) for n in (1234, 499_912, 1_503_100, 35_000_000)]
    ['1,234', '500 K', '1.50 M', '35.00 M']
    """
    if parameters < 10_000:
        return f"{parameters:,}"
    return f"{parameters / 1e3:.0f} K" if parameters < 999_500 else f"{parameters / 1e6:.2f} M"


def duration(seconds: float) -> str:
    """A time, in the two units that matter.

    >>> [duration(s) for s in (4.26, 75, 3725)]
    ['4.3 s', '1 min 15 s', '1 h 02 min']
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def marks(item: dict[str, Any]) -> str:
    """LEAKY and SYNTHETIC, as far as they apply to a group or recommendation."""
    return " ".join(mark for mark in ("LEAKY", "SYNTHETIC") if item[mark.lower()])


def heading(group: dict[str, Any]) -> str:
    """What the runs of a group share."""
    options = ", ".join(f"{key} {_option(value)}" for key, value in group["split"]["options"].items() if key != "kind")
    split = group["split"]["kind"] + (f" ({options})" if options else "")
    task = [] if group.get("target", "gesture") == "gesture" else [f"{group['target']}"]
    parts = [f"Group {group['group']}", *task, f"data {group['data']}", f"split {split}", marks(group)]
    return " | ".join(part for part in parts if part)


def _option(value: Any) -> str:
    if isinstance(value, list) and len(value) > 3:
        return f"[{len(value)} values]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def people(group: dict[str, Any]) -> str:
    """How many people are on each side."""
    sides = {side: len(subjects) for side, subjects in group["people"].items()}
    if group["folded"]:
        return f"People: {sides['test']} tested, each by models that never saw that person."
    return f"People: {sides['train']} train, {sides['validation']} validation, {sides['test']} test."


def recommendation(item: dict[str, Any], verdict: bool = False) -> list[str]:
    """What is recommended and why, then the choice by test accuracy, marked as optimistic.

    Args:
        item: A recommendation, as `gesturelab.report.table.comparison` gives it.
        verdict: A verdict on joined folds says what to take, so only the best validation accuracy is said.
    """
    chosen, top = item["recommended"], item["best_by_test"]
    if not item["candidates"]:
        return ["Nothing is recommended: there are only peers here, methods from elsewhere."]
    name = primary_metric(item.get("target", "gesture")).title
    if chosen is None:
        return ["Nothing can be recommended: no fold was run with every size, so each was tested on other people."]
    said = (
        f"{chosen['candidate']} ({count(chosen['parameters'])} parameters, {_seeds(chosen)}) "
        f"with validation {name} {percent(chosen['validation_accuracy'])}; "
        f"its test {name} is {percent(chosen['test_accuracy'])}."
    )
    if verdict:
        return [
            f"Highest validation {name} of recordings: {chosen['candidate']} "
            f"with {percent(chosen['validation_accuracy'])} ({_seeds(chosen)})."
        ]
    start = f"Recommended (by validation {name} of recordings): "
    if item["leaky"]:
        start = f"LEAKY, the number means nothing for new people; highest validation {name} of recordings: "
    elif item["synthetic"]:
        start = f"Recommended for SYNTHETIC motion only (by validation {name} of recordings): "
    if item["candidates"] == 1:
        start = "Nothing to choose from, the only one here. " + start
    if top["candidate"] == chosen["candidate"]:
        second = f"Best by test {name} (an optimistic way to choose): the same."
    else:
        second = (
            f"Best by test {name}: {top['candidate']} ({_seeds(top)}) with {percent(top['test_accuracy'])}. "
            "OPTIMISTIC choice: it was picked by looking at the test people."
        )
    return [start + said, second]


def _seeds(candidate: dict[str, Any]) -> str:
    seeds, runs = candidate["seeds"], candidate["runs"]
    listed = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return listed if runs == 1 else f"mean of {runs} runs, {listed}"


def apart(groups: list[dict[str, Any]]) -> list[str]:
    """Why groups are not compared with the first."""
    return [
        f"Group {group['group']} is not compared with group 1: {'; '.join(group['differs'])}." for group in groups[1:]
    ]


def singles(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What is said of overfitting run by run: of all runs but folds that were joined, whose gap is said with them."""
    folded = {item["group"] for item in report["joined"] if item["results"]}
    groups = {row["run"]: row["group"] for row in report["runs"]}
    return [item for item in report["overfitting"] if groups[item["run"]] not in folded]


def overfitting(report: dict[str, Any]) -> list[str]:
    """What the gap is, its bands, the advice for severe ones, and what a leaky split does to it."""
    targets = dict.fromkeys(group.get("target", "gesture") for group in report["groups"])
    names = " or ".join(primary_metric(target).title for target in targets)
    said = [f"Gap = train minus test {names or 'accuracy'}, judged on recordings: {BANDS}."]
    severe = [str(item["run"]) for item in singles(report) if item["band"] == "severe"]
    if severe:
        said.append(f"Severe ({', '.join('#' + run for run in severe)}): try a {ADVICE}.")
    if any(group["leaky"] for group in report["groups"]):
        said.append("In LEAKY groups the gap hides what is learned about single people by heart.")
    return said
