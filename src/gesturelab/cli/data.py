"""`gesturelab data`: check a folder of recordings, fetch the published ones, or make some up."""

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
    return {"check": _check, "fetch": _fetch, "example": _example}[options.verb](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gesturelab data", description="Check, fetch or make up recordings.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="print a quality report on recordings, every defect by name")
    check.add_argument(
        "root",
        type=Path,
        help="a folder with labels.csv; or of IntelliRehabDS SkeletonData, the folder above it, or SkeletonData.zip",
    )
    check.add_argument(
        "--window", type=_frames, default=20, metavar="N", help="report recordings with fewer frames (default: 20)"
    )
    check.add_argument(
        "--skeleton", default="kinect_v2", metavar="NAME", help="of a folder with labels.csv, as data.skeleton"
    )
    check.add_argument(
        "--rate-hz", type=float, default=30.0, metavar="HZ", help="of a folder with labels.csv, as data.rate_hz"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    example = verbs.add_parser("example", help="write a folder of made-up recordings, to try things out")
    example.add_argument("folder", type=Path, help="a new folder")
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
    own = ("labels.csv", "*.csv", "*.npy", "*/*.csv", "*/*.npy")
    if any(any(options.root.glob(name)) for name in own):  # IntelliRehabDS has none of these
        return _check_folder(options)
    from gesturelab.datasets.irds.quality import check, print_report

    report = check(options.root, window=options.window)
    if options.json:
        print(json.dumps(dataclasses.asdict(report), indent=2))
    else:
        from rich.console import Console

        print_report(report, Console())
    return 0


def _check_folder(options: argparse.Namespace) -> int:
    from gesturelab.datasets.folder.check import check_folder
    from gesturelab.datasets.irds.quality import print_report

    found = check_folder(options.root, skeleton=options.skeleton, rate_hz=options.rate_hz, window=options.window)
    if options.json:
        print(json.dumps(dataclasses.asdict(found.report) | {"notes": found.notes}, indent=2))
        return 0
    from rich.console import Console

    console = Console()
    print_report(found.report, console, only_found=True)
    for note in found.notes:
        console.print(f"\n{note}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _example(options: argparse.Namespace) -> int:
    from gesturelab.datasets.folder.example import write_example

    count = write_example(options.folder)
    print(
        f"{options.folder} holds {count} made-up recordings and labels.csv. "
        f"Use them: gesturelab train data=folder data.root={options.folder}"
    )
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from gesturelab.datasets.irds.fetch import fetch_irds

    folder = fetch_irds(options.to)
    print(f"IntelliRehabDS is in {folder}. Use it: gesturelab train data=irds data.root={options.to}")
    return 0
