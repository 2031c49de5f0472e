"""A comparison as one HTML page or as Markdown, from the templates of this folder."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gesturelab import __version__
from gesturelab.config.saved import MAX_BYTES
from gesturelab.files import read_text, why
from gesturelab.report import sections, texts
from gesturelab.report.collect import Finished
from gesturelab.report.pictures import MOST_CURVES, curves, pictures
from gesturelab.report.player import WINDOW_BYTES, Motions, build_player
from gesturelab.report.results import Comparison, GroupComparison
from gesturelab.report.sections import Cell, Table
from gesturelab.report.texts import percent
from gesturelab.runs.folder import RunDir
from gesturelab.sweeps.search.result import Search, counted, read_search

MOST_BYTES = 4_800_000
"""What the whole page may take; a page can be sent by mail."""

MOTION_BYTES = 3_000_000
"""What the motion of the player's recordings may take."""


def render_markdown(comparison: Comparison) -> str:
    """The whole comparison as Markdown."""
    text = _templates().get_template("comparison.md").render(_contents(comparison))
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def render_page(comparison: Comparison, motions: Mapping[str, Motions | str]) -> str:
    """One HTML file without any other file, script or font.

    Args:
        comparison: Of at least one run.
        motions: For each data fingerprint where motion is found, or why it is not.
    """
    groups = [group.group for group in comparison.groups]
    runs = [run for group in groups for run in group.runs]
    style, script = "\n" + _asset("page.css"), "\n" + _asset("page.js") + _asset("player.js")
    contents = _contents(comparison) | {
        "policy": Markup(
            f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
        ),
        "style": Markup(style),
        "script": Markup(script),
        "version": __version__,
        "names": ", ".join(sorted({run.info["name"] for run in runs})),
        "runs": runs,
        "last": max(str(run.info.get("finished", "?")) for run in runs)[:10],
        "pictures": pictures(comparison),
        "curves": curves(groups),
        "most_curves": MOST_CURVES,
        "summary": sections.summary_table(comparison),
        "searches": _searches(runs),
        "configurations": [_configuration(run) for run in runs],
    }
    template = _templates().get_template("page.html")
    empty = template.render(contents, player=None, data="")
    left = max(0, MOST_BYTES - len(empty.encode()) - 100_000)
    motion = min(MOTION_BYTES, int(0.8 * left))
    player = build_player(groups, motions, motion, min(WINDOW_BYTES, left - motion))
    data = json.dumps(player.data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return template.render(contents, player=player, data=Markup(data.replace("<", "\\u003c")))


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
    names = ("run_table", "metric_blocks", "group_blocks", "unread_table", "number")
    tables = {"importance_table": importance_table, "trial_table": trial_table}
    functions: dict[str, Callable[..., Any]] = {name: getattr(sections, name) for name in names}
    more: dict[str, Any] = {"remarks": remarks, "texts": texts, "counted": counted}
    cast(dict[str, Any], environment.globals).update(functions | tables | more)
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

    def cells() -> Iterator[tuple[Cell, ...]]:
        for trial in search["trials"]:
            params = [trial["params"].get(key, "") for key in keys]
            yield (
                str(trial["number"]),
                trial["state"],
                "" if trial["value"] is None else f"{trial['value']:.4f}",
                *((f"{value:.4g}", float(value)) if isinstance(value, float) else str(value) for value in params),
                " ".join(map(str, trial["epochs"])),
                " ".join(trial["folders"]),
                trial["reason"],
            )

    columns = ("trial", "state", search["objective"].replace("_", " "), *keys, "epochs", "folders", "reason")
    return Table("Trials", columns, tuple(cells()))


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
