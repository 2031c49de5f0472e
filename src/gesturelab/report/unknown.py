"""Trainings that left a gesture out each, joined: how well their models tell that they do not know it."""

import json
from collections.abc import Sequence

from gesturelab.evaluation.unknown import UnknownAnswers, UnknownResult, compare_scores, read_unknown
from gesturelab.report.groups import settings
from gesturelab.report.results import GroupComparison
from gesturelab.runs.folder import RunDir


def compare_unknown(groups: Sequence[GroupComparison]) -> tuple[UnknownResult, ...]:
    """A result for each model and dataset; runs that differ in the gesture left out, the fold and the seed are joined.

    Runs whose test people never made the gesture say nothing.

    Raises:
        RunError: If an unknown file is missing or damaged.
    """
    together: dict[str, list[tuple[str, GroupComparison, UnknownAnswers]]] = {}
    for group in groups:
        for candidate in group.group.candidates:
            for run in candidate.runs:
                data = run.info["data"]
                options = {key: value for key, value in data["options"].items() if key != "unknown_gesture"}
                if data["options"].get("unknown_gesture") is None:
                    continue
                answers = read_unknown(RunDir(run.path, candidate.size).unknown)
                if answers is not None:
                    key = [
                        data["source"],
                        options,
                        group.group.basis.kind,
                        group.group.basis.options,
                        settings(run.info),
                    ]
                    together.setdefault(json.dumps(key, sort_keys=True), []).append((candidate.size, group, answers))
    return tuple(
        UnknownResult(
            runs[0][0],
            " ".join((runs[0][1].group.data, *runs[0][1].group.flags)),
            tuple(sorted({group.number for _, group, _ in runs})),
            compare_scores([answers for _, _, answers in runs]),
        )
        for runs in together.values()
    )
