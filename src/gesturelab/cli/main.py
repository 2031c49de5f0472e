"""The command ``gesturelab``: hands each command to its file; light imports only, so help is instant."""

import os
import sys
from importlib import import_module

from gesturelab import __version__
from gesturelab.errors import GesturelabError
from gesturelab.runs.signals import stop_error

COMMANDS = {
    "train": "train one model size, or with -m a sweep, and test on unseen people",
    "resume": "go on with a run that was stopped",
    "status": "what the jobs of a sweep are doing",
    "cancel": "end the jobs of a sweep that Slurm has",
    "compare": "compare runs: which size to use, which ones overfit",
    "report": "runs as one HTML page, with a player of recordings",
    "reproduce": "a table of the manual again, beside the published numbers",
    "audit": "prove from a saved run that its test people are unseen",
    "export": "the best run as one file that works elsewhere",
    "adapt": "a model for one person, from a few recordings of that person",
    "predict": "ask a model about recordings",
    "stream": "recognise gestures while they are made",
    "serve": "a model behind a small HTTP server",
    "models": "the model sizes: parameters, use case, cost",
    "doctor": "what is wrong with this machine or installation, and what to do",
    "data": "check and view recordings, fetch IntelliRehabDS, make some up",
}

USAGE = (
    "usage: gesturelab COMMAND ...\n\n"
    "Experiments in skeleton gesture recognition, with honest numbers on unseen people.\n\n"
    + "".join(f"  {command:<10}{text}\n" for command, text in COMMANDS.items())
    + "\nHelp for one command: gesturelab COMMAND --help. Version: gesturelab --version.\n"
    + 'Shell completion: eval "$(gesturelab -sc install=bash)" (or zsh, fish).'
)

WAITING = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
"""Variables that say how long torch's threads spin while they wait for each other. They spin for milliseconds, which
takes the core from the one they wait for where another program is at work. What a user has set stays. libgomp, which is
in torch's wheels for Linux, reads them when it is loaded."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit status: 0 for success, 1 for an error the user can mend, 2 for a wrong call, 130 for Ctrl-C,
        75 when a signal asked it to leave.
    """
    if not WAITING & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    if arguments[0] == "--version":
        print(f"gesturelab {__version__}")
        return 0
    if arguments[0] == "-sc":
        command = "completion"
    elif arguments[0] in COMMANDS:
        command, arguments = arguments[0], arguments[1:]
    else:
        print(f"gesturelab: there is no command {arguments[0]!r}; commands are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return import_module(f"gesturelab.cli.{command}").run(arguments)
    except GesturelabError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(f"gesturelab: error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        error = stop_error("")
        print(f"gesturelab: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0
