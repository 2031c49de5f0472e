"""The part of the page about hyperparameter searches: best trial, importances, every trial."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from gesturelab.report.collect import Finished
from gesturelab.report.page.html import Cell, paragraphs, table, text
from gesturelab.report.words import percent
from gesturelab.sweeps.search.result import Search, TrialResult, counted, read_search


def searches_of(runs: Iterable[Finished]) -> list[Search]:
    """The searches that some runs are part of, in order of name."""
    roots = sorted({run.path.resolve().parent for run in runs})
    return [found for found in map(read_search, roots) if found is not None]


def section(searches: Sequence[Search]) -> str:
    """The part of the page; empty without a search."""
    if not searches:
        return ""
    return f'<section id="search"><h2>Search</h2>\n{"".join(map(_search, searches))}</section>\n'


def _search(search: Search) -> str:
    objective = search["objective"].replace("_", " ")
    averaged = f", mean over {' '.join(search['average_over'])}" if search["average_over"] else ""
    said = f"<h3>{text(search['name'])}</h3>\n"
    said += paragraphs([f"{counted(search['trials'])}. Objective: {objective}{averaged}, of validation people only."])
    best = search["best"]
    if best is not None and best["value"] is not None:
        said += paragraphs([f"Best: trial {best['number']}, {objective} {best['value']:.4f}."], "lead")
        said += f"<pre>{text(search['command'])}</pre>\n"
    shares = [(key, (percent(share), share)) for key, share in search["importances"].items()]
    if shares:
        said += table("Importance of each key (PED-ANOVA)", ("key", "share"), shares)
    else:
        said += paragraphs([f"No importance of keys: {search['importances_missing']}."])
    keys = list(search["space"])
    columns = ("trial", "state", objective, *keys, "epochs", "folders", "reason")
    return said + table("Trials", columns, (_trial(trial, keys) for trial in search["trials"]))


def _trial(trial: TrialResult, keys: Sequence[str]) -> tuple[Cell, ...]:
    value = trial["value"]
    params = [trial["params"].get(key, "") for key in keys]
    return (
        str(trial["number"]),
        trial["state"],
        "" if value is None else f"{value:.4f}",
        *((f"{given:.4g}", float(given)) if isinstance(given, float) else str(given) for given in params),
        " ".join(map(str, trial["epochs"])),
        " ".join(str(Path(folder)) for folder in trial["folders"]),
        trial["reason"],
    )
