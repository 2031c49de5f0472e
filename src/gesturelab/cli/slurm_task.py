"""What a Slurm job of a sweep does: trains in a folder, and goes back into the queue when it must leave."""

import faulthandler
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from gesturelab.cli.job import main
from gesturelab.errors import Requeued, RunError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.locking import is_locked
from gesturelab.runs.signals import answer_with, listen, sleep, train_on_after
from gesturelab.runs.status import (
    HEARTBEAT_S,
    SILENT_S,
    State,
    Status,
    end_status,
    is_first_process,
    read_status,
    slurm_job,
)

OLD_BEAT_S = 3 * HEARTBEAT_S


class TrainFolder:
    """A function for submitit: trains, and calls `checkpoint` after SIGUSR2 (no time left, or preempted).

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
        train_on_after(signal.SIGTERM, signal.SIGCONT)
        if is_first_process():
            _write_into_the_log(path)
            if _requeues() > self.max_requeues:
                reason = f"requeued more than hydra.launcher.max_requeues={self.max_requeues} times"
                end_status(path, State.failed, reason)
                sys.exit(f"gesturelab: {reason}")
        try:
            if is_first_process() and _requeues() and not _wait_for_the_one_before(path):
                return  # it finished
            code = main(path)
        except Requeued as leaving:
            print(f"gesturelab: {leaving}", flush=True)
            sys.exit(0)
        if code:
            sys.exit(code)

    def checkpoint(self, folder: str) -> NoReturn:
        """Sends the job back into the queue; the last finished epoch's checkpoint is there already.

        Raises:
            Requeued: When it goes back.
            RunError: When it may not.
        """
        if _requeues() >= self.max_requeues:
            raise RunError(
                "near its time limit, or preempted, for the last time (hydra.launcher.max_requeues="
                f"{self.max_requeues}); the same command goes on with it"
            )
        job = slurm_job()
        assert job is not None, "Slurm sent the signal"
        done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RunError(f"Slurm does not take the job back: {done.stderr.strip()}; the same command goes on with it")
        times = f"{_requeues() + 1} of {self.max_requeues}"
        raise Requeued(f"back into the queue: near its time limit, or preempted ({times})")


def _requeues() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def _write_into_the_log(folder: Path) -> None:
    """Sends what this process prints, and why it crashed, into the run's ``train.log``."""
    with RunDir(folder, "").log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.enable()


def _wait_for_the_one_before(folder: Path) -> bool:
    """Waits while a lost node still works on the run: it may be cut off and alive.

    Returns:
        Whether the run is still to be done.
    """
    announced = False
    while True:
        status = read_status(folder) or Status()
        if status.get("state") == State.done:
            return False
        beat = datetime.fromisoformat(status.get("heartbeat", "1970-01-01T00:00:00+00:00"))
        elsewhere = status.get("host") != os.uname().nodename and status.get("state") == State.running
        fresh = elsewhere and (datetime.now(UTC) - beat).total_seconds() < OLD_BEAT_S
        silent = (datetime.now(UTC) - beat).total_seconds() > SILENT_S
        if not (is_locked(folder) or fresh) or silent:  # a lock can outlive a node that lost its power
            return True
        if not announced:
            announced = True
            print("gesturelab: the attempt before this one is still at work; waiting for it", flush=True)
        sleep(1)
