"""One row a run, and the whole comparison as plain values."""

import json
from collections.abc import Callable, Collection
from typing import Any, TypedDict, cast

import pandas as pd

from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report import findings
from gesturelab.report.collect import SIDES, Unread
from gesturelab.report.cost import Latencies, cost
from gesturelab.report.groups import Candidate, Group, best, differences, flags, split_name
from gesturelab.report.joined import flat, joined
from gesturelab.report.overfitting import ADVICE, UNDEFINED, band, gap
from gesturelab.report.words import of_row
from gesturelab.runs.info import LEAKY, SYNTHETIC

COMPARISON_SCHEMA = 1
"""Version of the JSON form of a comparison."""


class Row(TypedDict):
    """One run. Accuracies are fractions, losses nats, levels ``window`` and ``recording``."""

    run: int
    """Its number in this comparison, from 1."""
    folder: str
    """The shortest end of its path that no other run shares."""
    path: str
    name: str
    model: str
    """The size, or the peer's method."""
    peer: bool
    """Of a method from elsewhere; it has no validation scores."""
    parameters: int
    group: int
    """Runs of one group may be compared."""
    candidate: str
    """Runs of one group and candidate differ in the seed only."""
    train_recording_accuracy: float
    validation_recording_accuracy: float | None
    test_recording_accuracy: float
    train_window_accuracy: float
    validation_window_accuracy: float | None
    test_window_accuracy: float
    target: str
    """gesture or correctness; of correctness balanced accuracy leads, and null says that a class is missing there."""
    train_recording_balanced_accuracy: float | None
    validation_recording_balanced_accuracy: float | None
    test_recording_balanced_accuracy: float | None
    train_window_balanced_accuracy: float | None
    validation_window_balanced_accuracy: float | None
    test_window_balanced_accuracy: float | None
    test_sensitivity: float | None
    """Of recordings; this and the next four only of correctness."""
    test_specificity: float | None
    test_roc_auc: float | None
    length_balanced_accuracy: float | None
    """Of length alone, on the same test recordings."""
    majority_balanced_accuracy: float | None
    train_recording_loss: float
    validation_recording_loss: float | None
    test_recording_loss: float
    train_window_loss: float
    validation_window_loss: float | None
    test_window_loss: float
    seconds: float
    """Training time."""
    epochs: int
    best_epoch: int
    """From 0."""
    split: str
    """Kind, and fold if there is one."""
    data: str
    fingerprint: str
    seed: int
    flags: str
    """LEAKY, SYNTHETIC, both (with a space between) or nothing."""
    findings: str
    """Names of what the training found about itself, with spaces between."""


