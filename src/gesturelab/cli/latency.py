"""The option ``--latency`` of ``gesturelab compare`` and ``gesturelab report``."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gesturelab.cli import trust
from gesturelab.errors import GesturelabError

if TYPE_CHECKING:
    from gesturelab.report.cost import Latencies
    from gesturelab.report.groups import Group


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option."""
    parser.add_argument(
        "--latency", action="store_true", help="measure how long each size needs for a window on this machine"
    )
    trust.add_option(parser)


def latencies(options: argparse.Namespace) -> "Callable[[Sequence[Group]], Latencies] | None":
    """What measures the latency of each size; None where nobody asked for it."""
    return partial(measure_sizes, trusted=options.trust) if options.latency else None


def measure_sizes(groups: "Sequence[Group]", trusted: "Sequence[str]") -> "Latencies":
    """Times the first run of each size; where that is not possible, says why."""
    from gesturelab.evaluation.cost import Latency
    from gesturelab.runs.folder import RunDir
    from gesturelab.training.latency import measure  # torch is slow to import

    found: dict[Path, Latency | str] = {}
    for run in (size.runs[0] for group in groups for size in group.sizes):
        try:
            found[run.path] = measure(RunDir(run.path, run.info["model"]["size"]), trust=trusted)
        except GesturelabError as error:
            found[run.path] = str(error)
    return found
