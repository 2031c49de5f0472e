"""A comparison as one HTML page or as Markdown, from the templates of this folder."""

import base64
import copy
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gesturelab import __version__
from gesturelab.config.saved import MAX_BYTES
from gesturelab.files import read_text, why
from gesturelab.report import sections, texts
from gesturelab.report.collect import Finished
from gesturelab.report.cost_figure import draw_cost
from gesturelab.report.cross_validation_figures import draw_cross_validation
from gesturelab.report.datasets_figure import describe_datasets, draw_datasets
from gesturelab.report.figures import draw_confusion, draw_curves, draw_sizes
from gesturelab.report.groups import Candidate, Group
from gesturelab.report.leakage import draw_leakage
from gesturelab.report.learning_curve_figure import describe_curve, draw_curve
from gesturelab.report.player import EXPLANATION_BYTES, WINDOW_BYTES, Explain, Motions, build_player
from gesturelab.report.results import Comparison, GroupComparison
from gesturelab.report.sections import Cell, Table
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info
from gesturelab.sweeps.search.result import Search, count_trials, read_search

MOST_BYTES = 4_800_000
"""What the whole page may take; a page can be sent by mail."""

MOST_CURVES = 12
"""More training curves than that make a page that nobody reads; each run's folder has its own."""

OF_FOLDS = {
    "sizes": "Accuracy (or balanced accuracy) on unseen people against parameters, with intervals",
    "people": "Accuracy by person; patients are hatched",
    "reliability": "Confidence against the share recognised",
    "coverage": "Accuracy when the least confident recordings get no answer",
    "ranks": "Critical-difference diagram: mean ranks over people; what no test tells apart is joined by a bar",
}

MOTION_BYTES = 3_000_000
"""What the motion of the player's recordings may take."""


def render_markdown(comparison: Comparison) -> str:
    """The whole comparison as Markdown."""
    text = _templates().get_template("comparison.md").render(_contents(comparison))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def render_page(comparison: Comparison, motions: Mapping[str, Motions | str], explain: Explain | None = None) -> str:
    """One HTML file without any other file, script or font.

    Args:
        comparison: Of at least one run.
        motions: For each data fingerprint where motion is found, or why it is not.
        explain: What explains the answers to the player's recordings; None: they are not explained.
    """
    groups = [group.group for group in comparison.groups]
    runs = [run for group in groups for run in group.runs]
    contents = _contents(comparison) | {
        "title": ", ".join(sorted({run.info["name"] for run in runs})),
        "runs": runs,
        "last": max(str(run.info.get("finished", "?")) for run in runs)[:10],
        "pictures": pictures(comparison),
        "curves": curves(groups),
        "most_curves": MOST_CURVES,
        "summary": sections.summary_table(comparison),
        "searches": _searches(runs),
        "configurations": [_configuration(run) for run in runs],
    }
    empty = fill_template("page.html", "player.js", contents | {"player": None}, {})
    left = max(0, MOST_BYTES - len(empty.encode()) - 100_000 - (EXPLANATION_BYTES if explain else 0))
    motion = min(MOTION_BYTES, int(0.8 * left))
    player = build_player(groups, motions, motion, min(WINDOW_BYTES, left - motion), explain)
    return fill_template("page.html", "player.js", contents | {"player": player}, player.data)


