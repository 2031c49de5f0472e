"""The layout of ``search.json``, schema 1: what a search tried, and the results."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, TypedDict, cast

from gesturelab.files import read_json
from gesturelab.json_types import odd_value

SEARCH_SCHEMA = 1
SEARCH = "search.json"
FEWEST = 10
"""Completed trials below which no importance is computed."""


class TrialOutcome(StrEnum):
    """How a trial ended."""

    running = "running"
    """Not ended, or interrupted: the same command resumes it."""
    completed = "completed"
    pruned = "pruned"
    """Given up, because others did better after as many epochs."""
    diverged = "diverged"
    """Its loss was not finite; Optuna calls it failed."""
    failed = "failed"


class TrialResult(TypedDict):
    """One trial."""

    number: int
    """From 0, in the order they were proposed."""
    state: str
    value: float | None
    """The objective, a mean if a trial is several runs; null unless it is completed."""
    params: dict[str, Any]
    folders: list[str]
    """Of its runs, in the sweep's folder. Trials with the same parameters share them."""
    epochs: list[int]
    """That each run was trained."""
    reason: str
    """Why it is not completed."""


class Search(TypedDict):
    """The whole file."""

    schema: int
    name: str
    objective: str
    """A score of validation people, of the epoch with the lowest validation loss; test people play no part."""
    maximise: bool
    n_trials: int
    average_over: list[str]
    sampler: str
    pruner: str
    space: dict[str, str]
    """Each key that is searched, and what it may be, in words."""
    best: TrialResult | None
    command: str | None
    """Trains the best trial anew."""
    importances: dict[str, float]
    """Each key's share in how good a trial is; they sum to 1, the most important first."""
    importances_missing: str
    """Why there are none."""
    trials: list[TrialResult]


def best_of(trials: Sequence[TrialResult], *, maximise: bool) -> TrialResult | None:
    """The completed trial with the best value, the first of equals."""
    completed = [trial for trial in trials if trial["state"] == TrialOutcome.completed]
    return min(completed, key=lambda trial: (trial["value"] or 0.0) * (-1 if maximise else 1), default=None)


def count_trials(trials: Sequence[TrialResult]) -> str:
    """How many ended in which way.

    >>> count_trials([])
    '0 trials'
    """
    counts = Counter(trial["state"] for trial in trials)
    total = f"{len(trials)} trial{'' if len(trials) == 1 else 's'}"
    parts = ", ".join(f"{counts[state]} {state}" for state in TrialOutcome if counts[state])
    return f"{total}: {parts}" if parts else total


def trial_name(number: int) -> str:
    """What a trial is called.

    >>> trial_name(7)
    'trial=0007'
    """
    return f"trial={number:04d}"


def summarise(search: Search) -> list[str]:
    """Lines for the end of a search."""
    lines = [
        f"{trial['state']:<9} {trial_name(trial['number'])}  {trial['reason']}"
        for trial in search["trials"]
        if trial["state"] in (TrialOutcome.failed, TrialOutcome.diverged)
    ]
    lines.append(count_trials(search["trials"]))
    best = search["best"]
    if best is None or best["value"] is None:
        return [*lines, "no trial is completed, so there is no best one"]
    lines.append(f"best: {trial_name(best['number'])}  {search['objective']} {best['value']:.4f}")
    lines += [f"  {key} = {value}" for key, value in best["params"].items()]
    lines.append(f"train it with: {search['command']}")
    shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in search["importances"].items())
    lines.append(f"importance (PED-ANOVA): {shares or search['importances_missing']}")
    return lines


def read_search(root: Path) -> Search | None:
    """What a sweep's ``search.json`` says; None if there is none, or none that this version can read."""
    try:
        values = read_json(root / SEARCH)
    except (OSError, ValueError):
        return None
    return cast(Search, values) if _is_search(values) else None


def _is_search(values: Any) -> bool:
    if not isinstance(values, dict) or values.get("schema") != SEARCH_SCHEMA:
        return False
    if not values.keys() >= Search.__required_keys__ or odd_value(values, Search):
        return False
    trials: list[Any] = [*values["trials"], *([] if values["best"] is None else [values["best"]])]
    return all(trial.keys() >= TrialResult.__required_keys__ for trial in trials)
