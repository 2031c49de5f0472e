"""One run, from the lock on its folder to what ``status.json`` says of its end; used by the run itself."""

import math
import os
import signal
import socket
import threading
import traceback
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gesturelab.config.saved import differences
from gesturelab.config.training import TrainConfig
from gesturelab.errors import BusyError, GesturelabError, PreemptedError, Requeued, RunError, StoppedError
from gesturelab.files import write_text
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch
from gesturelab.runs.locking import LOCK, exclusive_lock
from gesturelab.runs.signals import defer_signals, raise_if_received, received_signal, stop_error
from gesturelab.runs.status import (
    HEARTBEAT_S,
    State,
    Status,
    asked_to_stop,
    is_first_process,
    now,
    read_status,
    reason_of,
    slurm_job,
    write_status,
)  # fmt: skip

MOMENT_S = 1.0
"""For so long `is_alive` may hold the lock when it looks."""
KEPT = ("epoch", "max_epochs", "best_validation_accuracy", "validation_losses", "refit_epoch", "refit_max_epochs")
"""What earlier attempts came to."""


class Reporter:
    """Keeps a run's status file up to date."""

    def __init__(self, folder: Path, status: Status) -> None:
        self._folder = folder
        self._status = status
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._began = datetime.now(UTC)
        self._epochs = 0

    def epoch(self, epoch: Epoch, max_epochs: int, is_refit: bool = False) -> None:
        """Reports a finished epoch, how many there are at most, and whether it is one of the refit."""
        number = epoch["epoch"]
        self._epochs += 1
        with self._writing:
            status = self._status
            if is_refit:
                status["refit_epoch"], status["refit_max_epochs"] = number + 1, max_epochs
            else:
                status.setdefault("first_epoch", number)
                status["epoch"], status["max_epochs"] = number + 1, max_epochs
                # NaN is not JSON
                metrics = {key: cast(float, value) for key, value in epoch.items() if key != "epoch"}
                status["metrics"] = {key: value for key, value in metrics.items() if math.isfinite(value)}
                before = status.get("validation_losses", [])[:number]
                unknown: list[float | None] = [None] * (number - len(before))
                status["validation_losses"] = [*before, *unknown, status["metrics"].get("validation_loss")]
                best = status.get("best_validation_accuracy", 0.0)
                status["best_validation_accuracy"] = max(epoch["validation_accuracy"], best)
            status["epoch_s"] = round((datetime.now(UTC) - self._began).total_seconds() / self._epochs, 3)
        self.beat()

    def beat(self) -> None:
        """Writes the file."""
        with self._writing:
            write_status(self._folder, self._status)

    def end(self, state: State, reason: str = "", trace: str = "") -> None:
        """Writes how the run ended."""
        self._over.set()
        texts = {key: text for key, text in (("reason", reason), ("traceback", trace)) if text}
        with self._writing:
            self._status = cast(Status, {**self._status, "state": state, "finished": now(), **texts})
        self.beat()

    def keep_beating(self) -> None:
        """Writes the file every 15 seconds until the run ends."""
        while not self._over.wait(HEARTBEAT_S):
            with suppress(RunError):  # a full disk must not end a training; the next beat may succeed
                self.beat()


@contextmanager
def begin_run(folder: Path, config: TrainConfig, config_text: str) -> Generator[Reporter]:
    """A run from beginning to end: its folder, lock, configuration and status; signals are deferred meanwhile.

    What ends the block decides what ``status.json`` says. Of a run that never began nothing is left, unless its folder
    was there before or belongs to a sweep.

    Args:
        folder: Of a new run, or of one to resume.
        config: Of the training.
        config_text: The same as YAML; it is written into the folder.

    Raises:
        RunError: If the folder holds a finished run, or a checkpoint of another configuration.
        BusyError: If another process is working in the folder.
        StoppedError: If a signal came, or somebody asked the run to stop.
    """
    run = check_folder(folder, config, config_text)
    is_new = not run.status.exists() and not run.config.exists()
    with defer_signals():
        try:
            with (
                report_status(folder, config.trainer.max_epochs, config.trainer.refit) as reporter,
                _preempted(run, config_text),
            ):
                raise_if_received()
                check_folder(folder, config, config_text)  # whoever was at work before may have finished
                if reason := asked_to_stop(folder):
                    raise StoppedError(reason)
                run.info.unlink(missing_ok=True)  # with another artefact gone it is not finished
                if is_first_process():
                    write_text(run.config, config_text)
                yield reporter
        except (BusyError, PreemptedError):
            raise
        except (GesturelabError, KeyboardInterrupt):
            if is_new and not run.checkpoints.exists():
                run.config.unlink(missing_ok=True)
                remove_empty_folder(folder)
            raise


