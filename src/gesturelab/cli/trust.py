"""The option ``--trust`` of the commands that load a model, or compute what runs name."""

import argparse


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option, which may be given several times."""
    parser.add_argument(
        "--trust",
        metavar="NAME",
        action="append",
        default=[],
        help="allow a model or run to name this class or function from outside gesturelab, such as mypkg.TCN, and run its "
        "code; may be repeated",
    )
