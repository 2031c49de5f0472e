"""What ``gesturelab train`` says when a training is finished."""

import logging
from pathlib import Path
from typing import Any, cast

from gesturelab.evaluation.metrics import metric_named, primary_metric, table_metrics
from gesturelab.report.words import BASELINES, percent
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info, target_of

log = logging.getLogger(__name__)

FEW_PEOPLE = 10
"""Below so many test people a result says so."""


def print_result(run: RunDir, info: Info) -> None:
    """Prints the scores, what must be said with them, and where the files are."""
    log.info("")
    target = target_of(info)
    primary = primary_metric(target)
    head = f"{info['model']['size']}: {primary.title} of"
    log.info("%-28s %12s %12s %12s", head, "training", "validation", "test")
    metrics = info["metrics"]
    for level, what in (("recording", "recordings"), ("window", "windows")):
        scores = [
            cast(Any, metrics[side][level])[primary_metric(target).name] for side in ("train", "validation", "test")
        ]
        log.info("%-28s %12s %12s %12s", what, *map(percent, scores))
    for name, baseline in info.get("baselines", {}).items():
        said = f"{BASELINES[name]} (recordings)"
        log.info("%-28s %12s %12s %12s", said, "", "", percent(baseline["balanced_accuracy"]))
    test = metrics["test"]["recording"]
    people = info["split"]["test"]["subjects"]
    log.info(
        "test recordings: %s, %d recordings of %d people: %s",
        _more_scores(info),
        test["count"],
        len(people),
        ", ".join(people) if len(people) <= 12 else f"{', '.join(people[:12])} ...",
    )
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
    log.info("")
    for path in run.artefacts:
        log.info(path.as_posix() if not path.is_relative_to(Path.cwd()) else path.relative_to(Path.cwd()).as_posix())


def _more_scores(info: Info) -> str:
    """The metrics of the test recordings besides the primary one."""
    test, target = info["metrics"]["test"]["recording"], target_of(info)
    primary = primary_metric(target)
    metrics = [metric for metric in table_metrics(target) if metric.name in test and metric is not primary]
    metrics += [metric_named(name, target) for name in info.get("metric_definitions", {})]
    shown = ", ".join(f"{metric.title} {metric.show(test[metric.name])}{' %' * metric.percent}" for metric in metrics)
    if test[primary.name] is None:
        shown += f" (they are of one class only, so {primary.title} is undefined)"
    return shown
