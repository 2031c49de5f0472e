"""What a finished training shows that should be looked at, each with a name and advice.

The rules, with their numbers, are `RULES`; docs/guide/robustness.md explains them. They look at the history of losses
and at the validation and test people; a finding is no caveat (see ``warnings`` in `gesturelab.runs.info`): it says
nothing against the numbers, but something about the training.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

from gesturelab.config.training import Keep
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report import overfitting
from gesturelab.report.texts import percent
from gesturelab.runs.info import Epoch, Finding, Metrics, RestartInfo, SkippedInfo

LEAST_EPOCHS = 3
"""With fewer, nothing is said about how losses develop."""
LEAST_FALL = 0.05
"""Share by which a loss must fall to count as falling."""
MOST_GUESSED = 0.5
"""Share of the loss of guessing, ln(classes), below which a training loss need not fall any more."""
LAST_SHARE = 10
"""The last epochs are a tenth of all, at least one."""

NEVER_FELL, NEVER_PREDICTED, OVERFITS = "loss-never-fell", "class-never-predicted", "overfits"
NOT_FINISHED, FIRST_IS_BEST = "not-finished", "best-epoch-first"
SKIPPED, RESTARTED = "steps-left-out", "restarted"

RULES = {
    NEVER_FELL: f"after {LEAST_EPOCHS} epochs or more no training loss was {100 * LEAST_FALL:g} % below that of the "
    f"first epoch, which was above half the loss of guessing (ln of the number of classes)",
    NEVER_PREDICTED: "a class that validation people performed was said of none of their recordings",
    OVERFITS: "train minus validation or train minus test, of recordings, is severe: more than 20 points",
    NOT_FINISHED: f"all trainer.max_epochs were trained ({LEAST_EPOCHS} or more), the lowest validation loss is in the "
    f"last tenth of them, and the mean validation loss there is {100 * LEAST_FALL:g} % or more below that of as many "
    "epochs before",
    FIRST_IS_BEST: f"of {LEAST_EPOCHS} epochs or more the first has the lowest validation loss",
    SKIPPED: "steps were left out, not being finite (trainer.on_not_finite=skip)",
    RESTARTED: "a loss or gradient was not finite, and training went back with half the learning rate "
    "(trainer.on_not_finite=restart)",
}
"""When each finding is made."""


def find(
    history: Sequence[Epoch],
    max_epochs: int,
    keep: Keep,
    metrics: Metrics,
    target: str,
    classes: Sequence[str],
    validated: Sequence[Sequence[int]],
    skipped: Sequence[SkippedInfo] = (),
    restarts: Sequence[RestartInfo] = (),
) -> list[Finding]:
    """All that is found, as `RULES` say.

    Args:
        history: Of the training.
        max_epochs: That it might have taken.
        keep: Which epoch's weights it keeps.
        metrics: Of all sides.
        target: ``gesture`` or ``correctness``.
        classes: Their names.
        validated: Confusion of validation recordings; rows are the true class, columns the predicted one.
        skipped: Steps that were left out.
        restarts: Returns to a checkpoint.
    """
    found = [
        _never_fell(history, len(classes)),
        _never_predicted(classes, validated),
        _overfits(metrics, target),
        _not_finished(history, max_epochs),
        _first_is_best(history, keep),
        _skipped(skipped),
        _restarted(restarts),
    ]
    return [one for one in found if one is not None]


def _never_fell(history: Sequence[Epoch], classes: int) -> Finding | None:
    if len(history) < LEAST_EPOCHS:
        return None
    first, later = history[0]["train_loss"], min(epoch["train_loss"] for epoch in history[1:])
    if first <= MOST_GUESSED * math.log(classes) or later <= (1 - LEAST_FALL) * first:
        return None
    return Finding(
        name=NEVER_FELL,
        text=f"the training loss was {first:.3f} in the first epoch, and {later:.3f} at its lowest after that.",
        advice="Try optimizer.lr ten times lower, then ten times higher; if that changes nothing, see whether the "
        "recordings show what they are named after (gesturelab data check).",
    )


def _never_predicted(classes: Sequence[str], validated: Sequence[Sequence[int]]) -> Finding | None:
    never = [
        name
        for number, name in enumerate(classes)
        if sum(validated[number]) and not sum(row[number] for row in validated)
    ]
    if not never:
        return None
    return Finding(
        name=NEVER_PREDICTED,
        text=f"{', '.join(never)}: said of no recording of the validation people, though they performed it.",
        advice="Train longer; with few training recordings of a class try loss.class_weights=true; look at the "
        "confusion matrix for what is said in its place.",
    )


def _overfits(metrics: Metrics, target: str) -> Finding | None:
    key = primary_metric(target).name
    train, *others = (cast(dict[str, Any], metrics[side]["recording"])[key] for side in ("train", "validation", "test"))
    said: list[str] = []
    for side, score in zip(("validation", "test"), others, strict=True):
        gap = overfitting.gap(train, score)
        if gap is not None and overfitting.band(gap) == overfitting.SEVERE:
            said.append(f"{side} people {percent(score)} (a gap of {100 * gap:.1f} points)")
    if not said:
        return None
    return Finding(
        name=OVERFITS,
        text=f"{primary_metric(target).title} of recordings is {percent(train)} for training people, "
        f"but {' and '.join(said)}: {overfitting.SEVERE}.",
        advice=f"Try a {overfitting.ADVICE}.",
    )


def _not_finished(history: Sequence[Epoch], max_epochs: int) -> Finding | None:
    if len(history) < max(max_epochs, LEAST_EPOCHS):
        return None
    losses = [epoch["validation_loss"] for epoch in history]
    last = max(1, len(losses) // LAST_SHARE)
    before, after = sum(losses[-2 * last : -last]) / last, sum(losses[-last:]) / last
    if min(losses) not in losses[-last:] or after > (1 - LEAST_FALL) * before:
        return None
    return Finding(
        name=NOT_FINISHED,
        text=f"training ended after all {max_epochs} epochs, while the validation loss still fell, from {before:.3f} "
        f"to {after:.3f}.",
        advice=f"Train longer: trainer.max_epochs={2 * max_epochs}.",
    )


def _first_is_best(history: Sequence[Epoch], keep: Keep) -> Finding | None:
    losses = [epoch["validation_loss"] for epoch in history]
    if len(losses) < LEAST_EPOCHS or min(losses) != losses[0]:
        return None
    kept = "its weights were kept" if keep is Keep.best else "the last epoch's weights were kept all the same"
    return Finding(
        name=FIRST_IS_BEST,
        text=f"the validation loss was lowest in the first of {len(losses)} epochs ({losses[0]:.3f}); {kept}.",
        advice="Try a lower optimizer.lr, or more dropout; with few validation people, others may say otherwise.",
    )


def _skipped(skipped: Sequence[SkippedInfo]) -> Finding | None:
    if not skipped:
        return None
    steps = sum(epoch["steps"] for epoch in skipped)
    return Finding(
        name=SKIPPED,
        text=f"{steps} steps of {len(skipped)} epochs were left out: their loss or gradient was not finite.",
        advice="Look at the recordings that train.log names; lower optimizer.lr.",
    )


def _restarted(restarts: Sequence[RestartInfo]) -> Finding | None:
    if not restarts:
        return None
    epochs = ", ".join(str(one["epoch"] + 1) for one in restarts)
    return Finding(
        name=RESTARTED,
        text=f"training diverged in epoch {epochs} and went back; it ended with 1/{2 ** len(restarts)} of the "
        "configured learning rate.",
        advice="Set a lower optimizer.lr, so that the run is what its configuration says.",
    )