def check_folder(folder: Path, config: TrainConfig, config_text: str) -> RunDir:
    """The folder as a run to begin or to resume.

    A checkpoint may only be resumed with its own configuration: another one could test people whom it has seen.

    Raises:
        RunError: If it holds a finished run, or a checkpoint of another configuration, naming each key that differs.
    """
    run = RunDir(folder, config.model.name)
    if run.complete:
        raise RunError(f"{folder} already holds a finished run; give this one another folder or name")
    if not run.begun or not run.config.exists():
        return run
    if changed := differences(run.config.read_text(encoding="utf-8"), config_text):
        listed = "\n  ".join(map(str, changed))
        raise RunError(f"{run.path} holds a run of another configuration; give this one another folder\n  {listed}")
    return run


@contextmanager
def _preempted(run: RunDir, config_text: str) -> Generator[None]:
    """Names the signal that came before or after the training's steps; leaves what resumes the run."""
    try:
        yield
    except KeyboardInterrupt:
        if received_signal() in (None, signal.SIGINT):
            raise
        if not run.config.exists():
            write_text(run.config, config_text)
        raise stop_error(f"; go on with: gesturelab resume {run.path}") from None


def remove_empty_folder(folder: Path) -> None:
    """Removes a folder that holds no more than a log, a status and a lock of a run that never began."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {"train.log", "status.json", LOCK}:
        for path in folder.iterdir():
            path.unlink()
        with suppress(OSError):  # something came into it
            folder.rmdir()


@contextmanager
def report_status(folder: Path, max_epochs: int | None, refit: bool = False) -> Generator[Reporter]:
    """Locks a run's folder, and reports what happens in the block: running, then done, stopped, failed or queued.

    Other processes of a multi-GPU run neither lock nor report. An exception is written to ``status.json`` and, with
    its traceback, to ``train.log``, and goes on its way.

    Raises:
        BusyError: If another process is working in the folder.
    """
    if not is_first_process():
        yield Reporter(folder, Status())
        return
    run = RunDir(folder)
    with exclusive_lock(run.path / LOCK, MOMENT_S, lambda: _busy_error(folder)):
        before = read_status(folder)
        status = Status(
            state=State.running,
            attempt=before.get("attempt", 0) + 1,
            pid=os.getpid(),
            host=socket.gethostname(),
            slurm_job=slurm_job(),
            started=now(),
        )
        if max_epochs is not None:  # else it follows from the data, and comes with the first epoch
            status["max_epochs"] = max_epochs
        if refit:
            status["refit_epoch"] = 0
        if "slurm_name" in before and before["slurm_name"] == os.environ.get("SLURM_JOB_NAME"):
            status["slurm_name"] = before["slurm_name"]
            status["slurm_index"] = before.get("slurm_index")
            status["requeues"] = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
            status["node"] = os.environ.get("SLURMD_NODENAME", socket.gethostname())
        if run.begun:
            status = cast(Status, {**status, **{key: value for key, value in before.items() if key in KEPT}})
        reporter = Reporter(folder, status)
        reporter.beat()
        threading.Thread(target=reporter.keep_beating, daemon=True).start()
        try:
            yield reporter
        except Requeued as leaving:
            reporter.end(State.queued, str(leaving))
            raise
        except (KeyboardInterrupt, StoppedError) as error:
            reporter.end(State.stopped, str(error) or "stopped by Ctrl-C")
            raise
        except BaseException as error:
            trace = traceback.format_exc().encode("utf-8", "backslashreplace").decode()
            with suppress(OSError), run.log.open("a", encoding="utf-8") as file:
                file.write(trace)
            with suppress(RunError):  # the folder may be what failed
                reporter.end(State.failed, reason_of(error), trace)
            raise
        reporter.end(State.done)


def _busy_error(folder: Path) -> BusyError:
    owner = read_status(folder)
    return BusyError(
        f"{folder} is being trained by process {owner.get('pid')} on {owner.get('host')}; wait for it, or end it first"
    )
