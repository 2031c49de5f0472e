"""`gesturelab data`: check, view, convert or describe recordings, fetch the published ones, or make some up."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gesturelab.cli.options import add_reading_options, count_type, number_type
from gesturelab.errors import ConfigError, DataError

if TYPE_CHECKING:
    from gesturelab.config.data import DataConfig
    from gesturelab.datasets.quality import Report


FACTS = {
    "license": ("license", "the address of its licence, such as https://creativecommons.org/licenses/by/4.0/"),
    "creator": ("creator", "who recorded it"),
    "url": ("url", "where it is published"),
    "published": ("datePublished", "when, such as 2026-11-28"),
    "cite": ("citeAs", "a reference, best in BibTeX"),
    "version": ("version", "such as 1.0.0"),
}
"""What a published dataset should tell and a folder does not: each option with its name in Croissant, and a meaning."""


def run(arguments: list[str]) -> int:
    """Carries out `gesturelab data ...`; returns the exit status.

    Raises:
        GesturelabError: If the folder cannot be read, or the download fails.
        SystemExit: If the arguments are wrong (status 2), or ask for help (status 0).
    """
    options = _build_parser().parse_args(arguments)
    commands = {
        "check": _check,
        "view": _view,
        "convert": _convert,
        "describe": _describe,
        "fetch": _fetch,
        "example": _example,
    }
    return commands[options.command](options)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gesturelab data", description="Check, view, convert, describe, fetch or make up recordings."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="print a quality report on recordings, every defect by name")
    view = commands.add_parser(
        "view",
        help="write one HTML page that plays recordings, two side by side, with what check found; marks made there are "
        "saved as labels.csv",
    )
    view.add_argument(
        "-o", "--output", type=Path, default=Path("view.html"), metavar="FILE", help="the page (default: view.html)"
    )
    for command in (check, view):
        command.add_argument(
            "root",
            nargs="+",
            help="a folder with labels.csv; or of IntelliRehabDS SkeletonData, the folder above it, or "
            "SkeletonData.zip; or, of any dataset, as for a training: data=NAME data.root=FOLDER",
        )
        command.add_argument("--config-dir", "-cd", type=Path, metavar="DIR", help="a folder with options of your own")
        command.add_argument(
            "--window",
            type=count_type,
            default=20,
            metavar="N",
            help="report recordings with fewer frames (default: 20)",
        )
        of_folder = command.add_argument_group("how files of a folder with labels.csv are read")
        add_reading_options(of_folder, "kinect_v2", "kinect_v2")
        of_folder.add_argument(
            "--rate-hz", type=float, default=30.0, metavar="HZ", help="as data.rate_hz (default: 30)"
        )
    check.add_argument("--all", action="store_true", help="name every recording that has a defect, not only five")
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    convert = commands.add_parser("convert", help="write recordings of other programs as a folder for data=folder")
    convert.add_argument("source", type=Path, help="a folder of recordings, or one file")
    convert.add_argument("out", type=Path, help="a new folder: a CSV file for each recording, labels.csv, and what was "
                         "decided in converted.json")  # fmt: skip
    convert.add_argument("--pattern", metavar="TEXT", help="what names of files say, such as "
                         "'{subject}_{gesture}_{repetition}' (default: labels.csv in the folder says it)")  # fmt: skip
    add_reading_options(convert, "kinect_v2", "kinect_v2")
    convert.add_argument(
        "--rate-hz",
        type=number_type(above=0, maximum=1000),
        metavar="HZ",
        help="frames a second of files without times",
    )
    convert.add_argument(
        "--fill-frames", type=count_type, default=0, metavar="N", help="fill gaps of a joint of at most N frames"
    )
    describe = commands.add_parser(
        "describe",
        help="write croissant.json (MLCommons' Croissant 1.0) into a folder with labels.csv, for publishing it",
    )
    describe.add_argument("folder", type=Path, help="the folder with labels.csv")
    for option, (_, meaning) in FACTS.items():
        describe.add_argument(f"--{option}", metavar="TEXT", help=meaning)
    example = commands.add_parser("example", help="write a folder of made-up recordings, to try things out")
    example.add_argument("folder", type=Path, help="a new folder")
    fetch = commands.add_parser("fetch", help="download and unpack a published data set")
    fetch.add_argument("name", choices=["irds"], help="irds: IntelliRehabDS, Zenodo record 4610859, CC BY 4.0")
    fetch.add_argument(
        "--to", type=Path, default=Path("data/irds"), metavar="DIR", help="where to put it (default: data/irds)"
    )
    return parser


def _check(options: argparse.Namespace) -> int:
    from rich.console import Console

    from gesturelab.config.data import Form
    from gesturelab.datasets.quality import MOST_NAMED, print_report

    report, _ = _check_recordings(options)
    if options.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        irds = set(report.forms) <= set(Form)
        print_report(report, Console(), only_found=not irds, most=None if options.all else MOST_NAMED)
    return 0


def _view(options: argparse.Namespace) -> int:
    from gesturelab.files import write_text
    from gesturelab.report.view import render_view

    report, config = _check_recordings(options)
    view = render_view(report, config)
    write_text(options.output, view.page)
    of_all = "" if view.shown == view.recordings else f" of {view.recordings:,}, as many as a page holds"
    size = options.output.stat().st_size / 1e6
    print(f"{options.output.as_posix()}: {view.shown:,} recordings{of_all}, {size:.1f} MB. Open it in a browser.")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from gesturelab.datasets.folder.croissant import describe_folder

    facts = {name: getattr(options, option) for option, (name, _) in FACTS.items() if getattr(options, option)}
    print(describe_folder(options.folder, facts).as_posix())
    if missing := [f"--{option}" for option, (name, _) in FACTS.items() if name not in facts]:
        print(f"Those who find it will ask for {', '.join(missing)}: give them before you publish the folder.")
    return 0


def _check_recordings(options: argparse.Namespace) -> "tuple[Report, DataConfig]":
    """The quality report on what is named, and the configuration that reads it."""
    from gesturelab.config.data import FolderConfig, Form, IrdsConfig
    from gesturelab.datasets.folder.labels import FILE
    from gesturelab.datasets.formats.files import ENDINGS
    from gesturelab.datasets.quality import check_dataset, check_folder, check_irds

    root, everything = Path(options.root[0]), [1, 2, 3]
    endings = {*ENDINGS} - {".txt"}  # IntelliRehabDS has none of the others
    if any(argument.startswith(("data=", "data.")) for argument in options.root):
        config = _compose_data(options)
        return check_dataset(config, window=options.window), config
    if len(options.root) > 1:
        raise ConfigError(f"{options.root[1]}: one folder is taken at a time")
    if (root / FILE).exists() or any(path.suffix.lower() in endings for path in root.rglob("*")):
        reading = {name: getattr(options, name) for name in ("skeleton", "rate_hz", "unit", "up")}
        report = check_folder(root, window=options.window, **reading)
        return report, FolderConfig(root=str(root), correctness=everything, **reading)
    known = root.suffix.lower() == ".zip" or any(path.suffix.lower() in (".txt", ".zip") for path in root.rglob("*"))
    if root.exists() and not known:
        raise DataError(
            f"{root}: a folder with {FILE} and recordings is needed; gesturelab data convert makes one from other files"
        )
    report = check_irds(root, window=options.window)
    return report, IrdsConfig(root=str(root), form=Form(next(iter(report.forms))), correctness=everything)


def _compose_data(options: argparse.Namespace) -> "DataConfig":
    from gesturelab.cli.hydra_errors import plain_errors
    from gesturelab.config.composing import compose

    with plain_errors():
        return compose(options.root, options.config_dir).data


def _convert(options: argparse.Namespace) -> int:
    import sys
    from collections import Counter

    from gesturelab.datasets.folder.convert import CONVERTED, SKELETON, convert_recordings
    from gesturelab.datasets.folder.labels import FILE
    from gesturelab.datasets.formats.points import Reading
    from gesturelab.skeletons.definition import layout

    reading = Reading(layout(options.skeleton), options.rate_hz, options.fill_frames, unit=options.unit, up=options.up)
    out: Path = options.out
    converted, rejected, unlisted = convert_recordings(options.source, out, reading, options.pattern)
    decisions = Counter((each.form, each.unit, each.up, f"{each.rate_hz:g}", each.body) for each in converted)
    for (form, unit, up, rate, body), count in decisions.items():
        print(f"{count} of {form}: unit {unit}, up {up}, {rate} frames a second{f', {body}' if body else ''}")
    for column in ("subject", "gesture"):
        print(f"{column}s: {', '.join(sorted({each.labels[column] for each in converted}))}")
    skeleton = f" {_quote('data.skeleton', out / SKELETON)}" if (out / SKELETON).exists() else ""
    print(
        f"{out} holds {len(converted)} recordings, labels.csv, and what was decided in {CONVERTED}. "
        f"Use them: gesturelab train data=folder {_quote('data.root', out)}{skeleton}"
    )
    if unlisted:
        print(f"{unlisted} recordings that {FILE} does not list were left out")
    for each in rejected:
        print(f"gesturelab: {each}", file=sys.stderr)
    if rejected:
        print(f"gesturelab: {len(rejected)} of {len(rejected) + len(converted)} were left out", file=sys.stderr)
    return 1 if rejected else 0


def _example(options: argparse.Namespace) -> int:
    from gesturelab.datasets.folder.example import write_example

    count = write_example(options.folder)
    print(
        f"{options.folder} holds {count} made-up recordings and labels.csv. "
        f"Use them: gesturelab train data=folder {_quote('data.root', options.folder)}"
    )
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from gesturelab.datasets.irds.fetch import fetch_irds

    folder = fetch_irds(options.to)
    print(f"IntelliRehabDS is in {folder}. Use it: gesturelab train data=irds {_quote('data.root', options.to)}")
    return 0


def _quote(key: str, path: Path) -> str:
    """An override as a shell takes it, its value as Hydra does.

    >>> print(_quote("data.root", Path("out é")))
    "data.root='out é'"
    """
    import re
    import shlex

    from hydra.core.override_parser.types import Quote, QuotedString

    if re.fullmatch(r"[\w./:-]+", str(path), re.ASCII):
        return f"{key}={path}"
    word = f"{key}={QuotedString(str(path), Quote.single).with_quotes()}"
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'
