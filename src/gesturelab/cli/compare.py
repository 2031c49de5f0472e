"""``gesturelab compare``: finished runs side by side."""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gesturelab.cli.options import STANDARD_OUTPUT, add_latency_option, choose_measure, write_output
from gesturelab.errors import GesturelabError, RunError

if TYPE_CHECKING:
    from rich.console import Console

    from gesturelab.report.groups import Candidate
    from gesturelab.report.results import Comparison, GroupComparison
    from gesturelab.runs.folder import RunDir

DEFAULTS = ("outputs", "multirun")
Result = TypeVar("Result")


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab compare",
        description="Compare finished runs, recommend a size by validation accuracy, and judge overfitting. Runs that "
        "differ in fold and seed only are joined into one result a size, with intervals over people.",
    )
    add = command.add_argument
    add("dirs", nargs="*", metavar="DIR", type=Path, help="folders of runs (default: outputs, multirun)")
    add(
        "--full",
        action="store_true",
        help="print windows, losses, cost, overfitting by run and findings too (as --latency)",
    )
    add("--csv", metavar="FILE", help="write one row a run; - is standard output")
    add("--joined", metavar="FILE", help="write joined folds as CSV, one row a size and part; - as above")
    add("--json", metavar="FILE", help="write everything; - is standard output")
    add("--markdown", metavar="FILE", help="write everything, for reading; - is standard output")
    add("--png", metavar="FILE", help="draw accuracy against parameters")
    add(
        "--figures",
        metavar="DIR",
        help="draw accuracy against cost, joined folds, and models on several datasets (also as PDF)",
    )
    add(
        "--adapt",
        metavar="K,K",
        help="adapt each run's model to each of its test people with the earliest K repetitions of each gesture, such "
        "as 0,1,2,3, and test on those after the largest K; writes adaptation_<size>.csv into each run's folder, which "
        "audit checks",
    )
    add(
        "--segments",
        action="store_true",
        help="find gestures in the untrimmed recordings of each run's test people, as 'gesturelab stream' does: "
        "precision, recall and F1 of segments, and false ones an hour",
    )
    add(
        "--data-root",
        metavar="DIR",
        help="where the recordings are for --adapt and --segments, if not where the runs found them",
    )
    add("--leakage", metavar="FILE", help="draw random windows and recordings beside unseen people")
    add_latency_option(command)
    return command


def run(arguments: list[str]) -> int:
    """Compares runs.

    Returns:
        0 when at least one finished run was read, otherwise 1.

    Raises:
        RunError: If a folder does not exist, or a file cannot be written.
    """
    command = build_parser()
    options = command.parse_args(arguments)
    if [options.csv, options.joined, options.json, options.markdown].count(STANDARD_OUTPUT) > 1:
        command.error("only one of --csv, --joined, --json and --markdown can go to standard output")
    if options.png == STANDARD_OUTPUT:
        command.error("--png needs a file name")
    dirs: list[Path] = options.dirs or [Path(name) for name in DEFAULTS if Path(name).is_dir()]
    if not dirs:
        raise RunError(
            f"there is neither {' nor '.join(DEFAULTS)} in {Path.cwd()}: make runs with 'gesturelab train' "
            "(or 'gesturelab train -m model=tiny,small'), or name the folders that hold them"
        )
    from gesturelab.evaluation.adaptation import parse_counts
    from gesturelab.report.comparison import compare

    counts = parse_counts(options.adapt) if options.adapt is not None else []
    comparison = compare(dirs, measure=choose_measure(options), trust=options.trust)
    quiet = _write(comparison, options)
    if counts:
        _adapt(comparison, counts, options, quiet=quiet)
    if options.segments:
        _find_segments(comparison, options, quiet=quiet)
    _draw(comparison, options)
    where = ", ".join(str(path) for path in dirs)
    if quiet and comparison.unread:
        print(f"not compared: {len(comparison.unread)} unfinished or unreadable below {where}", file=sys.stderr)
    if not comparison.groups:
        print(f"no finished run in {where}: make one with 'gesturelab train'", file=sys.stderr)
    return 0 if comparison.groups else 1


