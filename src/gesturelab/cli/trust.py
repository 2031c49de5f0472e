"""The option ``--trust`` of the commands that load a model, or compute what runs name."""

import argparse


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option, which may be given several times."""
    parser.add_argument(
        "--trust",
        metavar="NAME",
        action="append",
        default=[],
        help="run the code of this class or function from outside gesturelab, such as mypkg.TCN, where a model or a "
        "run names it; may be repeated",
    )
