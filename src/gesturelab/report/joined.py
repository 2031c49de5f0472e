"""Folds joined: for each size one result on everybody, and the sizes against each other on the same people."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from gesturelab.errors import GesturelabError, RunError
from gesturelab.evaluation.cross_validation import CrossValidation, FoldRun, differing, join_folds
from gesturelab.evaluation.metrics import metrics_of_runs, primary_metric
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.evaluation.result import primary_by_person, primary_difference, summarise
from gesturelab.files import sha256
from gesturelab.report.collect import Finished
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.joined_baselines import baseline_result, baselines_of
from gesturelab.report.recommendation import beside_peers, verdict
from gesturelab.runs.folder import RunDir


def joined(group: Group, trust: Collection[str] = ()) -> dict[str, Any]:
    """A group of folds as plain values.

    Args:
        group: Of runs that are folds.
        trust: Functions of users' metrics that may be called, though only info files name them.

    Returns:
        ``group``: its number; ``target`` and ``lead``: what is recognised, and the score that leads (of correctness
        balanced accuracy: ``train_accuracy``, ``validation_accuracy``, ``pairs`` and ``ranks`` are of it).
        ``results``, one a size or peer: ``candidate``, ``size``, ``peer``, ``parameters``, ``train_accuracy``,
        ``validation_accuracy`` (means over runs) and what `gesturelab.evaluation.result.Result` holds. A peer has no
        validation accuracy, and nothing that needs probabilities (null or empty). Of correctness the two baselines
        follow (``baseline``: true; also ``peer``), on the recordings of the first candidate.
        ``pairs``, one a pair of sizes: ``first``, ``second``, ``difference`` (of the mean accuracy over people, first
        minus second) with ``low`` and ``high``, ``effect``, ``p``, ``adjusted``, ``distinguishable``, as
        `gesturelab.evaluation.pairs.Pair` explains them, and ``people`` and ``recordings``: how many all sizes were
        tested on.
        ``ranks``: ``mean`` (by candidate), ``friedman_p``, ``critical_difference``, ``cliques``, ``people``; null for
        one size.
        ``verdict``: sentences about sizes; the same with and without peers.
        ``beside_peers``: sentences about a size and the peers.
        ``left_out``: ``run`` and ``reason`` for runs that could not be joined.
    """
    results: list[dict[str, Any]] = []
    those: list[tuple[str, bool, CrossValidation]] = []
    left_out: list[dict[str, str]] = []
    for candidate in group.candidates:
        readable = _read(candidate.runs, left_out)
        if not readable:
            continue
        try:
            whole = join_folds(readable)
        except GesturelabError as error:
            left_out += [{"run": run.label, "reason": str(error)} for run in readable]
            continue
        those.append((candidate.label, candidate.peer, whole))
        guests, untrusted = metrics_of_runs([run.info.get("metric_definitions", {}) for run in readable], trust)
        described: dict[str, Any] = {
            "candidate": candidate.label,
            "size": candidate.size,
            "peer": candidate.peer,
            "baseline": False,
            "parameters": candidate.parameters,
            "target": group.target,
            "train_accuracy": candidate.score("train"),
            "validation_accuracy": None if candidate.peer else candidate.score("validation"),
            **cast(dict[str, Any], summarise(whole, guests)),
        }
        if candidate.peer:
            _forget_confidence(described)
        described["notes"] = [*described["notes"], *untrusted, *_namesakes(candidate, group.candidates)]
        results.append(described)
    for label, whole in baselines_of(those[0][2]).items() if those else ():
        results.append(baseline_result(label, whole, group.target))
        _forget_confidence(results[-1])
        those.append((label, True, whole))
    pairs, ranks = _compare(those)
    return {
        "group": group.number,
        "target": group.target,
        "lead": primary_metric(group.target).name,
        "results": results,
        "pairs": pairs,
        "ranks": ranks,
        "verdict": verdict(*_sizes_only(results, pairs)),
        "beside_peers": beside_peers(results, pairs),
        "left_out": left_out,
    }


def _read(runs: Sequence[Finished], left_out: list[dict[str, str]]) -> list[FoldRun]:
    """The runs with their predictions; those without go to `left_out`, with the reason."""
    found: list[FoldRun] = []
    for run in runs:
        path = RunDir(run.path, run.info["model"]["size"]).predictions
        try:
            predictions = read_predictions(path)
            if sha256(path) != run.info.get("files", {}).get(path.name, sha256(path)):
                raise RunError(f"{path} is not the file that the run wrote (its SHA-256 differs from the info file's)")
            found.append(FoldRun(run.label, run.info, predictions))
        except RunError as error:
            left_out.append({"run": run.label, "reason": str(error)})
    return found


def _forget_confidence(result: dict[str, Any]) -> None:
    """Takes out what would mean something of probabilities only."""
    nothing = {"value": None, "low": None, "high": None}
    parts = [result["all"], result["ensemble"], *(part for kind in PARTS for part in result[kind].values())]
    for part in filter(None, parts):
        part["calibration_error"] = nothing
    for one in result["seeds"]:
        one["calibration_error"] = None
    result |= {"calibrated_error": None, "answered": [], "coverage_curve": [], "reliability": []}


def _sizes_only(
    results: list[dict[str, Any]], pairs: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What there is without peers."""
    peers = {result["candidate"] for result in results if result["peer"]}
    sizes = [result for result in results if not result["peer"]]
    return sizes, [pair for pair in pairs if not peers & {pair["first"], pair["second"]}]


