"""The pictures of a comparison as SVG within the page."""

import base64
import copy
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from gesturelab.report.cost_figure import draw_cost
from gesturelab.report.cross_validation_figures import draw_cross_validation
from gesturelab.report.figures import draw_confusion, draw_curves, draw_sizes
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.leakage import draw_leakage
from gesturelab.report.results import Comparison, GroupComparison
from gesturelab.runs.info import Info

MOST_CURVES = 12
"""More training curves than that make a page that nobody reads; each run's folder has its own."""

OF_FOLDS = {
    "sizes": "Accuracy (or balanced accuracy) on unseen people against parameters, with intervals",
    "people": "Accuracy by person; patients are hatched",
    "reliability": "Confidence against the share recognised",
    "coverage": "Accuracy when the least confident recordings get no answer",
    "ranks": "Critical-difference diagram: mean ranks over people; what no test tells apart is joined by a bar",
}


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows in words."""

    caption: str
    svg: bytes

    @property
    def base64(self) -> str:
        """The picture as a data URI holds it; scripts do not run in it."""
        return base64.b64encode(self.svg).decode("ascii")


def pictures(comparison: Comparison) -> list[Picture]:
    """Of everything together, then of each group and candidate."""
    drawn: list[Picture] = []
    rows = comparison.runs
    groups = [group.group for group in comparison.groups]
    if len({row.parameters for row in rows if not row.peer}) > 1:
        caption = "Accuracy against size: test filled, validation hollow"
        drawn.append(_draw(caption, lambda path: draw_sizes(rows, path)))
    if len({group.leaky for group in groups}) > 1:
        caption = "The same model, divided differently: leaky splits beside unseen people"
        drawn.append(_draw(caption, lambda path: draw_leakage(rows, path)))
    for group in comparison.groups:
        drawn += _of_folds(group)
    for group in comparison.groups:
        if group.cost.informative:
            caption = f"Accuracy against cost (group {group.number}); Pareto-optimal sizes are filled and joined"
            drawn.append(_draw(caption, lambda path, group=group: draw_cost(group, path)))
    for group in groups:
        for candidate in group.candidates:
            if not all(_has_confusion(run.info) for run in candidate.runs):
                continue
            info = together(candidate)
            what = "gestures" if group.target == "gesture" else "classes"
            caption = f"Which {what} are taken for which: {_name(group, groups)}{candidate.label}, test recordings"
            drawn.append(_draw(caption, lambda path, info=info: draw_confusion(info, path)))
    return drawn


def curves(groups: Sequence[Group]) -> list[Picture]:
    """Training curves of the first runs."""
    runs = [(group, run) for group in groups for run in group.runs if run.info["training"].get("history")][:MOST_CURVES]
    return [
        _draw(
            f"Training curves of {_name(group, groups)}{run.label}", lambda path, info=run.info: draw_curves(info, path)
        )
        for group, run in runs
    ]


def together(candidate: Candidate) -> Info:
    """What the runs of a size say together, as far as the confusion matrix needs it."""
    info = cast(Any, copy.deepcopy(candidate.runs[0].info))
    if len(candidate.runs) > 1:
        info["confusion"] = np.sum([run.info["confusion"] for run in candidate.runs], axis=0).tolist()
        info["name"] = f"{len(candidate.runs)} runs together"
        info["seed"] = ", ".join(map(str, candidate.seeds))
        folds = sorted({json.dumps(run.info["split"]["options"].get("fold")) for run in candidate.runs})
        if len(folds) > 1:
            info["split"]["options"]["fold"] = None
    return cast(Info, info)


def _has_confusion(info: Info) -> bool:
    """A damaged info file has its numbers compared all the same."""
    size = len(info.get("gestures", []))
    return size > 0 and np.shape(cast(Any, info.get("confusion", ()))) == (size, size)


def _of_folds(group: GroupComparison) -> Iterator[Picture]:
    with tempfile.TemporaryDirectory() as folder:
        for path in draw_cross_validation(group, Path(folder), "svg"):
            kind = path.stem.split("_")[0]
            if kind != "sizes" or sum(not result.peer for result in group.results) > 1:
                yield Picture(f"{OF_FOLDS[kind]} (group {group.number})", path.read_bytes())


def _name(group: Group, groups: Sequence[Group]) -> str:
    return f"group {group.number}, " if len(groups) > 1 else ""


def _draw(caption: str, draw: Callable[[Path], None]) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        draw(path)
        return Picture(caption, path.read_bytes())
