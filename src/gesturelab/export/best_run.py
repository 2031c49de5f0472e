"""The best run of a sweep: by validation people, never by test people."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from gesturelab.errors import RunError
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report.collect import Finished, collect
from gesturelab.report.groups import best, group_runs, split_name
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir


@dataclass(frozen=True)
class Choice:
    """A run, and why it was chosen.

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
    groups = [runs for runs in group_runs(finished) if runs.sizes]
    if not groups:
        left = f" ({len(unread)} are unfinished or unreadable)" if unread else ""
        raise RunError(f"no finished run in {folder}{left}: make one with 'gesturelab train'")
    if len(groups) > 1:
        examples = "; ".join(f"{runs.sizes[0].runs[0].label}: {runs.data}, {runs.split}" for runs in groups[:3])
        raise RunError(
            f"the runs in {folder} cannot all be compared, so none of them is the best ({examples}): name the folder "
            "of one sweep, or of one run without --best"
        )
    (comparable,) = groups
    shared = comparable.on_shared_folds
    if not shared:
        raise RunError(f"the sizes in {folder} share no fold, so none can be recommended; name the folder of one run")
    size = best(shared, "validation")
    candidate = next(each for each in comparable.sizes if each.label == size.label)

    def validation_score(run: Finished) -> float | None:
        return replace(candidate, runs=(run,)).score("validation")

    def rank(run: Finished) -> tuple[float, float, str]:
        loss = cast(float, run.info["metrics"]["validation"]["recording"]["loss"])
        return -(validation_score(run) or 0.0), loss, run.label

    run = min(candidate.runs, key=rank)
    metric = f"{primary_metric(comparable.target).title} of validation recordings"
    others = ", ".join(f"{each.label} {percent(each.score('validation'))}" for each in shared if each is not size)
    leak = "It is LEAKY: its test people are those it learned from." if comparable.leaky else "Test people had no say."
    why = [f"{size.label} is recommended: {percent(size.score('validation'))} {metric}{others and f' ({others})'}."]
    if len(candidate.runs) > 1:
        name = f"{run.label} ({split_name(run.info)}, seed {run.info['seed']})"
        why.append(f"Of its {len(candidate.runs)} runs, {name} has the best: {percent(validation_score(run))}. {leak}")
    else:
        why.append(f"It has one run, {run.label}. {leak}")
    if comparable.folded and not comparable.leaky:
        why.append("Its test people were kept from it, and the other folds' test people were not: it is one of the "
                   "models that the sweep tested, not a model of everybody.")  # fmt: skip
    return Choice(RunDir(run.path, size.size), tuple(why))
