"""`gesturelab data`: check a folder of recordings, or fetch the published ones."""

import argparse
import dataclasses
import json
from pathlib import Path


def run(arguments: list[str]) -> int:
    """Carries out `gesturelab data ...`; returns the exit status.

    Raises:
        GesturelabError: If the folder cannot be read, or the download fails.
        SystemExit: If the arguments are wrong (status 2), or ask for help (status 0).
    """
    options = _parser().parse_args(arguments)
    return _check(options) if options.verb == "check" else _fetch(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gesturelab data", description="Check or fetch recordings.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="print a quality report on IntelliRehabDS recordings, every defect by name")
    check.add_argument("root", type=Path, help="the folder SkeletonData, the folder above it, or SkeletonData.zip")
    check.add_argument(
        "--window", type=_frames, default=20, metavar="N", help="report recordings with fewer frames (default: 20)"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    fetch = verbs.add_parser("fetch", help="download and unpack a published data set")
    fetch.add_argument("name", choices=["irds"], help="irds: IntelliRehabDS, Zenodo record 4610859, CC BY 4.0")
    fetch.add_argument(
        "--to", type=Path, default=Path("data/irds"), metavar="DIR", help="where to put it (default: data/irds)"
    )
    return parser


def _frames(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _check(options: argparse.Namespace) -> int:
    from gesturelab.data.irds.quality import check, print_report

    report = check(options.root, window=options.window)
    if options.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        from rich.console import Console

        print_report(report, Console())
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from gesturelab.data.irds.fetch import fetch_irds

    folder = fetch_irds(options.to)
    print(f"IntelliRehabDS is in {folder}. Use it: gesturelab train data=irds data.root={options.to}")
    return 0
