"""Options that several commands have in common, and the numbers that options take."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gesturelab.errors import GesturelabError
from gesturelab.files import write_text

if TYPE_CHECKING:
    from gesturelab.config.data import Unit, Up
    from gesturelab.report.cost import Latencies
    from gesturelab.report.groups import Group

STANDARD_OUTPUT = "-"
"""As the name of a file."""


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--trust``, for commands that load a model or compute what runs name; it may be given several times."""
    parser.add_argument(
        "--trust",
        metavar="NAME",
        action="append",
        default=[],
        help="run the code of this class or function from outside gesturelab, such as mypkg.TCN, where a model or a "
        "run names it; may be repeated",
    )


def add_none_option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--none-of-these``, for commands that answer with a model."""
    parser.add_argument(
        "--none-of-these",
        action="store_true",
        help="answer 'none of these' where a movement is like none that the model knows, by a threshold that keeps "
        "95 %% of the recordings of validation people (default: always name the most probable gesture)",
    )


@runtime_checkable
class _HasOptions(Protocol):
    """A parser, or a group of its options."""

    def add_argument(self, *names: str, **how: Any) -> Any:
        """Adds an option."""


def add_reading_options(parser: _HasOptions, skeleton: str | None, default: str) -> None:
    """Adds ``--skeleton``, ``--unit`` and ``--up``, for commands that read recordings.

    Args:
        parser: Of the command.
        skeleton: What ``--skeleton`` is where it is not given.
        default: That in words.
    """
    names = "kinect_v2, mediapipe_pose, openpose_25, azure_kinect or a YAML file"
    text = f"whose joints the files name, as data.skeleton: {names} (default: {default})"
    parser.add_argument("--skeleton", metavar="NAME", default=skeleton, help=text)
    text = "what the files' positions are in, as data.unit (default: as they say)"
    parser.add_argument("--unit", choices=["m", "cm", "mm", "inch"], type=_read_unit, help=text)
    text = "which axis of the files points up, as data.up (default: as they say)"
    parser.add_argument("--up", choices=["x", "y", "z", "x_down", "y_down", "z_down"], type=_read_up, help=text)


def _read_unit(text: str) -> "Unit":
    from gesturelab.config.data import Unit  # it takes a while, and --help does not need it

    return Unit(text)


def _read_up(text: str) -> "Up":
    from gesturelab.config.data import Up

    return Up(text)


def add_latency_option(parser: argparse.ArgumentParser) -> None:
    """Adds ``--latency``, and ``--trust``, which measuring needs."""
    parser.add_argument(
        "--latency", action="store_true", help="measure how long each size needs for a window on this machine"
    )
    add_trust_option(parser)


def choose_measure(options: argparse.Namespace) -> "Callable[[Sequence[Group]], Latencies] | None":
    """What measures the latency of each size; None without ``--latency``."""
    return partial(_measure_sizes, trusted=options.trust) if options.latency else None


def _measure_sizes(groups: "Sequence[Group]", trusted: Sequence[str]) -> "Latencies":
    """Times the first run of each size; the reason where that is not possible."""
    from gesturelab.evaluation.cost import Latency
    from gesturelab.runs.folder import RunDir
    from gesturelab.training.latency import measure  # torch is slow to import

    latencies: dict[Path, Latency | str] = {}
    for run in (size.runs[0] for group in groups for size in group.sizes):
        try:
            latencies[run.path] = measure(RunDir(run.path, run.info["model"]["size"]), trust=trusted)
        except GesturelabError as error:
            latencies[run.path] = str(error)
    return latencies


def write_output(name: str, text: str) -> None:
    """Writes a file whole or not at all, or to standard output where the name says so.

    Raises:
        RunError: If the file cannot be written.
    """
    if name == STANDARD_OUTPUT:
        sys.stdout.write(text)
    else:
        write_text(Path(name), text)


def count_type(text: str) -> int:
    """A type for argparse: whole numbers from 1.

    >>> count_type("2")
    2
    """
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def number_type(*, minimum: float = -math.inf, above: float = -math.inf, maximum: float = math.inf) -> Callable[
    [str], float
]:  # fmt: skip
    """A type for argparse: finite numbers within bounds.

    >>> number_type(minimum=0)("2")
    2.0
    """
    bounds = ((minimum, "at least"), (above, "more than"), (maximum, "at most"))
    rule = " and ".join(f"{word} {bound:g}" for bound, word in bounds if math.isfinite(bound))

    def number(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and minimum <= value <= maximum and value > above):
            raise argparse.ArgumentTypeError(f"{text}: must be a number, {rule}")
        return value

    return number