def fill_template(template: str, own_script: str, contents: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """A page of which a content security policy allows nothing but its own style and script.

    Args:
        template: Its name.
        own_script: The script beside those for tables and for skeletons in motion.
        contents: What the template shows.
        data: What the script reads.
    """
    style, script = "\n" + _asset("page.css"), "\n" + "".join(map(_asset, ("page.js", "stage.js", own_script)))
    allowed = f"img-src data:; style-src {_hash(style)}; script-src {_hash(script)}"
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    own = {
        "policy": Markup(f"default-src 'none'; {allowed}; base-uri 'none'"),
        "style": Markup(style),
        "script": Markup(script),
        "version": __version__,
        "data": Markup(text.replace("<", "\\u003c")),
    }
    return _templates().get_template(template).render(contents, **own)


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
        drawn.append(_draw("Accuracy against size: test filled, validation hollow", draw_sizes, rows))
    if len({group.leaky for group in groups}) > 1:
        caption = "The same model, divided differently: leaky splits beside unseen people"
        drawn.append(_draw(caption, draw_leakage, rows))
    if comparison.across is not None:
        drawn.append(_draw(describe_datasets(comparison.across), draw_datasets, comparison))
    drawn += [_draw(describe_curve(curve), draw_curve, curve) for curve in comparison.curves]
    for group in comparison.groups:
        drawn += _draw_folds(group)
    for group in comparison.groups:
        if group.cost.informative:
            caption = f"Accuracy against cost (group {group.number}); Pareto-optimal sizes are filled and joined"
            drawn.append(_draw(caption, draw_cost, group))
    for group in groups:
        classes = "gestures" if group.target == "gesture" else "classes"
        for candidate in group.candidates:
            if all(_has_confusion(run.info) for run in candidate.runs):
                which = f"{_name(group, groups)}{candidate.label}"
                caption = f"Which {classes} are taken for which: {which}, test recordings"
                drawn.append(_draw(caption, draw_confusion, add_confusions(candidate)))
    return drawn


def curves(groups: Sequence[Group]) -> list[Picture]:
    """Training curves of the first runs."""
    runs = [(group, run) for group in groups for run in group.runs if run.info["training"].get("history")]
    return [
        _draw(f"Training curves of {_name(group, groups)}{run.label}", draw_curves, run.info)
        for group, run in runs[:MOST_CURVES]
    ]


def add_confusions(candidate: Candidate) -> Info:
    """What the runs of a size say together, as far as the confusion matrix needs it."""
    info = cast(Any, copy.deepcopy(candidate.runs[0].info))
    if len(candidate.runs) > 1:
        info["confusion"] = np.sum([run.info["confusion"] for run in candidate.runs], axis=0).tolist()
        info["name"] = f"{len(candidate.runs)} runs together"
        info["seed"] = ", ".join(map(str, candidate.seeds))
        folds = [run.info["split"]["options"].get("fold") for run in candidate.runs]
        if any(fold != folds[0] for fold in folds):
            info["split"]["options"]["fold"] = None
    return cast(Info, info)


def _has_confusion(info: Info) -> bool:
    """A damaged info file has its numbers compared all the same."""
    size = len(info.get("gestures", []))
    return size > 0 and np.shape(cast(Any, info.get("confusion", ()))) == (size, size)


def _draw_folds(group: GroupComparison) -> Iterator[Picture]:
    with tempfile.TemporaryDirectory() as folder:
        for path in draw_cross_validation(group, Path(folder), "svg"):
            kind = path.stem.split("_")[0]
            if kind != "sizes" or sum(not result.peer for result in group.results) > 1:
                yield Picture(f"{OF_FOLDS[kind]} (group {group.number})", path.read_bytes())


def _name(group: Group, groups: Sequence[Group]) -> str:
    return f"group {group.number}, " if len(groups) > 1 else ""


def _draw(caption: str, draw: Callable[[Any, Path], None], content: Any) -> Picture:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.svg"
        draw(content, path)
        return Picture(caption, path.read_bytes())


def render_table(table: Table) -> str:
    """One table of the page, which sorts by its columns."""
    module: Any = _templates().get_template("tables.html").module
    return str(module.render_table(table))


@cache
def _templates() -> Environment:
    """The templates; what comes from a run is escaped in HTML, and as `cell` says in Markdown."""
    environment = Environment(
        loader=PackageLoader("gesturelab.report"),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": cell, "shown": sections.shown, "percent": percent}
    own = {function.__name__: function for function in (remarks, importance_table, trial_table, count_trials)}
    cast(dict[str, Any], environment.globals).update({"sections": sections, "texts": texts} | own)
    return environment


def _contents(comparison: Comparison) -> dict[str, Any]:
    """What both templates show."""
    return {
        "comparison": comparison,
        "overfitting": sections.overfitting_blocks(comparison),
        "findings": texts.findings(comparison.runs),
    }


def remarks(group: GroupComparison) -> list[str]:
    """The paragraphs of a group after the answer: the rest of model selection and recommendation, and the people."""
    return [*texts.rest(group), texts.people(group)]


def cell(text: str) -> str:
    r"""Text that Markdown shows as it is, on one line.

    >>> cell("a|b [bold]")
    'a\\|b \\[bold\\]'
    """
    return re.sub(r"([\\|`*<>\[\]])", r"\\\1", " ".join(text.split()))


def _searches(runs: Iterable[Finished]) -> list[Search]:
    """The searches that some runs are part of, in order of name."""
    roots = sorted({run.path.resolve().parent for run in runs})
    return [search for search in map(read_search, roots) if search is not None]


def importance_table(search: Search) -> Table:
    """How much each key of a search matters."""
    rows = tuple((key, (percent(share), share)) for key, share in search["importances"].items())
    return Table("Importance of each key (PED-ANOVA)", ("key", "share"), rows)


def trial_table(search: Search) -> Table:
    """One line a trial."""
    keys = list(search["space"])

    def show(value: Any) -> Cell:
        return (f"{value:.4g}", value) if isinstance(value, float) else str(value)

    rows = tuple(
        (
            str(trial["number"]),
            trial["state"],
            "" if trial["value"] is None else f"{trial['value']:.4f}",
            *(show(trial["params"].get(key, "")) for key in keys),
            " ".join(map(str, trial["epochs"])),
            " ".join(trial["folders"]),
            trial["reason"],
        )
        for trial in search["trials"]
    )
    columns = ("trial", "state", search["objective"].replace("_", " "), *keys, "epochs", "folders", "reason")
    return Table("Trials", columns, rows)


def _configuration(run: Finished) -> tuple[str, str]:
    """What a run's configuration is called, and its text."""
    try:
        text = read_text(RunDir(run.path, run.info["model"]["size"]).config, MAX_BYTES)
    except (OSError, ValueError) as error:
        text = f"config.yaml cannot be read: {why(error)}"
    return f"{run.label}: {run.info['name']}, {run.info['model']['size']}, seed {run.info['seed']}", text


def _asset(name: str) -> str:
    return files("gesturelab.report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(code: str) -> str:
    """How a content security policy names the one script or style that may be used."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
