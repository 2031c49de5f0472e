"""Models on several datasets: what a benchmark says beyond each dataset alone."""

from collections.abc import Sequence
from statistics import fmean
from typing import cast

import numpy as np

from gesturelab.evaluation.metrics import GESTURE
from gesturelab.report.cross_validation import compare_candidates
from gesturelab.report.results import CandidateResult, DatasetsResult, GroupComparison, ModelOnDatasets


def compare_datasets(groups: Sequence[GroupComparison]) -> DatasetsResult | None:
    """The models that were tested in folds on each of several datasets, against each other over the people of all.

    Of each dataset the first group counts that has an honest split; people of two datasets are different people,
    whatever their names.

    Args:
        groups: Of a comparison.

    Returns:
        None where fewer than two datasets have two models in common.
    """
    chosen: dict[str, GroupComparison] = {}
    for group in groups:
        if group.results and group.target == GESTURE and not group.group.leaky:
            chosen.setdefault(group.group.basis.fingerprint, group)
    datasets = list(chosen.values())
    by_model = [{result.candidate: result for result in group.results if not result.partial} for group in datasets]
    models = [name for name in by_model[0] if all(name in results for results in by_model)] if by_model else []
    if len(datasets) < 2 or len(models) < 2:
        return None
    people = [sorted(set.intersection(*(set(_accuracies(results[name])) for name in models))) for results in by_model]
    values = np.array(
        [
            [
                _accuracies(results[name])[person]
                for results, names in zip(by_model, people, strict=True)
                for person in names
            ]
            for name in models
        ]
    )
    peers = [by_model[0][name].peer for name in models]
    tested = sum(by_model[at][models[0]].scores["all"]["recordings"] for at in range(len(datasets)))
    pairs, ranks = compare_candidates(models, values, peers, tested)
    rows = [
        ModelOnDatasets(
            model=name,
            peer=peer,
            values=tuple(results[name].primary for results in by_model),
            mean=fmean(cast(float, results[name].primary["value"]) for results in by_model),
            rank=ranks.mean[name],
            seconds=fmean(_seconds(group, name) for group in datasets),
        )
        for name, peer in zip(models, peers, strict=True)
    ]
    return DatasetsResult(
        datasets=tuple(" ".join((group.group.data, *group.group.flags)) for group in datasets),
        groups=tuple(group.number for group in datasets),
        people=tuple(map(len, people)),
        rows=tuple(sorted(rows, key=lambda row: (row.rank, -row.mean))),
        pairs=pairs,
        ranks=ranks,
    )


def _accuracies(result: CandidateResult) -> dict[str, float]:
    """Of each person the share of recordings that were recognised, the mean over seeds."""
    return {person: scores["accuracy"] for person, scores in result.scores["by_person"].items()}


def _seconds(group: GroupComparison, name: str) -> float:
    """Of one training, the mean over a candidate's runs."""
    (candidate,) = (each for each in group.group.candidates if each.label == name)
    return fmean(run.info["training"]["seconds"] for run in candidate.runs)