def _namesakes(candidate: Candidate, those: Sequence[Candidate]) -> list[str]:
    """Why a size that is there with several settings is not one result."""
    return [
        f"not joined with {other.label}: {'; '.join(differing(other.runs[0].info, candidate.runs[0].info))}"
        for other in those
        if other.size == candidate.size and other is not candidate
    ]


def _compare(those: Sequence[tuple[str, bool, CrossValidation]]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Tests between sizes, on the recordings that all were tested on."""
    shared = set.intersection(*(set(whole.by_seed[0].names) for _, _, whole in those)) if those else set[str]()
    if len(those) < 2 or not shared:
        return [], None
    accuracies = [primary_by_person(_only(whole, shared)) for _, _, whole in those]
    people = list(accuracies[0])
    if any(math.isnan(value) for one in accuracies for value in one.values()):
        return [], None  # of correctness, with one class only
    from gesturelab.evaluation.pairs import compare_pairs, rank_sizes, sign_flip_p  # scipy is slow to import

    labels = [label for label, _, _ in those]
    values = np.array([[one[person] for person in people] for one in accuracies])
    peers = [peer for _, peer, _ in those]
    if those[0][2].by_seed[0].of_correctness:
        apart = partial(primary_difference, [_only(whole, shared) for _, _, whole in those])
        pairs = compare_pairs(values, peers, test=sign_flip_p, apart_by=apart)
    else:
        pairs = compare_pairs(values, peers)
    ranks = rank_sizes(values, pairs)
    found = [
        {
            "first": labels[pair.first],
            "second": labels[pair.second],
            "people": len(people),
            "recordings": len(shared),
            "difference": pair.difference,
            "low": _number(pair.low),
            "high": _number(pair.high),
            "effect": pair.effect,
            "p": pair.p,
            "adjusted": pair.adjusted,
            "distinguishable": pair.distinguishable,
        }
        for pair in pairs
    ]
    return found, {
        "people": len(people),
        "mean": dict(zip(labels, ranks.mean, strict=True)),
        "friedman_p": _number(ranks.friedman_p),
        "critical_difference": ranks.critical_difference,
        "cliques": [[labels[at] for at in clique] for clique in ranks.cliques],
    }


def _only(whole: CrossValidation, names: set[str]) -> CrossValidation:
    kept = np.array([at for at, name in enumerate(whole.by_seed[0].names) if name in names], dtype=np.int64)
    return replace(whole, by_seed=tuple(one.take(kept) for one in whole.by_seed))


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def flat(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """CrossValidation results as rows of a table: one a size and part (such as part ``group``, value ``patient``)."""
    rows: list[dict[str, Any]] = []
    for item in items:
        for result in item["results"]:
            head = {"group": item["group"], **{key: result[key] for key in ("candidate", "size", "parameters")}}
            parts = [("all", "", result["all"])]
            parts += [("ensemble", "", result["ensemble"])] if result["ensemble"] else []
            parts += [
                (kind.removeprefix("by_"), name, part)
                for kind in PARTS
                for name, part in result[kind].items()
            ]  # fmt: skip
            for kind, name, part in parts:
                scores = {
                    f"{score}{end}": part[score][key]
                    for score in part
                    if score not in ("recordings", "people")
                    for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))
                }
                sizes = {"recordings": part["recordings"], "people": part["people"]}
                rows.append({**head, "part": kind, "value": name, **sizes, **scores})
            rows += [
                {**head, "part": "person", "value": person, "recordings": one["recordings"], "people": 1}
                | {"accuracy": one["accuracy"]}
                for person, one in result["by_person"].items()
            ]
    return rows


PARTS = ("by_group", "by_correctness", "by_group_and_correctness", "by_posture", "by_gesture")
