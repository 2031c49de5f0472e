"""The best run of a sweep: by validation people, never by test people."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from gesturelab.errors import RunError
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report.collect import Finished, collect
from gesturelab.report.groups import Candidate, best, group_runs, split_name
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir


@dataclass(frozen=True)
class Choice:
    """A run, and why it was taken.

    Attributes:
        run: The run.
        why: Sentences.
    """

    run: RunDir
    why: tuple[str, ...]


def best_run(folder: Path) -> Choice:
    """Of the size that ``gesturelab compare`` recommends, the run with the best result on its validation people.

    Raises:
        RunError: If there is no finished run, or the runs cannot be compared with each other.
    """
    finished, unread = collect([folder])
    groups = [one for one in group_runs(finished) if one.sizes]
    if not groups:
        left = f" ({len(unread)} are unfinished or unreadable)" if unread else ""
        raise RunError(f"no finished run in {folder}{left}: make one with 'gesturelab train'")
    if len(groups) > 1:
        examples = "; ".join(f"{one.sizes[0].runs[0].label}: {one.data}, {one.split}" for one in groups[:3])
        raise RunError(
            f"the runs in {folder} cannot all be compared, so none of them is the best ({examples}): name the folder "
            "of one sweep, or of one run without --best"
        )
    (those,) = groups
    shared = those.on_shared_folds
    if not shared:
        raise RunError(f"the sizes in {folder} share no fold, so none can be recommended; name the folder of one run")
    size = best(shared, "validation")
    candidate = next(one for one in those.sizes if one.label == size.label)
    run = min(candidate.runs, key=lambda one: _rank(candidate, one))
    what = f"{primary_metric(those.target).title} of validation recordings"
    others = [f"{one.label} {percent(one.score('validation'))}" for one in shared if one.label != size.label]
    beside = f" ({', '.join(others)})" if others else ""
    say = "It is LEAKY: its test people are those it learned from." if those.leaky else "Test people had no say."
    why = [f"{size.label} is recommended: {percent(size.score('validation'))} {what}{beside}."]
    if len(candidate.runs) > 1:
        score = percent(_alone(candidate, run).score("validation"))
        which = f"{run.label} ({split_name(run.info)}, seed {run.info['seed']})"
        why.append(f"Of its {len(candidate.runs)} runs, {which} has the best: {score}. {say}")
    else:
        why.append(f"It has one run, {run.label}. {say}")
    if those.folded and not those.leaky:
        why.append("Its test people were kept from it, and the other folds' test people were not: it is one of the "
                   "models that the sweep tested, not a model of everybody.")  # fmt: skip
    return Choice(RunDir(run.path, size.size), tuple(why))


def _rank(candidate: Candidate, run: Finished) -> tuple[float, float, str]:
    score = _alone(candidate, run).score("validation")
    loss = cast(float, run.info["metrics"]["validation"]["recording"]["loss"])
    return -(0.0 if score is None else score), loss, run.label


def _alone(candidate: Candidate, run: Finished) -> Candidate:
    return replace(candidate, runs=(run,))
