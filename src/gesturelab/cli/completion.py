"""Shell completion: commands are ours, what follows ``train`` is Hydra's."""

import io
import os
import sys
from contextlib import redirect_stdout

from gesturelab.cli.main import COMMANDS


def run(arguments: list[str]) -> int:
    """Answers ``gesturelab -sc install=bash`` and the queries that the installed script makes.

    The shell's script calls ``gesturelab -sc query=bash`` with the typed line in ``COMP_LINE``. Hydra completes the
    options of a whole program; the command is therefore taken out of the line before Hydra sees it.
    """
    words = os.environ.get("COMP_LINE", "").split(" ")
    if len(words) == 2 and "query" in arguments[-1]:
        print(*(command for command in COMMANDS if command.startswith(words[1])))
        return 0
    if len(words) > 2 and words[1] != "train":
        return 0
    if len(words) > 2:
        line = " ".join([words[0], *words[2:]])
        os.environ["COMP_LINE"] = line
        os.environ["COMP_POINT"] = str(len(line))
    from gesturelab.cli import train

    completions = io.StringIO()
    with redirect_stdout(completions):
        train.run(arguments)
    sys.stdout.write(
        completions.getvalue().replace("gesturelab train", "gesturelab")
    )  # the program, not program and command
    return 0
