"""From folders of runs to a comparison."""

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from gesturelab.report.collect import SUBSETS, Unread, collect
from gesturelab.report.cost import Latencies, cost_of
from gesturelab.report.cross_validation import cross_validate
from gesturelab.report.datasets import compare_datasets
from gesturelab.report.groups import Candidate, Group, best, differences, flags, group_runs, split_name
from gesturelab.report.learning_curve import compare_curves
from gesturelab.report.results import (
    BASELINE_SCORES,
    CORRECTNESS_SCORES,
    SUBSET_SCORES,
    Choice,
    Comparison,
    GroupComparison,
    Recommendation,
    RunRow,
)
from gesturelab.report.unknown import compare_unknown
from gesturelab.runs.info import LEAKY, SYNTHETIC, Info, training_sample


def compare(
    paths: Path | str | Iterable[Path | str],
    *,
    trust: Collection[str] = (),
    measure: Callable[[Sequence[Group]], Latencies] | None = None,
) -> Comparison:
    """Compares all finished runs below some folders, as ``gesturelab compare`` does.

    Runs that share recordings, split and people form a group; within it those that differ in fold and seed only are
    one candidate. Folds are joined into one result a candidate, with 95 % intervals over people. The recommendation
    goes by validation, never by test people.

    Args:
        paths: Folders that hold runs, such as ``outputs`` or ``multirun/sizes``.
        trust: Functions of metrics of your own that may be called, such as ``mypkg.least_recall``, though only info
            files name them; a metric that is not trusted is left out, and a sentence says so.
        measure: Gives the latency of each size; without it none is measured.

    Returns:
        The comparison: ``groups`` with their rows, results and recommendation, ``to_frame()`` for a table of
        candidates, ``to_json()`` for everything as plain values.

    Raises:
        RunError: If a folder does not exist.
    """
    folders = [paths] if isinstance(paths, str | Path) else paths
    finished, unread = collect([Path(folder) for folder in folders])
    groups = group_runs(finished)
    return compare_groups(groups, unread, measure(groups) if measure else None, trust)


def compare_groups(
    groups: Sequence[Group], unread: Sequence[Unread], latencies: Latencies | None = None, trust: Collection[str] = ()
) -> Comparison:
    """Compares runs that were read already.

    Args:
        groups: Of runs that may be compared.
        unread: Runs that cannot.
        latencies: How long a window takes with each size; None where it was not measured.
        trust: Functions of users' metrics that may be called, though only info files name them.
    """
    compared: list[GroupComparison] = []
    for group in groups:
        rows = _rows(group, 1 + sum(len(before.runs) for before in compared))
        shared = group.on_shared_folds
        recommendation = Recommendation(
            len(group.sizes),
            _choice(best(shared, "validation")) if shared else None,
            _choice(best(shared, "test")) if shared else None,
        )
        joined = cross_validate(group, trust) if group.by_person else None
        cost = cost_of(group, joined, recommendation.recommended, latencies or {})
        differs = tuple(differences(groups[0].basis, group.basis))
        compared.append(GroupComparison(group, rows, _warnings(group, rows), differs, recommendation, joined, cost))
    tables = compare_datasets(compared), compare_curves(compared), compare_unknown(compared)
    return Comparison(tuple(compared), tuple(unread), *tables)


def _choice(candidate: Candidate) -> Choice:
    head = (candidate.size, candidate.label, candidate.parameters, candidate.seeds, len(candidate.runs))
    return Choice(*head, *(candidate.score(subset) for subset in SUBSETS))


def _rows(group: Group, first: int) -> tuple[RunRow, ...]:
    placed = [(candidate, run) for candidate in group.candidates for run in candidate.runs]
    return tuple(
        RunRow(
            run=number,
            folder=run.label,
            path=str(run.path),
            name=run.info["name"],
            model=run.info["model"]["size"],
            peer=candidate.peer,
            parameters=run.info["model"]["parameters"],
            group=group.number,
            candidate=candidate.label,
            target=group.target,
            scores=_scores(run.info),
            metrics=_test_metrics(run.info),
            seconds=run.info["training"]["seconds"],
            epochs=run.info["training"]["epochs"],
            best_epoch=run.info["training"]["best_epoch"],
            split=split_name(run.info),
            data=run.info["data"]["source"],
            fingerprint=run.info["data"]["fingerprint"],
            seed=run.info["seed"],
            flags=" ".join(flags(run.info)),
            findings=" ".join(_finding_names(run.info)),
            training_sample=training_sample(run.info),
        )
        for number, (candidate, run) in enumerate(placed, first)
    )


def _scores(info: Info) -> dict[str, float | None]:
    """The scores of a run by column; None for those that it does not have."""
    scores = {
        f"{subset}_{level}_{score}": _value(info, "metrics", subset, level, score)
        for subset in SUBSETS
        for level in ("recording", "window")
        for score in SUBSET_SCORES
    }
    test = _test_metrics(info)
    scores |= {key: test.get(key.removeprefix("test_")) for key in CORRECTNESS_SCORES}
    scores |= {key: _value(info, "baselines", *key.split("_", 1)) for key in BASELINE_SCORES}
    further = {f"test_recording_{name}": value for name, value in test.items() if f"test_{name}" not in scores}
    return scores | further


def _test_metrics(info: Info) -> dict[str, float | None]:
    return {name: value for name, value in info["metrics"]["test"]["recording"].items() if name != "count"}


def _value(nested: Any, *keys: str) -> float | None:
    for key in keys:
        nested = nested.get(key) if nested else None
    return nested


def _finding_names(info: Info) -> list[str]:
    """What a run found about itself, by name; nothing for runs from earlier versions."""
    findings: Any = info.get("findings")
    if not isinstance(findings, list):
        return []
    return [found["name"] for found in findings if isinstance(found, dict) and isinstance(found.get("name"), str)]


def _warnings(group: Group, rows: Sequence[RunRow]) -> tuple[str, ...]:
    """What must be said of the group's numbers; with the runs' numbers where it is not true of all."""
    numbers = [row.run for row in rows]
    certain = {LEAKY: group.leaky, SYNTHETIC: group.synthetic}
    runs_by_text = {text: numbers for text, applies in certain.items() if applies}
    for number, run in zip(numbers, group.runs, strict=True):
        for text in run.info["warnings"]:
            if text not in certain and number not in runs_by_text.setdefault(text, []):
                runs_by_text[text].append(number)
    return tuple(
        text if which == numbers else f"{', '.join(f'#{number}' for number in which)}: {text}"
        for text, which in runs_by_text.items()
    )
