"""``gesturelab stream``: recognise gestures while they are made."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gesturelab.cli.options import add_none_option, add_reading_options, add_trust_option, number_type
from gesturelab.errors import StreamError

if TYPE_CHECKING:
    from gesturelab.export.model import Model
    from gesturelab.stream.session import StreamOptions
    from gesturelab.stream.sources import Item

FASTEST_HZ, LONGEST_S = 1000.0, 600.0
"""So much of the past must fit into memory."""
SEGMENT_OPTIONS = {
    "begin_mps": ("M/S", "a limb faster than this begins one"),
    "begin_m": ("M", "a limb farther than this from its rest pose begins one"),
    "rest_mps": ("M/S", "limbs slower than this may rest"),
    "rest_m": ("M", "limbs nearer than this to their rest pose have returned"),
    "rest_s": ("S", "so long must they rest for it to be over"),
    "still_s": ("S", "the same for limbs that are slow elsewhere"),
    "least_s": ("S", "what moves for less is none"),
}
"""The numbers of `gesturelab.stream.segments.SegmentOptions`: unit and meaning."""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    command = argparse.ArgumentParser(
        prog="gesturelab stream",
        description="Recognise gestures while they are made. Frames come as lines on standard input, or from --tcp or "
        "--replay: x,y,z of each joint in metres, in the skeleton's order, after an optional time in seconds; or "
        "columns that a first line names. Answers and the start and end of gestures go to standard output, a line of "
        "JSON each; bad lines and a summary to standard error.",
        epilog="Exit status: 0 when the source ended, 1 when nothing could be read, 2 for a wrong call, 130 for Ctrl-C "
        "(the summary is written all the same).",
    )
    command.add_argument(
        "model", metavar="MODEL", type=Path, help="a model file (.zip or .onnx), or a finished run's folder"
    )
    source = command.add_mutually_exclusive_group()
    source.add_argument("--tcp", metavar="PORT", help="listen on a port of this machine (HOST:PORT for others)")
    source.add_argument("--replay", metavar="FILE", type=Path, help="play a recording")
    not_negative = number_type(minimum=0)
    command.add_argument("--speed", type=not_negative, default=1.0, metavar="TIMES", help="of the replay; 0: as fast "
                      "as frames are answered, each of them (default: 1)")  # fmt: skip
    command.add_argument("--rate", type=number_type(above=0, maximum=FASTEST_HZ), metavar="HZ", help="frames a second "
                      "(default: that of the model's training recordings, to which a replay is brought)")  # fmt: skip
    command.add_argument("--every", type=not_negative, default=0.0, metavar="SECONDS", help="answer so often at most "
                      "(default: 0, each frame)")  # fmt: skip
    command.add_argument("--smooth", type=not_negative, default=0.0, metavar="SECONDS", help="time constant of "
                      "exponential smoothing of the probabilities (default: 0, none)")  # fmt: skip
    command.add_argument("--longest", type=number_type(above=0, maximum=LONGEST_S), default=20.0, metavar="SECONDS",
                      help="no gesture is longer; windows of whole gestures hold no more (default: 20)")  # fmt: skip
    command.add_argument("--no-segments", action="store_true", help="do not look for the start and end of gestures")
    command.add_argument("--all", action="store_true", help="answer each frame, however late")
    command.add_argument("--view", action="store_true", help="bars in the terminal; lines where output is no terminal")
    add_reading_options(command.add_argument_group("how --replay reads its file"), None, "the model's")
    add_none_option(command)
    add_trust_option(command)
    _add_segment_options(command)
    return command


def _add_segment_options(command: argparse.ArgumentParser) -> None:
    from gesturelab.stream.segments import SegmentOptions  # numpy alone

    group = command.add_argument_group("what counts as a gesture's movement")
    for name, (metavar, meaning) in SEGMENT_OPTIONS.items():
        default = cast(float, getattr(SegmentOptions(), name))
        text = f"{meaning} (default: {default:g})"
        option = f"--{name.replace('_', '-')}"
        group.add_argument(option, type=number_type(above=0), metavar=metavar, help=text)


def run(arguments: list[str]) -> int:
    """Answers until the source ends.

    Returns:
        0 when the source ended, 130 when the user stopped it.

    Raises:
        GesturelabError: If the model or the source cannot be used.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    if options.no_segments and (given := _thresholds(options)):
        parser.error(f"--{next(iter(given)).replace('_', '-')} is not used with --no-segments")

    import torch

    from gesturelab.export.load import load
    from gesturelab.stream.output import Lines, View
    from gesturelab.stream.session import Session
    from gesturelab.stream.session import run as run_session
    from gesturelab.stream.sources import receive_one_by_one, receive_waiting

    torch.set_num_threads(1)  # a window is too little work for two
    model = load(cast(Path, options.model), cast(list[str], options.trust), none_of_these=options.none_of_these)
    lines = Lines()
    for text in model.warnings:
        print(text, file=sys.stderr)
    stream_options, items = _open_source(options, model)
    session = Session(model, stream_options, time.monotonic)
    answer_all = options.all or (options.replay is not None and options.speed == 0)
    arrivals = (receive_one_by_one if answer_all else receive_waiting)(items, time.monotonic)
    stopped = False
    try:
        if options.view and sys.stdout.isatty():
            from rich.console import Console

            with View(session, Console()) as view:
                run_session(session, arrivals, view)
        else:
            run_session(session, arrivals, lines)
    except KeyboardInterrupt:
        stopped = True
    lines(session.summary())
    if stopped:
        return 130
    if session.body.counts.frames == 0:
        raise StreamError("no line held a frame: see gesturelab stream --help for what a line must be")
    return 0


def _thresholds(options: argparse.Namespace) -> dict[str, float]:
    """What was given of `SEGMENT_OPTIONS`."""
    return {name: value for name in SEGMENT_OPTIONS if (value := getattr(options, name)) is not None}


def _open_source(options: argparse.Namespace, model: "Model") -> "tuple[StreamOptions, Iterable[Item]]":
    from gesturelab.datasets.formats.files import read_motion
    from gesturelab.predict.answers import reading_for
    from gesturelab.stream.output import Lines
    from gesturelab.stream.segments import SegmentOptions
    from gesturelab.stream.session import StreamOptions
    from gesturelab.stream.sources import LOOPBACK, LineReader, TcpSource, parse_address, read_lines, replay

    rate_hz = cast(float | None, options.rate)
    items: Iterable[Item]
    if options.replay is not None:
        reading = reading_for(model, options.skeleton, rate_hz, options.unit, options.up)
        motion = read_motion(cast(Path, options.replay), reading)
        rate_hz, items = motion.rate_hz, replay(motion, options.speed)
    else:
        reader: Callable[[], LineReader] = lambda: LineReader(model.skeleton, rate_hz or model.contents.rate_hz)  # noqa: E731
        if options.tcp is not None:
            source = TcpSource(*parse_address(options.tcp), reader)
            Lines()({"event": "listening", "host": source.host, "port": source.port})
            if source.host not in LOOPBACK:
                print("anyone who reaches this address can send frames", file=sys.stderr)
            items = source
        else:
            items = read_lines(open(sys.stdin.fileno(), "rb", closefd=False), reader())  # noqa: SIM115
    segments = None
    if not options.no_segments:
        segments = SegmentOptions(**_thresholds(options))
    stream_options = StreamOptions(rate_hz, options.every, options.smooth, segments, options.longest)
    return stream_options, items
