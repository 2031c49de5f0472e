"""``python -m gesturelab.cli.job FOLDER``: trains what the folder's config.yaml says; launchers start it."""

import faulthandler
import logging
import signal
import sys
import traceback
from pathlib import Path

from gesturelab.cli.train_result import print_result
from gesturelab.config.saved import read_config
from gesturelab.errors import StoppedError
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.signals import PREEMPTIONS, exit_status, listen
from gesturelab.runs.status import State, end_status, is_first_process, read_status, reason_of
from gesturelab.sweeps.hydra_job import around_job
from gesturelab.sweeps.local import end_with_parent
from gesturelab.training.train import train_in_process

FORMAT = "%(asctime)s %(levelname)s %(message)s"


def main(folder: Path) -> int:
    """Trains in a folder; whatever happens is in its ``status.json`` and, through the standard output, in its log.

    Returns:
        0 when it is done, 130 when it was stopped, 75 when a signal asked it to leave, else 1.
    """
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format=FORMAT, stream=sys.stdout, force=True)
    return train_folder(folder)


def train_folder(folder: Path) -> int:
    """Trains in a folder, in this process; see `main`."""
    folder = folder.absolute()  # hydra.job.chdir may lead elsewhere
    if is_finished(folder):  # it was killed between its last file and saying so
        end_status(folder, State.done, "")
        return 0
    try:
        with around_job(folder, _train):
            _train(folder)
    except StoppedError as error:
        return error.exit_status
    except KeyboardInterrupt:
        return exit_status()
    except Exception as error:
        status = read_status(folder)
        if status is None or status.get("state") == State.queued:  # it never began
            end_status(folder, State.failed, reason_of(error))
        if not is_first_process():  # the first one's error is in the log and in status.json
            traceback.print_exc()
        return 1
    return 0


def _train(folder: Path) -> None:
    saved = RunDir(folder, "").config
    result = train_in_process(read_config(saved), folder, saved.read_text(encoding="utf-8"))
    print_result(result.run, result.info)


if __name__ == "__main__":
    listen(signal.SIGINT, *PREEMPTIONS)
    end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
