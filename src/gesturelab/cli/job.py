"""``python -m gesturelab.cli.job FOLDER``: trains with the folder's config.yaml; launchers start it.

``hydra/launcher=shared_process`` names a JSON list of folders instead, which are trained one after another; a job of
Slurm calls `TrainFolder`.
"""

import faulthandler
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from gesturelab.cli.train_result import print_result
from gesturelab.config.saved import read_config
from gesturelab.errors import PreemptedError, Requeued, RunError, StoppedError
from gesturelab.files import write_text
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.locking import is_locked
from gesturelab.runs.log_file import LogFile
from gesturelab.runs.signals import PREEMPTIONS, announce_and_ignore, answer_with, exit_status, listen, sleep
from gesturelab.runs.slurm import REQUEUE, requeue_job
from gesturelab.runs.status import (
    HEARTBEAT_S,
    SILENT_S,
    State,
    asked_to_stop,
    end_status,
    is_first_process,
    read_status,
    reason_of,
    seconds_since_heartbeat,
    slurm_job,
)
from gesturelab.sweeps.hydra_job import train_with_hydra
from gesturelab.sweeps.local import end_with_parent
from gesturelab.training.train import train_in_process

FORMAT = "%(asctime)s %(levelname)s %(message)s"
RECENT_HEARTBEAT_S = 3 * HEARTBEAT_S
"""A run on another node that has written its status file so recently is taken to be at work."""


def main(path: Path) -> int:
    """Trains in a folder, or in those that a JSON file lists, and writes how each ended into its ``status.json``.

    Returns:
        0 if all are done, 130 after Ctrl-C, 75 when a signal asked the process to leave, else 1.
    """
    faulthandler.enable()
    if path.is_file():
        return train_folders([Path(folder) for folder in json.loads(path.read_text(encoding="utf-8"))])
    logging.basicConfig(level=logging.INFO, format=FORMAT, stream=sys.stdout, force=True)
    return train_folder(path)


def train_folders(folders: list[Path]) -> int:
    """Trains in one folder after another; each has its own log. See `main`."""
    logging.basicConfig(level=logging.INFO, handlers=[], force=True)
    highest_status = 0
    for folder in folders:
        with _log_to(RunDir(folder).log):
            status = train_folder(folder)
        highest_status = max(highest_status, status)
        stopped = status in (StoppedError.exit_status, PreemptedError.exit_status)
        if stopped and not asked_to_stop(folder):  # the signal was for the whole process
            break
    return highest_status


def train_folder(folder: Path) -> int:
    """Trains in a folder, in this process; see `main`."""
    folder = folder.absolute()  # hydra.job.chdir may lead elsewhere
    if is_finished(folder):  # it was killed between its last file and its status file
        end_status(folder, State.done, "")
        return 0
    try:
        train_with_hydra(folder, _train)
    except StoppedError as error:
        return error.exit_status
    except KeyboardInterrupt:
        return exit_status()
    except Exception as error:
        if read_status(folder).get("state", State.queued) == State.queued:  # it never began
            end_status(folder, State.failed, reason_of(error))
        if not is_first_process():  # the first one's error is in the log and in status.json
            traceback.print_exc()
        return 1
    return 0


def _train(folder: Path) -> None:
    saved = RunDir(folder).config
    result = train_in_process(read_config(saved), folder, saved.read_text(encoding="utf-8"))
    print_result(result.run, result.info)


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


class TrainFolder:
    """What a Slurm job of a sweep does: trains, and calls `checkpoint` after SIGUSR2 (no time left, or preempted).

    Args:
        max_requeues: How often the job may go back into the queue, whoever sends it there.
    """

    def __init__(self, max_requeues: int) -> None:
        self.max_requeues = max_requeues

    def __call__(self, folder: str) -> None:
        """Trains in a folder, from its last checkpoint on if it has one.

        Raises:
            SystemExit: With status 0 when the job went back into the queue, else with 1 if it is not finished.
        """
        path = Path(folder)
        # in place of submitit's handlers, which would raise wherever the training is
        answer_with(lambda _: self.checkpoint(folder) if is_first_process() else None)
        listen(signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
        # Slurm sends SIGTERM when it takes the node for another job, and puts the job back into the queue only if it
        # is still there when its grace is over. Nothing is lost: each epoch has left its checkpoint
        announce_and_ignore(signal.SIGTERM, signal.SIGCONT)
        if is_first_process():
            _redirect_output(path)
            if _requeues() > self.max_requeues:
                reason = f"requeued more than hydra.launcher.max_requeues={self.max_requeues} times"
                end_status(path, State.failed, reason)
                sys.exit(f"gesturelab: {reason}")
        try:
            if is_first_process() and _requeues() and not _wait_for_previous_attempt(path):
                return  # it finished
            status = main(path)
        except Requeued as leaving:
            print(f"gesturelab: {leaving}", flush=True)
            sys.exit(1 if REQUEUE in os.environ else 0)  # a failure ends the processes on other devices too
        if status:
            sys.exit(status)

    def checkpoint(self, folder: str) -> NoReturn:
        """Sends the job back into the queue; the last finished epoch's checkpoint is there already.

        Raises:
            Requeued: When it goes back.
            RunError: When it may not.
        """
        if _requeues() >= self.max_requeues:
            raise RunError(
                "near its time limit, or preempted, for the last time (hydra.launcher.max_requeues="
                f"{self.max_requeues}); the same command resumes it"
            )
        job = slurm_job()
        assert job is not None, "Slurm sent the signal"
        if REQUEUE in os.environ:
            write_text(Path(os.environ[REQUEUE]), job)
        else:
            requeue_job(job)
        times = f"{_requeues() + 1} of {self.max_requeues}"
        raise Requeued(f"back into the queue: near its time limit, or preempted ({times})")


def _requeues() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def _redirect_output(folder: Path) -> None:
    """Sends what this process prints, and why it crashed, into the run's ``train.log``."""
    with RunDir(folder).log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.enable()


def _wait_for_previous_attempt(folder: Path) -> bool:
    """Waits while a lost node still works on the run: it may be cut off and alive.

    Returns:
        Whether the run is still to be done.
    """
    announced = False
    while True:
        status = read_status(folder)
        if status.get("state") == State.done:
            return False
        age_s = seconds_since_heartbeat(status)
        elsewhere = status.get("host") != os.uname().nodename and status.get("state") == State.running
        at_work = is_locked(folder) or (elsewhere and age_s < RECENT_HEARTBEAT_S)
        if not at_work or age_s > SILENT_S:  # a lock can outlive a node that lost its power
            return True
        if not announced:
            announced = True
            print("gesturelab: the attempt before this one is still at work; waiting for it", flush=True)
        sleep(1)


if __name__ == "__main__":
    listen(signal.SIGINT, *PREEMPTIONS)
    end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
