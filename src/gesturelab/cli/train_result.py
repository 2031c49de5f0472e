"""What ``gesturelab train`` prints when a training is finished."""

import logging
from pathlib import Path
from typing import Any, cast

from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.report.overfitting import band, gap
from gesturelab.report.results import BASELINES
from gesturelab.report.sections import table_columns
from gesturelab.report.texts import metric_value, percent
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info, target_of, training_sample

log = logging.getLogger(__name__)

FEW_PEOPLE = 10
"""Below so many test people a result comes with a warning."""


def print_result(run: RunDir, info: Info) -> None:
    """Prints the primary metric first, then the other scores, their warnings, and where the files are."""
    target, metrics = target_of(info), info["metrics"]
    people = info["split"]["test"]["subjects"]
    listed = ", ".join(people) if len(people) <= 12 else f"{', '.join(people[:12])} ..."
    train, validation, test = _primary(info, "recording")
    difference = gap(train, test)
    sampled = f" (a sample: {sample} recordings)" if (sample := training_sample(info)) else ""
    judgement = "" if difference is None else f"; gap {percent(difference)}: {band(difference)}"
    log.info("")
    log.info(
        "%s: test %s %s on %d recordings of %d people (%s); validation %s, training %s%s",
        info["model"]["size"],
        primary_metric(target).title,
        percent(test),
        metrics["test"]["recording"]["count"],
        len(people),
        listed,
        percent(validation),
        percent(train) + sampled,
        judgement,
    )
    log.info("recordings: %s", _more_scores(info))
    train, validation, test = map(percent, _primary(info, "window"))
    log.info("windows: test %s, validation %s, training %s%s", test, validation, train, sampled)
    if baselines := info.get("baselines", {}):
        scores = (
            f"{BASELINES[name]} {percent(baseline[primary_metric(CORRECTNESS).name])}"
            for name, baseline in baselines.items()
        )
        log.info("trivial answers (recordings): %s", ", ".join(scores))
    if len(people) < FEW_PEOPLE and not info["split"]["leaky"]:
        log.info(
            "%d people are few: other people may give a very different number. Test everybody once with "
            "gesturelab train -m split=subject_kfold split.fold=0,1,2,3,4",
            len(people),
        )
    for warning in info["warnings"]:
        log.warning(warning)
    for finding in info.get("findings", []):
        log.warning("%s: %s %s", finding["name"], finding["text"], finding["advice"])
    folder = run.path if not run.path.is_relative_to(Path.cwd()) else run.path.relative_to(Path.cwd())
    log.info("%s: %s", folder.as_posix(), ", ".join(path.name for path in run.artefacts))


def _primary(info: Info, level: str) -> list[float | None]:
    """The primary metric of training, validation and test."""
    metrics = cast(Any, info["metrics"])
    return [metrics[subset][level][primary_metric(target_of(info)).name] for subset in ("train", "validation", "test")]


def _more_scores(info: Info) -> str:
    """The metrics of the test recordings besides the primary one."""
    test = info["metrics"]["test"]["recording"]
    primary, *others = table_columns(target_of(info), test)
    shown = ", ".join(f"{metric.title} {metric_value(test[metric.name], metric)}" for metric in others)
    if test[primary.name] is None:
        shown += f" (they are of one class only, so {primary.title} is undefined)"
    return shown