def _write(comparison: "Comparison", options: argparse.Namespace) -> bool:
    """Prints the comparison, unless a table goes to standard output, and writes the files; returns whether one did."""
    import json

    from gesturelab.report.console import show

    def markdown() -> str:
        from gesturelab.report.page import render_markdown  # jinja2 is not needed without it

        return render_markdown(comparison)

    written = [
        (options.csv, lambda: comparison.runs_to_frame().to_csv(index=False, lineterminator="\n")),
        (options.joined, lambda: comparison.parts_to_frame().to_csv(index=False, lineterminator="\n")),
        (options.json, lambda: json.dumps(comparison.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"),
        (options.markdown, markdown),
    ]
    quiet = any(name == STANDARD_OUTPUT for name, _ in written)
    if not quiet:
        show(comparison, _make_console(stderr=False), full=options.full or options.latency)
    for name, text in written:
        if name is not None:
            write_output(name, text())
    return quiet


def _adapt(comparison: "Comparison", numbers: list[int], options: argparse.Namespace, *, quiet: bool) -> None:
    """Adapts every model to its test people, and prints a table for each candidate."""
    from gesturelab.evaluation.adaptation import AdaptationScore, AdaptedRecording, score_adaptation
    from gesturelab.export.load import Datasets
    from gesturelab.report import texts
    from gesturelab.report.console import show_adaptation
    from gesturelab.report.sections import adaptation_table
    from gesturelab.training.adaptation import evaluate_adaptation

    console, datasets = _make_console(stderr=quiet), Datasets()

    def evaluate(runs: "list[RunDir]") -> tuple[list[AdaptedRecording], list[AdaptationScore]]:
        where = options.trust, options.data_root
        rows = [row for run in runs for row in evaluate_adaptation(run, numbers, datasets, *where)]
        return rows, score_adaptation(rows)

    for group, candidate, (rows, scores) in _evaluate_candidates(comparison, evaluate, "adapted"):
        show_adaptation(adaptation_table(texts.adapted(group, candidate.label, rows), scores), console)


def _find_segments(comparison: "Comparison", options: argparse.Namespace, *, quiet: bool) -> None:
    """Prints how well every candidate finds gestures in untrimmed recordings of its test people."""
    from gesturelab.evaluation.detection import Detections
    from gesturelab.export.load import Datasets
    from gesturelab.report.console import show_segments
    from gesturelab.report.sections import segments_table
    from gesturelab.stream.evaluation import evaluate_segments

    datasets = Datasets()

    def evaluate(runs: "list[RunDir]") -> list[Detections]:
        return [row for run in runs for row in evaluate_segments(run, options.trust, options.data_root, datasets)]

    results = list(_evaluate_candidates(comparison, evaluate, "tested on untrimmed recordings"))
    show_segments(segments_table(results), _make_console(stderr=quiet))


def _make_console(*, stderr: bool) -> "Console":
    """A console as wide as the terminal; in a pipe as COLUMNS says, or 100."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, width=None if terminal else shutil.get_terminal_size((100, 24)).columns, highlight=False
    )


def _evaluate_candidates(
    comparison: "Comparison", evaluate: Callable[["list[RunDir]"], Result], done: str
) -> Iterator[tuple["GroupComparison", "Candidate", Result]]:
    """Each candidate with what its runs give; one that cannot be evaluated is named, if not all are refused.

    Raises:
        GesturelabError: If none can be evaluated: the last one's error.
    """
    from gesturelab.runs.folder import RunDir

    candidates = [(group, each) for group in comparison.groups for each in group.group.candidates if not each.peer]
    refused = 0
    for group, candidate in candidates:
        try:
            result = evaluate([RunDir(run.path, candidate.size) for run in candidate.runs])
        except GesturelabError as error:
            refused += 1
            if refused == len(candidates):
                raise
            print(f"gesturelab: {candidate.label} is not {done}: {error}", file=sys.stderr)
            continue
        yield group, candidate, result


def _draw(comparison: "Comparison", options: argparse.Namespace) -> None:
    """Draws the pictures that were asked for."""
    if options.png is not None:
        from gesturelab.report.figures import draw_sizes

        draw_sizes(comparison.runs, Path(options.png))
    if options.figures is not None:
        from gesturelab.report.cost_figure import draw_cost
        from gesturelab.report.cross_validation_figures import draw_cross_validation

        for group in comparison.groups:
            draw_cross_validation(group, Path(options.figures))
            if group.cost.informative:
                number = "" if group.number == 1 else f"_{group.number}"
                draw_cost(group, Path(options.figures) / f"cost{number}.png")
        if comparison.across is not None:
            from gesturelab.report.datasets_figure import draw_datasets

            for form in ("pdf", "png"):
                draw_datasets(comparison, Path(options.figures) / f"datasets.{form}")
        for at, curve in enumerate(comparison.curves):
            from gesturelab.report.learning_curve_figure import draw_curve

            for form in ("pdf", "png"):
                draw_curve(curve, Path(options.figures) / f"learning_curve{f'_{at + 1}' if at else ''}.{form}")
    if options.leakage is not None and any(not row.peer for row in comparison.runs):
        from gesturelab.report.leakage import draw_leakage

        draw_leakage(comparison.runs, Path(options.leakage))
