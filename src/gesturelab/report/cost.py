"""Accuracy against cost: what each size of a group costs, and which sizes no other one beats."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from gesturelab.evaluation.cost import Latency, beaten_by
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report.collect import Finished
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.recommendation import taken

Latencies = Mapping[Path, Latency | str]
"""Of the first run of each size: how long a window took, or why it could not be measured."""

OF_USE = ("parameters", "flops_per_window", "latency_ms")
"""Costs of using a size; the Pareto set is by these, as far as all sizes have them."""

SPARE = 0.5
"""So many more processes than threads of the training may be at work before it counts as disturbed."""

DISTURBED = 0.9
"""A latency is disturbed when the processor worked for us in a smaller share of the time."""


def cost(
    group: Group, item: dict[str, Any] | None, recommended: dict[str, Any] | None, latencies: Latencies
) -> dict[str, Any]:
    """What the sizes of a group cost beside how accurate they are, as plain values.

    Args:
        group: Of runs that may be compared.
        item: Its joined folds, as `gesturelab.report.joined.joined` gives them; None where nothing was joined.
        recommended: The size with the best validation accuracy.
        latencies: As far as measured.

    Returns:
        ``group``: its number.
        ``score``: what leads, accuracy or balanced accuracy; a size that has none is left out.
        ``recommended``: the candidate that the verdict says to take, else the one with the best validation accuracy.
        ``rows``, sizes first: ``candidate``, ``peer``, ``accuracy`` (the score: ``value``, ``low``, ``high``; of joined
        folds with their interval, otherwise the mean over runs), ``parameters``, ``flops_per_window``, ``seconds`` (of
        one training, the mean over runs), ``latency_ms``, ``latency_p95_ms`` (null where unknown), ``beaten_by`` (a
        candidate that is at least as accurate and costs no more; null for Pareto-optimal ones and where it is not
        judged), ``partial`` (not tested on everybody), ``apart`` (a size tested on other people than most, so that it
        is not judged; nor are peers).
        ``by``: the costs that ``beaten_by`` follows from.
        ``seconds_differ``: why training times cannot be compared; empty where nothing speaks against it.
        ``latency``: ``cpu``, ``torch``, ``repeats`` (fewest), ``disturbed`` (candidates), ``missing`` (candidate and
        reason); null where none was asked for.
    """
    results = {result["candidate"]: result for result in item["results"]} if item else {}
    rows = [_row(candidate, results.get(candidate.label), latencies) for candidate in group.candidates]
    if results:
        rows = [row for row in rows if row["candidate"] in results]
    rows = [row for row in rows if row["accuracy"]["value"] is not None]
    sizes = [row for row in rows if not row["peer"]]
    folds = [tuple(results[row["candidate"]]["folds"]) if results else () for row in sizes]
    for row, own_folds in zip(sizes, folds, strict=True):
        row["apart"] = own_folds != max(folds, key=len)
    sizes = [row for row in sizes if not row["apart"]]
    by = [kind for kind in OF_USE if sizes and all(row[kind] is not None for row in sizes)]
    beaten = beaten_by([row["accuracy"]["value"] for row in sizes], [[row[kind] for kind in by] for row in sizes])
    for row, at in zip(sizes, beaten, strict=True):
        row["beaten_by"] = None if at is None else sizes[at]["candidate"]
    own = [result for result in results.values() if not result["peer"]]
    names = {result["candidate"] for result in own}
    between = [pair for pair in item["pairs"] if {pair["first"], pair["second"]} <= names] if item else []
    return {
        "group": group.number,
        "score": primary_metric(group.target).title,
        "recommended": taken(own, between) or (recommended["candidate"] if recommended else None),
        "rows": rows,
        "by": by,
        "seconds_differ": not_comparable([run for one in group.candidates for run in one.runs]),
        "latency": _latency([one for one in group.sizes if one.label in {row["candidate"] for row in rows}], latencies),
    }


def _row(candidate: Candidate, result: dict[str, Any] | None, latencies: Latencies) -> dict[str, Any]:
    info = candidate.runs[0].info
    found = latencies.get(candidate.runs[0].path)
    measured = found if isinstance(found, Latency) else None
    known = info["cost"]["flops_per_window"] if "cost" in info else None
    flat = {"value": candidate.score("test"), "low": None, "high": None}
    return {
        "candidate": candidate.label,
        "peer": candidate.peer,
        "accuracy": result["all"][primary_metric(candidate.target).name] if result else flat,
        "parameters": candidate.parameters,
        "flops_per_window": known if measured is None else measured.flops_per_window,
        "seconds": fmean(run.info["training"]["seconds"] for run in candidate.runs),
        "latency_ms": measured and measured.median_ms,
        "latency_p95_ms": measured and measured.p95_ms,
        "beaten_by": None,
        "partial": bool(result and result["partial"]),
        "apart": False,
    }


def not_comparable(runs: Sequence[Finished]) -> list[str]:
    """Why the training times of some runs cannot be compared; empty where nothing speaks against it."""
    reasons = [
        f"{what} differ ({'; '.join(found)})"
        for what, of in _CONDITIONS.items()
        if len(found := sorted({of(run) for run in runs} - {""})) > 1
    ]
    if unknown := sum("cost" not in run.info for run in runs):
        which = "the runs do" if unknown == len(runs) else f"{unknown} of {len(runs)} runs do"
        reasons.append(f"{which} not say on which processor, and beside what else, they were trained")
    beside = [run for run in runs if "cost" in run.info and _crowded(run)]
    if beside:
        reasons.append(f"{len(beside)} of {len(runs)} trainings ran beside other work on their machine")
    return reasons


_CONDITIONS: dict[str, Callable[[Finished], str]] = {
    "devices": lambda run: str(run.info["training"].get("device", "")),
    "precisions": lambda run: str(run.info["training"].get("precision", "")),
    "processors": lambda run: run.info["cost"]["cpu"] if "cost" in run.info else "",
    "threads": lambda run: str(run.info["cost"]["threads"]) if "cost" in run.info else "",
    "versions of torch": lambda run: run.info.get("versions", {}).get("torch", ""),
}
"""What must be the same; an empty text where a run does not say."""


def _crowded(run: Finished) -> bool:
    said = run.info.get("cost")
    return said is not None and said["load"] > said["threads"] + SPARE


def _latency(sizes: Sequence[Candidate], latencies: Latencies) -> dict[str, Any] | None:
    found = {one.label: latencies[one.runs[0].path] for one in sizes if one.runs[0].path in latencies}
    measured = {name: one for name, one in found.items() if isinstance(one, Latency)}
    if not found:
        return None
    first = next(iter(measured.values()), None)
    return {
        "cpu": first and first.cpu,
        "torch": first and first.torch,
        "repeats": min((one.repeats for one in measured.values()), default=0),
        "disturbed": [name for name, one in measured.items() if one.undisturbed < DISTURBED],
        "missing": [{"candidate": name, "reason": one} for name, one in found.items() if isinstance(one, str)],
    }
