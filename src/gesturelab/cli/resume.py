"""``gesturelab resume``: resumes a run that was stopped, from its last checkpoint."""

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import cast

from gesturelab.cli.train import train_and_print
from gesturelab.config.saved import read_config
from gesturelab.runs.folder import RunDir
from gesturelab.runs.log_file import LogFile
from gesturelab.runs.signals import PREEMPTIONS, listen
from gesturelab.runs.status import withdraw_request


def run(arguments: list[str]) -> int:
    """Resumes one run.

    Raises:
        GesturelabError: If the folder holds no run, a finished run, or a configuration that this version cannot read.
    """
    parser = argparse.ArgumentParser(prog="gesturelab resume", description="Go on with a run that was stopped.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder, with config.yaml in it")
    folder = cast(Path, parser.parse_args(arguments).run)
    listen(signal.SIGINT, *PREEMPTIONS)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    saved = RunDir(folder, "").config
    config = read_config(saved)
    logging.getLogger().addHandler(LogFile(RunDir(folder, "").log, encoding="utf-8"))
    withdraw_request(folder)
    train_and_print(folder, config, saved.read_text(encoding="utf-8"))
    return 0
