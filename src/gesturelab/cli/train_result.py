"""What ``gesturelab train`` says when a training is finished."""

import logging
from pathlib import Path
from typing import Any, cast

from gesturelab.report.primary_metric import BASELINES, CORRECTNESS, lead, words
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info, target_of

log = logging.getLogger(__name__)

FEW_PEOPLE = 10
"""Below so many test people a result says so."""


def print_result(run: RunDir, info: Info) -> None:
    """Prints the scores, what must be said with them, and where the files are."""
    log.info("")
    target = target_of(info)
    head = f"{info['model']['size']}: {words(target)} of"
    log.info("%-28s %12s %12s %12s", head, "training", "validation", "test")
    metrics = info["metrics"]
    for level, what in (("recording", "recordings"), ("window", "windows")):
        scores = [cast(Any, metrics[side][level])[lead(target)] for side in ("train", "validation", "test")]
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
    """The scores of the test recordings that do not lead."""
    test = info["metrics"]["test"]["recording"]
    if target_of(info) == CORRECTNESS:
        names = {"sensitivity": "sensitivity", "specificity": "specificity", "roc_auc": "ROC AUC"}
        shown = ", ".join(f"{name} {percent(cast(Any, test)[key])}" for key, name in names.items())
        shown += f", accuracy {percent(test['accuracy'])}"
        if test["balanced_accuracy"] is None:
            shown += " (they are of one class only, so balanced accuracy is undefined)"
        return shown
    return f"balanced accuracy {percent(test['balanced_accuracy'])}, macro F1 {test['macro_f1']:.3f}"