def rows(groups: list[Group]) -> list[Row]:
    """One row a run, group by group and by parameters."""
    placed = [(group, candidate, run) for group in groups for candidate in group.candidates for run in candidate.runs]
    found: list[Row] = []
    for number, (group, candidate, run) in enumerate(placed, 1):
        info = run.info
        train, validation, test = (cast(Any, info["metrics"]).get(side) for side in ("train", "validation", "test"))
        found.append(
            Row(
                run=number,
                folder=run.label,
                path=str(run.path),
                name=info["name"],
                model=info["model"]["size"],
                peer=candidate.peer,
                parameters=info["model"]["parameters"],
                group=group.number,
                candidate=candidate.label,
                train_recording_accuracy=train["recording"]["accuracy"],
                validation_recording_accuracy=validation and validation["recording"]["accuracy"],
                test_recording_accuracy=test["recording"]["accuracy"],
                train_window_accuracy=train["window"]["accuracy"],
                validation_window_accuracy=validation and validation["window"]["accuracy"],
                test_window_accuracy=test["window"]["accuracy"],
                target=group.target,
                train_recording_balanced_accuracy=_maybe(train, "recording", "balanced_accuracy"),
                validation_recording_balanced_accuracy=_maybe(validation, "recording", "balanced_accuracy"),
                test_recording_balanced_accuracy=_maybe(test, "recording", "balanced_accuracy"),
                train_window_balanced_accuracy=_maybe(train, "window", "balanced_accuracy"),
                validation_window_balanced_accuracy=_maybe(validation, "window", "balanced_accuracy"),
                test_window_balanced_accuracy=_maybe(test, "window", "balanced_accuracy"),
                test_sensitivity=_maybe(test, "recording", "sensitivity"),
                test_specificity=_maybe(test, "recording", "specificity"),
                test_roc_auc=_maybe(test, "recording", "roc_auc"),
                length_balanced_accuracy=_maybe(info.get("baselines"), "length", "balanced_accuracy"),
                majority_balanced_accuracy=_maybe(info.get("baselines"), "majority", "balanced_accuracy"),
                train_recording_loss=train["recording"]["loss"],
                validation_recording_loss=validation and validation["recording"]["loss"],
                test_recording_loss=test["recording"]["loss"],
                train_window_loss=train["window"]["loss"],
                validation_window_loss=validation and validation["window"]["loss"],
                test_window_loss=test["window"]["loss"],
                seconds=info["training"]["seconds"],
                epochs=info["training"]["epochs"],
                best_epoch=info["training"]["best_epoch"],
                split=split_name(info),
                data=info["data"]["source"],
                fingerprint=info["data"]["fingerprint"],
                seed=info["seed"],
                flags=" ".join(flags(info)),
                findings=" ".join(findings.names(info)),
            )
        )
        cast(dict[str, Any], found[-1]).update(_further(test["recording"]))
    return found


def _further(scores: dict[str, float | None]) -> dict[str, float | None]:
    """Metrics of test recordings that have no key in `Row`: newer ones, and users' own."""
    return {
        f"test_recording_{name}": value
        for name, value in scores.items()
        if name != "count" and not {f"test_recording_{name}", f"test_{name}"} & set(Row.__annotations__)
    }


def _maybe(scores: Any, level: str, key: str) -> float | None:
    """A score that not every run has."""
    return None if not scores or level not in scores else scores[level].get(key)


def frame(groups: list[Group]) -> pd.DataFrame:
    """The rows as a table; its columns are those of `Row`, also when there is no run, and further metrics."""
    table = rows(groups)
    further = dict.fromkeys(key for row in table for key in row if key not in Row.__annotations__)
    return pd.DataFrame(table, columns=[*Row.__annotations__, *further])


def joined_frame(items: list[dict[str, Any]]) -> pd.DataFrame:
    """Joined results as a table: one row a size and part (see `gesturelab.report.joined.flat`)."""
    return pd.DataFrame(flat(items), columns=None if any(item["results"] for item in items) else ["group", "part"])


def overfitting(row: Row) -> dict[str, Any]:
    """Gaps (train minus test accuracy, fractions), the band of the recording level's, and advice if it is severe.

    Of correctness, of balanced accuracy; null where a side has one class only.
    """
    recording = _gap(row, "recording")
    word = UNDEFINED if recording is None else band(recording)
    return {
        "run": row["run"],
        "recording_gap": recording,
        "window_gap": _gap(row, "window"),
        "band": word,
        "advice": ADVICE if word == "severe" else None,
    }


def _gap(row: Row, level: str) -> float | None:
    train, test = of_row(row, "train", level), of_row(row, "test", level)
    return None if train is None or test is None else gap(train, test)


