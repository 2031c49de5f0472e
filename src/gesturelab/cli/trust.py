"""The option ``--trust`` of the commands that load a model."""

import argparse


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option, which may be given several times."""
    parser.add_argument(
        "--trust",
        metavar="CLASS",
        action="append",
        default=[],
        help="allow the model to name this class from outside gesturelab, such as mypkg.TCN, and run its code",
    )
