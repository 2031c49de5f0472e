"""Models on several datasets: what a benchmark says beyond each dataset alone."""

from collections.abc import Sequence
from statistics import fmean
from typing import cast

import numpy as np

from gesturelab.evaluation.metrics import GESTURE
from gesturelab.report.cross_validation import compare_candidates
from gesturelab.report.results import DatasetsResult, GroupComparison, ModelOnDatasets


def compare_datasets(groups: Sequence[GroupComparison]) -> DatasetsResult | None:
    """The models that were tested in folds on each of several datasets, against each other over the people of all.

    Of each dataset, known by its name, the first group counts that has an honest split: other recordings of the same
    dataset are of the same people, who may not count twice. People of two datasets are different people.

    Args:
        groups: Of a comparison.

    Returns:
        None where fewer than two datasets have two models in common.
    """
    chosen: dict[str, GroupComparison] = {}
    for group in groups:
        if group.results and group.target == GESTURE and not group.group.leaky:
            chosen.setdefault(group.group.data, group)
    datasets = list(chosen.values())
    by_model = [{result.candidate: result for result in group.results if not result.partial} for group in datasets]
    models = [name for name in by_model[0] if all(name in results for results in by_model)] if by_model else []
    if len(datasets) < 2 or len(models) < 2:
        return None
    by_person = [{name: results[name].scores["by_person"] for name in models} for results in by_model]
    people = [sorted(set.intersection(*map(set, scores.values()))) for scores in by_person]
    places = [(scores, person) for scores, names in zip(by_person, people, strict=True) for person in names]
    values = np.array([[scores[name][person]["accuracy"] for scores, person in places] for name in models])
    peers = [by_model[0][name].peer for name in models]
    recordings = sum(min(scores[name][person]["recordings"] for name in models) for scores, person in places)
    pairs, ranks = compare_candidates(models, values, peers, recordings)
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


def _seconds(group: GroupComparison, name: str) -> float:
    """Of one training, the mean over a candidate's runs."""
    (candidate,) = (each for each in group.group.candidates if each.label == name)
    return fmean(run.info["training"]["seconds"] for run in candidate.runs)
