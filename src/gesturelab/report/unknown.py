"""Trainings that left a gesture out each, joined: how well their models tell that they do not know it."""

import json
from collections.abc import Sequence

from gesturelab.evaluation.unknown import UnknownAnswers, UnknownResult, compare_scores, read_unknown
from gesturelab.report.groups import settings
from gesturelab.report.results import GroupComparison
from gesturelab.runs.folder import RunDir


def compare_unknown(groups: Sequence[GroupComparison]) -> tuple[UnknownResult, ...]:
    """A result for each model and dataset; runs that differ in the gesture left out, the fold and the seed are joined.

    A run whose test people never made the gesture says nothing.

    Raises:
        RunError: If a run's unknown file is missing or damaged.
    """
    joined: dict[str, list[tuple[str, GroupComparison, UnknownAnswers]]] = {}
    candidates = [(group, candidate) for group in groups for candidate in group.group.candidates]
    for group, candidate, run in [(*each, run) for each in candidates for run in each[1].runs]:
        options, basis = dict(run.info["data"]["options"]), group.group.basis
        if options.pop("unknown_gesture", None) is not None:
            answers = read_unknown(RunDir(run.path, candidate.size).unknown)
            shared = [group.group.data, options, basis.kind, basis.options, settings(run.info)]
            if answers is not None:
                joined.setdefault(json.dumps(shared, sort_keys=True), []).append((candidate.size, group, answers))
    return tuple(
        UnknownResult(
            size,
            " ".join((group.group.data, *group.group.flags)),
            tuple(sorted({own.number for _, own, _ in each})),
            compare_scores([answers for _, _, answers in each]),
        )
        for each in joined.values()
        for size, group, _ in each[:1]
    )
