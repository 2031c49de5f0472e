"""Accuracy against cost: what each size of a group costs, and which sizes no other one beats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gesturelab.evaluation.cost import Latency, beaten_by
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.evaluation.result import Value
from gesturelab.report.collect import Finished
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.results import (
    CandidateResult,
    Choice,
    Cost,
    CostRow,
    CrossValidationResult,
    LatencyConditions,
    MissingLatency,
)

Latencies = Mapping[Path, Latency | str]
"""Of the first run of each size: how long a window took, or why it could not be measured."""

OF_USE = ("parameters", "flops_per_window", "latency_ms")
"""Costs of using a size; the Pareto set is by these, as far as all sizes have them."""

SPARE = 0.5
"""So many more processes than threads of the training may be at work before it counts as disturbed."""

DISTURBED = 0.9
"""A latency is disturbed when the processor worked for us in a smaller share of the time."""


def cost_of(
    group: Group, joined: CrossValidationResult | None, recommended: Choice | None, latencies: Latencies
) -> Cost:
    """What the candidates of a group cost beside how accurate they are.

    Args:
        group: Of runs that may be compared.
        joined: Its folds; None where nothing was joined.
        recommended: The size with the best validation accuracy.
        latencies: As far as measured.
    """
    results = {result.candidate: result for result in joined.results} if joined else {}
    rows = [
        _row(candidate, results.get(candidate.label), latencies)
        for candidate in group.candidates
        if not results or candidate.label in results
    ]
    rows = _judge([row for row in rows if row.accuracy["value"] is not None], results)
    names = {row.candidate for row in rows}
    return Cost(
        group.number,
        primary_metric(group.target).title,
        (joined and joined.selection.chosen) or (recommended and recommended.candidate),
        rows,
        _judging([row for row in rows if not row.peer and not row.apart]),
        not_comparable(group.runs),
        _conditions([size for size in group.sizes if size.label in names], latencies),
    )


def _judging(sizes: Sequence[CostRow]) -> list[str]:
    """The costs that all sizes have."""
    return [kind for kind in OF_USE if sizes and all(getattr(row, kind) is not None for row in sizes)]


def _judge(rows: Sequence[CostRow], results: Mapping[str, CandidateResult]) -> list[CostRow]:
    """Says of each size by which one it is beaten, or that it was tested on other people than most."""
    sizes = [row for row in rows if not row.peer]
    folds = {row.candidate: results[row.candidate].scores["folds"] if results else [] for row in sizes}
    most = max(folds.values(), key=len, default=[])
    judged = [row for row in sizes if folds[row.candidate] == most]
    by = _judging(judged)
    accuracies = [row.value for row in judged]
    beaten = beaten_by(accuracies, [[getattr(row, kind) for kind in by] for row in judged])
    winners = {row.candidate: judged[at].candidate for row, at in zip(judged, beaten, strict=True) if at is not None}
    return [
        replace(row, beaten_by=winners.get(row.candidate), apart=not row.peer and row not in judged) for row in rows
    ]


def _row(candidate: Candidate, result: CandidateResult | None, latencies: Latencies) -> CostRow:
    info = candidate.runs[0].info
    latency = latencies.get(candidate.runs[0].path)
    measured = latency if isinstance(latency, Latency) else None
    known = info["cost"]["flops_per_window"] if "cost" in info else None
    return CostRow(
        candidate.label,
        candidate.peer,
        result.primary if result else Value(value=candidate.score("test"), low=None, high=None),
        candidate.parameters,
        known if measured is None else measured.flops_per_window,
        candidate.seconds,
        measured and measured.median_ms,
        measured and measured.p95_ms,
        partial=bool(result and result.partial),
    )


def other_conditions(runs: Sequence[Finished]) -> list[str]:
    """How devices, processors and versions differ between the trainings of some runs."""
    return [
        f"{what} differ ({'; '.join(values)})"
        for what, read in _CONDITIONS.items()
        if len(values := sorted({read(run) for run in runs} - {""})) > 1
    ]


def not_comparable(runs: Sequence[Finished]) -> list[str]:
    """Why the training times of some runs cannot be compared; empty where nothing speaks against it."""
    reasons = other_conditions(runs)
    if unknown := sum("cost" not in run.info for run in runs):
        which = "the runs do" if unknown == len(runs) else f"{unknown} of {len(runs)} runs do"
        reasons.append(f"{which} not say on which processor, and beside what else, they were trained")
    costs = [run.info["cost"] for run in runs if "cost" in run.info]
    if crowded := sum(cost["load"] > cost["threads"] + SPARE for cost in costs):
        reasons.append(f"{crowded} of {len(runs)} trainings ran beside other work on their machine")
    return reasons


def device_of(run: Finished) -> str:
    """On what a run was trained: cpu, or the name of a GPU; empty where it does not say."""
    return str(run.info["training"].get("device", ""))


_CONDITIONS: dict[str, Callable[[Finished], str]] = {
    "devices": device_of,
    "precisions": lambda run: str(run.info["training"].get("precision", "")),
    "processors": lambda run: run.info["cost"]["cpu"] if "cost" in run.info else "",
    "threads": lambda run: str(run.info["cost"]["threads"]) if "cost" in run.info else "",
    "versions of torch": lambda run: run.info.get("versions", {}).get("torch", ""),
}
"""What must be the same; an empty text where a run does not say."""


def _conditions(sizes: Sequence[Candidate], latencies: Latencies) -> LatencyConditions | None:
    timed = {size.label: latencies[size.runs[0].path] for size in sizes if size.runs[0].path in latencies}
    if not timed:
        return None
    measured = {name: latency for name, latency in timed.items() if isinstance(latency, Latency)}
    first = next(iter(measured.values()), None)
    return LatencyConditions(
        first and first.cpu,
        first and first.torch,
        min((latency.repeats for latency in measured.values()), default=0),
        [name for name, latency in measured.items() if latency.undisturbed < DISTURBED],
        [MissingLatency(name, reason) for name, reason in timed.items() if isinstance(reason, str)],
    )
