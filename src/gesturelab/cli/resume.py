"""``gesturelab resume``: goes on with a run that was stopped, from its last checkpoint."""

import argparse
import logging
import sys
from pathlib import Path
from typing import cast

from gesturelab.cli.train import print_result, train_in, train_in_processes
from gesturelab.config.saved import read_config
from gesturelab.runs import RunDir
from gesturelab.sweep.stop import withdraw


def run(arguments: list[str]) -> int:
    """Goes on with one run.

    Raises:
        GesturelabError: If the folder holds no run, a finished run, or a configuration that this version cannot read.
    """
    parser = argparse.ArgumentParser(prog="gesturelab resume", description="Go on with a run that was stopped.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder, with config.yaml in it")
    folder = cast(Path, parser.parse_args(arguments).run)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    saved = RunDir(folder, "").config
    config = read_config(saved)
    logging.getLogger().addHandler(logging.FileHandler(RunDir(folder, "").log, encoding="utf-8"))
    withdraw(folder)
    text = saved.read_text(encoding="utf-8")
    if config.trainer.devices * config.trainer.num_nodes > 1:
        train_in_processes(folder, config, text)
    else:
        print_result(*train_in(folder, config, text))
    return 0
