"""``gesturelab report``: finished runs as one HTML page."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gesturelab.cli.latency import add_option, measure_sizes
from gesturelab.errors import GesturelabError, RunError

if TYPE_CHECKING:
    from gesturelab.datasets.recording import Dataset
    from gesturelab.report.collect import Finished
    from gesturelab.report.page.motion import Motion, Motions


def run(arguments: list[str]) -> int:
    """Writes the page.

    Returns:
        0 when it is written.

    Raises:
        RunError: If there is no finished run, or the file cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog="gesturelab report",
        description="Write one HTML page of finished runs that needs no other file and no network: verdict, tables "
        "that sort, pictures, configurations, and a player of test recordings, misclassified ones first.",
    )
    parser.add_argument("dirs", nargs="+", metavar="SWEEP", type=Path, help="folders of runs")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=Path("report.html"), help="the page "
                        "(default: report.html)")  # fmt: skip
    parser.add_argument("--data-root", metavar="DIR", help="where the data are, if not where the runs found them")
    add_option(parser)
    given = parser.parse_args(arguments)
    dirs, output = cast(list[Path], given.dirs), cast(Path, given.output)

    from gesturelab.files import write_text
    from gesturelab.report.collect import collect
    from gesturelab.report.groups import group
    from gesturelab.report.page.build import page
    from gesturelab.report.table import comparison

    finished, unread = collect(dirs)
    if not finished:
        raise RunError(f"no finished run in {', '.join(map(str, dirs))}: make one with 'gesturelab train'")
    groups = group(finished)
    motions = {one.basis.fingerprint: _motions(one.runs, given.data_root) for one in groups}
    latencies = measure_sizes(groups, given.trust) if given.latency else None
    write_text(output, page(groups, comparison(groups, unread, latencies, given.trust), motions))
    for why in {why for why in motions.values() if isinstance(why, str)}:
        print(f"no player: {why}")
    print(f"{output.as_posix()}: {len(finished)} runs, {output.stat().st_size / 1e6:.1f} MB")
    return 0


def _motions(runs: "Sequence[Finished]", data_root: str | None) -> "Motions | str":
    """Where the motion of some runs' recordings is found, or why it is not."""
    from gesturelab.config.saved import read_data_config
    from gesturelab.datasets.load import load
    from gesturelab.runs.folder import RunDir

    one = runs[0]
    try:
        config = read_data_config(RunDir(one.path, one.info["model"]["size"]).config)
        if data_root is not None:
            config.move(data_root)
        dataset = load(config)
    except GesturelabError as error:
        return str(error)
    if dataset.fingerprint != one.info["data"]["fingerprint"]:
        return f"the {dataset.source} data are not those that the runs were made with (the fingerprint differs)"
    return _finder(dataset)


def _finder(dataset: "Dataset") -> "Motions":
    from gesturelab.report.page.motion import Motion

    places = {name: at for at, name in enumerate(dataset.names)}

    def find(name: str) -> "Motion | None":
        if name not in places:
            return None
        one = dataset[places[name]]
        skeleton = dataset.skeleton
        return Motion(one.positions, one.rate_hz, skeleton.joints, skeleton.parents, one.group, one.posture)

    return find
