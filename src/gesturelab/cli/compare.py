"""``gesturelab compare``: finished runs side by side."""

import argparse
import sys
from pathlib import Path
from typing import Any

from gesturelab.cli.latency import add_option, measure_sizes
from gesturelab.errors import RunError

DEFAULTS = ("outputs", "multirun")
STANDARD_OUTPUT = "-"


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        prog="gesturelab compare",
        description="Compare finished runs, recommend a size by validation accuracy, and judge overfitting. Runs that "
        "differ in fold and seed only are joined into one result a size, with intervals over people.",
    )
    made.add_argument("dirs", nargs="*", metavar="DIR", type=Path, help="folders of runs (default: outputs, multirun)")
    made.add_argument("--csv", metavar="FILE", help="write one row a run; - is standard output")
    made.add_argument("--joined", metavar="FILE", help="write joined folds as CSV, one row a size and part; - as above")
    made.add_argument("--json", metavar="FILE", help="write everything; - is standard output")
    made.add_argument("--markdown", metavar="FILE", help="write everything, for reading; - is standard output")
    made.add_argument("--png", metavar="FILE", help="draw accuracy against parameters")
    made.add_argument("--figures", metavar="DIR", help="draw accuracy against cost, and joined folds")
    made.add_argument("--leakage", metavar="FILE", help="draw random windows and recordings beside unseen people")
    add_option(made)
    return made


def run(arguments: list[str]) -> int:
    """Compares runs.

    Returns:
        0 when at least one finished run was read, otherwise 1.

    Raises:
        RunError: If a folder does not exist, or a file cannot be written.
    """
    asked = parser()
    given = asked.parse_args(arguments)
    if [given.csv, given.joined, given.json, given.markdown].count(STANDARD_OUTPUT) > 1:
        asked.error("only one of --csv, --joined, --json and --markdown can go to standard output")
    if given.png == STANDARD_OUTPUT:
        asked.error("--png needs a file name")
    dirs: list[Path] = given.dirs or [Path(name) for name in DEFAULTS if Path(name).is_dir()]
    if not dirs:
        raise RunError(
            f"there is neither {' nor '.join(DEFAULTS)} in {Path.cwd()}: make runs with 'gesturelab train' "
            "(or 'gesturelab train -m model=tiny,small'), or name the folders that hold them"
        )
    return _compare(dirs, given)


def _compare(dirs: list[Path], given: argparse.Namespace) -> int:
    import json

    from rich.console import Console

    from gesturelab.files import write_text
    from gesturelab.report.collect import collect
    from gesturelab.report.console import show
    from gesturelab.report.groups import group
    from gesturelab.report.markdown import markdown
    from gesturelab.report.table import comparison, frame, joined_frame

    finished, unread = collect(dirs)
    groups = group(finished)
    latencies = measure_sizes(groups, given.trust) if given.latency else None
    report = comparison(groups, unread, latencies, given.trust)
    written = [
        (given.csv, lambda: frame(groups).to_csv(index=False, lineterminator="\n")),
        (given.joined, lambda: joined_frame(report["joined"]).to_csv(index=False, lineterminator="\n")),
        (given.json, lambda: json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"),
        (given.markdown, lambda: markdown(report)),
    ]
    quiet = any(name == STANDARD_OUTPUT for name, _ in written)
    if not quiet:
        show(report, Console(width=None if sys.stdout.isatty() else _columns(), highlight=False))
    for name, text in written:
        if name == STANDARD_OUTPUT:
            sys.stdout.write(text())
        elif name is not None:
            write_text(Path(name), text())
    if given.png is not None and any(one.sizes for one in groups):
        from gesturelab.report.figures import draw_sizes

        draw_sizes(frame(groups), Path(given.png))
    if given.figures is not None or given.leakage is not None:
        _draw_more(given, report)
    where = ", ".join(str(path) for path in dirs)
    if quiet and unread:
        print(f"not compared: {len(unread)} unfinished or unreadable below {where}", file=sys.stderr)
    if not finished:
        print(f"no finished run in {where}: make one with 'gesturelab train'", file=sys.stderr)
    return 0 if finished else 1


def _draw_more(given: argparse.Namespace, report: dict[str, Any]) -> None:
    from gesturelab.report.cost_figure import draw_cost, titles
    from gesturelab.report.cost_words import worth_showing
    from gesturelab.report.joined_figures import draw_joined
    from gesturelab.report.leakage import draw_leakage

    groups = {group["group"]: group for group in report["groups"]}
    if given.figures is not None:
        for item in report["joined"]:
            draw_joined(item, groups[item["group"]], Path(given.figures))
        for item in filter(worth_showing, report["costs"]):
            number = "" if item["group"] == 1 else f"_{item['group']}"
            draw_cost(item, Path(given.figures) / f"cost{number}.png", *titles(groups[item["group"]]))
    if given.leakage is not None and any(not row["peer"] for row in report["runs"]):
        draw_leakage(report["runs"], Path(given.leakage))


def _columns() -> int:
    """Width of a pipe: what COLUMNS says, or 100."""
    import os

    said = os.environ.get("COLUMNS", "")
    return int(said) if said.isdigit() else 100
