"""Models on several datasets: what a benchmark says beyond each dataset alone."""

from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import cast

import numpy as np
from jaxtyping import Float64

from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.metrics import GESTURE, or_none
from gesturelab.evaluation.pairs import compare_pairs, rank_models
from gesturelab.evaluation.result import Value
from gesturelab.report.cost import device_of, not_comparable
from gesturelab.report.recommendation import recommend_over_datasets
from gesturelab.report.results import DatasetsResult, GroupComparison, ModelOnDatasets


def compare_datasets(groups: Sequence[GroupComparison]) -> DatasetsResult | None:
    """The models that were tested in folds on each of several datasets, against each other over the people of all.

    Of each dataset, known by its name, the group with an honest split counts that has most models, and folds rather
    than named test people: other recordings of the same dataset are of the same people, who may not count twice. People
    of two datasets are different people.

    Args:
        groups: Of a comparison.

    Returns:
        None where fewer than two datasets have two models in common.
    """
    of_dataset: dict[str, list[GroupComparison]] = {}
    for group in groups:
        if group.results and group.target == GESTURE and not group.group.leaky:
            of_dataset.setdefault(group.group.data, []).append(group)
    datasets = [max(those, key=_fullness) for those in of_dataset.values()]
    by_model = [{result.candidate: result for result in group.results if not result.partial} for group in datasets]
    models = [name for name in by_model[0] if all(name in results for results in by_model)] if by_model else []
    if len(datasets) < 2 or len(models) < 2:
        return None
    by_person = [{name: results[name].scores["by_person"] for name in models} for results in by_model]
    shared = [
        (place, person)
        for place, scores in enumerate(by_person)
        for person in sorted(set.intersection(*map(set, scores.values())))
    ]
    values = np.array([[by_person[at][name][person]["accuracy"] for at, person in shared] for name in models])
    counts = np.array([min(by_person[at][name][person]["recordings"] for name in models) for at, person in shared])
    belongs = np.eye(len(datasets))[[at for at, _ in shared]]
    pairs = compare_pairs(models, values, [by_model[0][name].peer for name in models], int(counts.sum()))
    ranks = rank_models(models, values, pairs)
    bounds = intervals(partial(_mean_accuracies, values, counts[:, None] * belongs), len(shared))
    trained = [{each.label: each for each in group.group.candidates} for group in datasets]
    rows: list[ModelOnDatasets] = []
    for name, (low, high) in zip(models, bounds.tolist(), strict=True):
        results, candidates = [found[name] for found in by_model], [found[name] for found in trained]
        mean = fmean(cast(float, result.primary["value"]) for result in results)
        rows.append(
            ModelOnDatasets(
                model=name,
                peer=results[0].peer,
                values=tuple(result.primary for result in results),
                mean=Value(value=mean, low=or_none(low), high=or_none(high)),
                rank=ranks.mean[name],
                parameters=round(fmean(candidate.parameters for candidate in candidates)),
                seconds=fmean(candidate.seconds for candidate in candidates),
                devices=tuple(sorted({device_of(run) for candidate in candidates for run in candidate.runs} - {""})),
            )
        )
    rows.sort(key=lambda row: (row.rank, -cast(float, row.mean["value"])))
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if pair.distinguishable}
    alike = [row for row in rows if frozenset((row.model, rows[0].model)) not in apart]
    runs = {row.model: [run for found in trained for run in found[row.model].runs] for row in rows}
    names = [" ".join((group.group.data, *group.group.flags)) for group in datasets]
    people = belongs.sum(axis=0).astype(int).tolist()
    recommended, recommendation = recommend_over_datasets(
        alike, dict(zip(names, people, strict=True)), [run for row in alike for run in runs[row.model]]
    )
    return DatasetsResult(
        datasets=tuple(names),
        groups=tuple(group.number for group in datasets),
        people=tuple(people),
        rows=tuple(rows),
        pairs=pairs,
        ranks=ranks,
        alike=tuple(row.model for row in alike),
        recommendation=recommendation,
        recommended=recommended,
        seconds_differ=tuple(not_comparable([run for each in runs.values() for run in each])),
    )


def _fullness(group: GroupComparison) -> tuple[int, bool, int]:
    whole = [result for result in group.results if not result.partial]
    return len(whole), group.group.folded, max((len(result.scores["by_person"]) for result in whole), default=0)


def _mean_accuracies(
    values: Float64[np.ndarray, "models people"],
    counts: Float64[np.ndarray, "people datasets"],
    weights: Float64[np.ndarray, "draws people"],
) -> Float64[np.ndarray, "draws models"]:
    """Each model's mean over datasets of the accuracy of recordings; of datasets without a person that was drawn none.

    Args:
        values: Accuracy of each model and person.
        counts: How many recordings of each dataset a person has.
        weights: How often each person counts.
    """
    total = weights @ counts
    right = np.einsum("dp,mp,ps->dms", weights, values, counts)
    return (
        np.divide(right, total[:, None], out=np.zeros_like(right), where=total[:, None] > 0).sum(axis=2)
        / ((total > 0).sum(axis=1)[:, None])
    )
