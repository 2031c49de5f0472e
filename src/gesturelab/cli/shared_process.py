"""``python -m gesturelab.cli.shared_process LIST``: trains one job after another in one process.

``hydra/launcher=shared_process`` starts it.
"""

import faulthandler
import json
import logging
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gesturelab.cli.job import FORMAT, train_folder
from gesturelab.errors import PreemptedError, StoppedError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.log_file import LogFile
from gesturelab.runs.signals import PREEMPTIONS, listen
from gesturelab.runs.stop_request import asked_to_stop
from gesturelab.sweeps.local import end_with_parent


def main(job_list: Path) -> int:
    """Trains the jobs that a file lists; the ``status.json`` of each job says how it ended.

    Args:
        job_list: A JSON list of the jobs' folders, each of which holds its ``config.yaml``.

    Returns:
        0 if every job is done, 130 or 75 if a signal stopped them, else 1.
    """
    faulthandler.enable()
    listen(signal.SIGINT, *PREEMPTIONS)
    logging.basicConfig(level=logging.INFO, handlers=[], force=True)
    exit_status = 0
    for folder in map(Path, json.loads(job_list.read_text(encoding="utf-8"))):
        with _log_to(RunDir(folder, "").log):
            job_status = train_folder(folder)
        exit_status = max(exit_status, job_status)
        stopped = job_status in (StoppedError.exit_status, PreemptedError.exit_status)
        if stopped and not asked_to_stop(folder):  # the signal was for the whole process
            break
    return exit_status


@contextmanager
def _log_to(path: Path) -> Generator[None]:
    """Writes what is logged into a run's log, where the output of a process of its own would go."""
    handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