def comparison(
    groups: list[Group], unread: list[Unread], latencies: Latencies | None = None, trust: Collection[str] = ()
) -> dict[str, Any]:
    """Everything, as plain values that JSON can hold.

    Args:
        groups: Of runs that may be compared.
        unread: Runs that cannot.
        latencies: How long a window takes with each size; None where it was not measured.
        trust: Functions of users' metrics that may be called, though only info files name them.

    Returns:
        ``schema``: 1.
        ``runs``: as `Row`.
        ``groups``: ``group`` (number), ``runs`` (numbers), ``target`` (gesture or correctness), ``lead`` (the score
        that leads: accuracy, or balanced_accuracy of correctness, also where a key below says accuracy), ``data``,
        ``fingerprint``, ``split`` (``kind``, ``options``), ``folded`` (the runs are folds), ``people`` (by side; over
        all folds), ``leaky``, ``synthetic``, ``warnings``, ``differs`` (why it is not compared with group 1). A
        ``peer`` is a method from elsewhere.
        ``recommendations``, one a group: ``group``, ``leaky``, ``synthetic``, ``chosen_by``, ``candidates`` (how many),
        ``recommended`` and ``best_by_test`` (each ``size``, ``candidate``, ``parameters``, ``seeds``, ``runs``, and
        ``train_accuracy``, ``validation_accuracy``, ``test_accuracy``: means over the runs, of recordings; the second
        also ``optimistic``: true).
        ``joined``, one a group of folds: as `gesturelab.report.joined.joined`.
        ``costs``, one a group: as `gesturelab.report.cost.cost`.
        ``overfitting``, one a run: as `overfitting`.
        ``unfinished``: ``path``, ``size``, ``state`` (unfinished or unreadable), ``reason``.
    """
    table = rows(groups)
    together = {group.number: joined(group, trust) for group in groups if group.folded}
    chosen = {group.number: _recommendation(group) for group in groups}
    return {
        "schema": COMPARISON_SCHEMA,
        "runs": table,
        "groups": [_group(group, groups[0], table) for group in groups],
        "recommendations": list(chosen.values()),
        "joined": list(together.values()),
        "costs": [
            cost(group, together.get(group.number), chosen[group.number]["recommended"], latencies or {})
            for group in groups
        ],
        "overfitting": [overfitting(row) for row in table],
        "unfinished": [
            {"path": str(run.path), "size": run.size, "state": run.state, "reason": run.reason} for run in unread
        ],
    }


def _group(group: Group, first: Group, table: list[Row]) -> dict[str, Any]:
    numbers = [row["run"] for row in table if row["group"] == group.number]
    return {
        "group": group.number,
        "runs": numbers,
        "target": group.target,
        "lead": primary_metric(group.target).name,
        "data": group.data,
        "fingerprint": group.basis.fingerprint,
        "split": {"kind": group.basis.kind, "options": json.loads(group.basis.options)},
        "folded": group.folded,
        "people": {
            side: sorted({person for run in group.runs for person in run.info["split"][side]["subjects"]})
            for side in SIDES
        },
        "leaky": group.leaky,
        "synthetic": group.synthetic,
        "warnings": _warnings(group, numbers),
        "differs": differences(first.basis, group.basis),
    }


def _warnings(group: Group, numbers: list[int]) -> list[str]:
    """What must be said of the group's numbers; with the runs' numbers where it is not true of all."""
    found: dict[str, list[int]] = {text: numbers for text, applies in _CERTAIN.items() if applies(group)}
    for number, run in zip(numbers, group.runs, strict=True):
        for text in run.info["warnings"]:
            if text not in _CERTAIN and number not in found.setdefault(text, []):
                found[text].append(number)
    return [
        text if which == numbers else f"{', '.join(f'#{number}' for number in which)}: {text}"
        for text, which in found.items()
    ]


_CERTAIN: dict[str, Callable[[Group], bool]] = {
    LEAKY: lambda group: group.leaky,
    SYNTHETIC: lambda group: group.synthetic,
}


def _recommendation(group: Group) -> dict[str, Any]:
    those = group.on_shared_folds
    return {
        "group": group.number,
        "leaky": group.leaky,
        "synthetic": group.synthetic,
        "target": group.target,
        "chosen_by": f"validation {primary_metric(group.target).title} of recordings",
        "candidates": len(group.sizes),
        "recommended": _candidate(best(those, "validation")) if those else None,
        "best_by_test": {**_candidate(best(those, "test")), "optimistic": True} if those else None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "size": candidate.size,
        "candidate": candidate.label,
        "parameters": candidate.parameters,
        "seeds": candidate.seeds,
        "runs": len(candidate.runs),
        **{f"{side}_accuracy": candidate.score(side) for side in SIDES},
    }
