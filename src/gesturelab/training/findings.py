"""What a finished training shows that should be looked at, each with a name and advice.

The rules, with their numbers, are `RULES`; docs/guide/robustness.md explains them. They look at the history of losses
and at the validation and test people; a finding is no caveat (see ``warnings`` in `gesturelab.runs.info`): it says
nothing against the numbers, but something about the training.
"""

import math
from collections.abc import Iterator, Sequence

from gesturelab.config.training import Keep
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.report import overfitting
from gesturelab.report.texts import percent
from gesturelab.runs.info import Finding, Info, target_of, training_sample

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
    NEVER_PREDICTED: "a class that validation people performed was never predicted for them",
    OVERFITS: "train minus validation or train minus test, of recordings, is severe: more than 20 points",
    NOT_FINISHED: f"all trainer.max_epochs were trained ({LEAST_EPOCHS} or more), the lowest validation loss is in the "
    f"last tenth of them, and the mean validation loss there is {100 * LEAST_FALL:g} % or more below that of as many "
    "epochs before",
    FIRST_IS_BEST: f"of {LEAST_EPOCHS} epochs or more the first has the lowest validation loss",
    SKIPPED: "steps were left out, not being finite (trainer.on_not_finite=skip)",
    RESTARTED: "a loss or gradient was not finite, and training went back with half the learning rate "
    "(trainer.on_not_finite=restart)",
}
"""When each finding is made, in the order in which they are told."""


def find(info: Info, validated: Sequence[Sequence[int]]) -> list[Finding]:
    """All that is found, as `RULES` say.

    Args:
        info: Of the finished training.
        validated: Confusion of validation recordings; rows are the true class, columns the predicted one.
    """
    found = [*_losses(info), *_classes(info, validated), *_overfitting(info), *_steps(info)]
    order = list(RULES)
    return [
        Finding(name=name, text=text, advice=advice)
        for name, text, advice in sorted(found, key=lambda finding: order.index(finding[0]))
    ]


_Found = Iterator[tuple[str, str, str]]
"""Name, text and advice of findings."""


def _classes(info: Info, validated: Sequence[Sequence[int]]) -> _Found:
    predicted = [sum(column) for column in zip(*validated, strict=True)]
    never = [
        name for name, row, count in zip(info["gestures"], validated, predicted, strict=True) if sum(row) and not count
    ]
    if never:
        yield (
            NEVER_PREDICTED,
            f"{', '.join(never)}: never predicted for validation people, though they performed it.",
            "Train longer; with few training recordings of a class try loss.class_weights=true; look at the "
            "confusion matrix for what is said in its place.",
        )


def _overfitting(info: Info) -> _Found:
    metric = primary_metric(target_of(info))
    train, *others = (info["metrics"][subset]["recording"][metric.name] for subset in ("train", "validation", "test"))
    sampled = f" (a sample: {sample})" if (sample := training_sample(info)) else ""
    severe: list[str] = []
    for subset, score in zip(("validation", "test"), others, strict=True):
        gap = overfitting.gap(train, score)
        if gap is not None and overfitting.band(gap) == overfitting.SEVERE:
            severe.append(f"{subset} people {percent(score)} (a gap of {100 * gap:.1f} points)")
    if severe:
        yield (
            OVERFITS,
            f"{metric.title} of recordings is {percent(train)} for training people{sampled}, "
            f"but {' and '.join(severe)}: {overfitting.SEVERE}.",
            f"Try a {overfitting.ADVICE}.",
        )


def _losses(info: Info) -> _Found:
    training = info["training"]
    trained = [epoch["train_loss"] for epoch in training["history"]]
    losses = [epoch["validation_loss"] for epoch in training["history"]]
    if len(losses) < LEAST_EPOCHS:
        return
    lowest, guessed = min(trained[1:]), math.log(len(info["gestures"]))
    if trained[0] > MOST_GUESSED * guessed and lowest > (1 - LEAST_FALL) * trained[0]:
        yield (
            NEVER_FELL,
            f"the training loss was {trained[0]:.3f} in the first epoch, and {lowest:.3f} at its lowest after that.",
            "Try optimizer.lr ten times lower, then ten times higher; if that changes nothing, see whether the "
            "recordings show what they are named after (gesturelab data check).",
        )
    last = max(1, len(losses) // LAST_SHARE)
    before, after = sum(losses[-2 * last : -last]) / last, sum(losses[-last:]) / last
    most = training["max_epochs"]
    if len(losses) >= most and min(losses) in losses[-last:] and after <= (1 - LEAST_FALL) * before:
        yield (
            NOT_FINISHED,
            f"training ended after all {most} epochs, while the validation loss still fell, from {before:.3f} to "
            f"{after:.3f}.",
            f"Train longer: twice your trainer.max_steps, or trainer.max_epochs={2 * most}.",
        )
    if min(losses) == losses[0]:
        best = training["keep"] == Keep.best
        kept = "its weights were kept" if best else "the last epoch's weights were kept all the same"
        yield (
            FIRST_IS_BEST,
            f"the validation loss was lowest in the first of {len(losses)} epochs ({losses[0]:.3f}); {kept}.",
            "Try a lower optimizer.lr, or more dropout; with few validation people, others may say otherwise.",
        )


def _steps(info: Info) -> _Found:
    if skipped := info["training"].get("skipped"):
        steps = sum(epoch["steps"] for epoch in skipped)
        yield (
            SKIPPED,
            f"{steps} steps of {len(skipped)} epochs were left out: their loss or gradient was not finite.",
            "Look at the recordings that train.log names; lower optimizer.lr.",
        )
    if restarts := info["training"].get("restarts"):
        epochs = ", ".join(str(restart["epoch"] + 1) for restart in restarts)
        yield (
            RESTARTED,
            f"training diverged in epoch {epochs} and went back; it ended with 1/{2 ** len(restarts)} of the "
            "configured learning rate.",
            "Set a lower optimizer.lr, so that the run is what its configuration says.",
        )
