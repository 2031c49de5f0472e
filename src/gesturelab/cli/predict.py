"""``gesturelab predict``: classifies recordings with a model."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gesturelab.cli.options import (
    STANDARD_OUTPUT,
    add_none_option,
    add_reading_options,
    add_trust_option,
    number_type,
    write_output,
)

if TYPE_CHECKING:
    from rich.console import Console

    from gesturelab.export.model import Model
    from gesturelab.predict.answers import Answer


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab predict",
        description="Ask a model about recordings: CSV, NPY, TRC, C3D, BVH, NTU's .skeleton, JSON of Azure Kinect or "
        "OpenPose, long tables, or a form of IntelliRehabDS. A file that cannot be used is named, the others go on, "
        "and the exit status is 1. Where file names carry labels, as those of IntelliRehabDS do, the answers are "
        "scored.",
    )
    command.add_argument("model", metavar="MODEL", type=Path, help="what 'gesturelab export' wrote, or a run's folder")
    command.add_argument("files", nargs="+", metavar="FILE", help="files, folders, patterns; - is standard input")
    command.add_argument("--csv", metavar="FILE", help="write a row a recording; - is standard output")
    command.add_argument("--jsonl", metavar="FILE", help="write an object a recording, one a line; - as above")
    command.add_argument("--windows", action="store_true", help="also the probabilities of each window")
    command.add_argument(
        "--explain",
        action="store_true",
        help="also which joints and which moment carried each answer, on the screen and in --jsonl",
    )
    command.add_argument("--rate", metavar="HZ", type=number_type(above=0), help="frames a second: files without times "
                      "have it, those with times are brought to it (default: that of the model's training "
                      "recordings)")  # fmt: skip
    add_reading_options(command, None, "the model's")
    add_none_option(command)
    add_trust_option(command)
    return command


def run(arguments: list[str]) -> int:
    """Classifies recordings.

    Returns:
        0 when every file was answered, otherwise 1.

    Raises:
        GesturelabError: If the model cannot be read, nothing is found, or a file cannot be written.
    """
    command = build_parser()
    options = command.parse_args(arguments)
    if options.csv == options.jsonl == STANDARD_OUTPUT:
        command.error("only one of --csv and --jsonl can go to standard output")
    if options.explain and (options.windows or options.csv is not None):
        command.error("--explain is about whole recordings, and writes into --jsonl: leave out --windows and --csv")
    from gesturelab.predict.answers import answers, find_sources, rates_of, reading_for

    patterns = cast(list[str], options.files)
    sources = find_sources(patterns)

    from rich.console import Console

    from gesturelab.export.load import load
    from gesturelab.predict.output import csv_lines, json_lines
    from gesturelab.progress import show_progress

    model = load(cast(Path, options.model), cast(list[str], options.trust), none_of_these=options.none_of_these)
    for text in model.warnings:
        print(text, file=sys.stderr)
    reading = reading_for(model, options.skeleton, options.rate, options.unit, options.up)
    aside = Console(stderr=True, highlight=False)
    answering = answers(model, sources, reading, rates_of(patterns), explained=options.explain)
    answered = list(show_progress(answering, "answering", len(sources)))
    if options.csv is not None:
        write_output(options.csv, "".join(csv_lines(model.classes, answered, windows=options.windows)))
    if options.jsonl is not None:
        lines = json_lines(answered, windows=options.windows, warnings=model.warnings)
        write_output(options.jsonl, "".join(lines))
    quiet = STANDARD_OUTPUT in (options.csv, options.jsonl)
    console = aside if quiet else Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    _print_answers(model, answered, console, windows=options.windows, table=not quiet)
    unanswered = [answer for answer in answered if answer.prediction is None]
    for answer in unanswered:
        print(f"gesturelab: {answer.source}: {answer.problem}", file=sys.stderr)
    if unanswered:
        print(f"gesturelab: {len(unanswered)} of {len(answered)} files could not be answered", file=sys.stderr)
    return 1 if unanswered else 0


def _print_answers(
    model: "Model", answered: "Sequence[Answer]", console: "Console", *, windows: bool, table: bool
) -> None:
    from gesturelab.predict.output import score, show_answers, show_scores

    if table:
        show_answers(answered, console, windows=windows)
    scored = score(model, answered)
    if scored is not None:
        show_scores(model, scored, console)
