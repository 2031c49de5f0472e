"""``gesturelab predict``: a model asked about recordings."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gesturelab.cli import trust

if TYPE_CHECKING:
    from rich.console import Console

    from gesturelab.export.model import Model
    from gesturelab.predict.answers import Answer

STANDARD_OUTPUT = "-"


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    command = argparse.ArgumentParser(
        prog="gesturelab predict",
        description="Ask a model about recordings: CSV with a header, NPY, or a form of IntelliRehabDS. A file that "
        "cannot be used is named, the others go on, and the exit status is 1. Where file names carry labels, as those "
        "of IntelliRehabDS do, the answers are scored.",
    )
    command.add_argument("model", metavar="MODEL", type=Path, help="what 'gesturelab export' wrote, or a run's folder")
    command.add_argument("files", nargs="+", metavar="FILE", help="files, folders, patterns; - is standard input")
    command.add_argument("--csv", metavar="FILE", help="write a row a recording; - is standard output")
    command.add_argument("--jsonl", metavar="FILE", help="write an object a recording, one a line; - as above")
    command.add_argument("--windows", action="store_true", help="also the probabilities of each window")
    command.add_argument("--rate", metavar="HZ", type=float, help="frames a second: files without times have it, those "
                      "with times are brought to it (default: that of the model's training recordings)")  # fmt: skip
    command.add_argument("--skeleton", metavar="NAME", help="whose joints the files name, as data.skeleton: kinect_v2, "
                      "mediapipe_pose, openpose_25 or a YAML file (default: the model's)")  # fmt: skip
    trust.add_option(command)
    return command


def run(arguments: list[str]) -> int:
    """Asks and answers.

    Returns:
        0 when every file was answered, otherwise 1.

    Raises:
        GesturelabError: If the model cannot be read, nothing is found, or a file cannot be written.
    """
    command = parser()
    options = command.parse_args(arguments)
    if options.csv == options.jsonl == STANDARD_OUTPUT:
        command.error("only one of --csv and --jsonl can go to standard output")
    if options.rate is not None and not 0 < options.rate < float("inf"):
        command.error(f"--rate {options.rate:g}: must be a number of frames a second above 0")
    from gesturelab.predict.answers import answers, find_sources, rates_of, reading_for

    named = cast(list[str], options.files)
    sources = find_sources(named)

    from rich.console import Console

    from gesturelab.export.load import load
    from gesturelab.predict.output import csv_lines, json_lines
    from gesturelab.progress import show_progress

    model = load(cast(Path, options.model), cast(list[str], options.trust))
    for text in model.warnings:
        print(text, file=sys.stderr)
    reading = reading_for(model, options.skeleton, options.rate)
    aside = Console(stderr=True, highlight=False)
    answered = list(show_progress(answers(model, sources, reading, rates_of(named)), "answering", len(sources)))
    if options.csv is not None:
        _write(options.csv, csv_lines(model.classes, answered, windows=options.windows))
    if options.jsonl is not None:
        _write(options.jsonl, json_lines(answered, windows=options.windows, warnings=model.warnings))
    quiet = STANDARD_OUTPUT in (options.csv, options.jsonl)
    console = aside if quiet else Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    _tell(model, answered, console, windows=options.windows, table=not quiet)
    bad = [answer for answer in answered if answer.prediction is None]
    for answer in bad:
        print(f"gesturelab: {answer.source}: {answer.problem}", file=sys.stderr)
    if bad:
        print(f"gesturelab: {len(bad)} of {len(answered)} files could not be answered", file=sys.stderr)
    return 1 if bad else 0


def _write(name: str, lines: Iterable[str]) -> None:
    from gesturelab.files import atomic_write

    if name == STANDARD_OUTPUT:
        sys.stdout.writelines(lines)
        return
    with atomic_write(Path(name)) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _tell(model: "Model", answered: "Sequence[Answer]", console: "Console", *, windows: bool, table: bool) -> None:
    from gesturelab.predict.output import show_answers, show_scores
    from gesturelab.predict.score import score

    if table:
        show_answers(answered, console, windows=windows)
    scored = score(model, answered)
    if scored is not None:
        show_scores(model, scored, console)
