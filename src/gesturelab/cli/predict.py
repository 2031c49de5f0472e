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
    made = argparse.ArgumentParser(
        prog="gesturelab predict",
        description="Ask a model about recordings: CSV with a header, NPY, or a form of IntelliRehabDS. A file that "
        "cannot be used is named, the others go on, and the exit status is 1. Where file names carry labels, as those "
        "of IntelliRehabDS do, the answers are scored.",
    )
    made.add_argument("model", metavar="MODEL", type=Path, help="what 'gesturelab export' wrote, or a run's folder")
    made.add_argument("files", nargs="+", metavar="FILE", help="files, folders, patterns; - is standard input")
    made.add_argument("--csv", metavar="FILE", help="write a row a recording; - is standard output")
    made.add_argument("--jsonl", metavar="FILE", help="write an object a recording, one a line; - as above")
    made.add_argument("--windows", action="store_true", help="also the probabilities of each window")
    made.add_argument("--rate", metavar="HZ", type=float, help="frames a second: files without times have it, those "
                      "with times are brought to it (default: that of the model's training recordings)")  # fmt: skip
    made.add_argument("--skeleton", metavar="NAME", help="whose joints the files name, as data.skeleton: kinect_v2, "
                      "mediapipe_pose, openpose_25 or a YAML file (default: the model's)")  # fmt: skip
    trust.add_option(made)
    return made


def run(arguments: list[str]) -> int:
    """Asks and answers.

    Returns:
        0 when every file was answered, otherwise 1.

    Raises:
        GesturelabError: If the model cannot be read, nothing is found, or a file cannot be written.
    """
    asked = parser()
    given = asked.parse_args(arguments)
    if given.csv == given.jsonl == STANDARD_OUTPUT:
        asked.error("only one of --csv and --jsonl can go to standard output")
    if given.rate is not None and not 0 < given.rate < float("inf"):
        asked.error(f"--rate {given.rate:g}: must be a number of frames a second above 0")
    from gesturelab.predict.answers import answers, find_sources, rates_of, reading_for

    named = cast(list[str], given.files)
    sources = find_sources(named)

    from rich.console import Console
    from rich.progress import track

    from gesturelab.export.load import load
    from gesturelab.predict.output import csv_lines, json_lines

    model = load(cast(Path, given.model), cast(list[str], given.trust))
    for text in model.warnings:
        print(text, file=sys.stderr)
    reading = reading_for(model, given.skeleton, given.rate)
    aside = Console(stderr=True, highlight=False)
    those = list(
        track(
            answers(model, sources, reading, rates_of(named)),
            "reading and answering",
            total=len(sources),
            console=aside,
            disable=not aside.is_terminal or len(sources) < 2,
            transient=True,
        )
    )
    if given.csv is not None:
        _write(given.csv, csv_lines(model.classes, those, windows=given.windows))
    if given.jsonl is not None:
        _write(given.jsonl, json_lines(those, windows=given.windows, warnings=model.warnings))
    quiet = STANDARD_OUTPUT in (given.csv, given.jsonl)
    console = aside if quiet else Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    _tell(model, those, console, windows=given.windows, table=not quiet)
    bad = [one for one in those if one.prediction is None]
    for one in bad:
        print(f"gesturelab: {one.source}: {one.problem}", file=sys.stderr)
    if bad:
        print(f"gesturelab: {len(bad)} of {len(those)} files could not be answered", file=sys.stderr)
    return 1 if bad else 0


def _write(name: str, lines: Iterable[str]) -> None:
    from gesturelab.files import atomic_write

    if name == STANDARD_OUTPUT:
        sys.stdout.writelines(lines)
        return
    with atomic_write(Path(name)) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _tell(model: "Model", those: "Sequence[Answer]", console: "Console", *, windows: bool, table: bool) -> None:
    from gesturelab.predict.output import show_answers, show_scores
    from gesturelab.predict.score import score

    if table:
        show_answers(those, console, windows=windows)
    scored = score(model, those)
    if scored is not None:
        show_scores(model, scored, console)
