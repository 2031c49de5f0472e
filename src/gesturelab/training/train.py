"""Trains a model from Python: ``gesturelab.train``. Torch is imported when a training begins, not with this file."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gesturelab.config.composing import compose
from gesturelab.config.saved import as_yaml
from gesturelab.config.training import TrainConfig
from gesturelab.errors import BusyError, PreemptedError, RunError, StoppedError
from gesturelab.files import write_text
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info
from gesturelab.runs.lifecycle import begin_run, check_folder
from gesturelab.runs.locking import is_locked, make_new_folder
from gesturelab.runs.signals import LOOK_S, defer_signals, pass_on, raise_if_received, received_signal
from gesturelab.runs.status import State, read_status
from gesturelab.sweeps.local import train_command

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TrainResult:
    """A finished run.

    Attributes:
        run: Its folder, and the files in it.
        info: What its info file says.
    """

    run: RunDir
    info: Info

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run.path

    def to_frame(self) -> "pd.DataFrame":
        """The scores: a row for windows and recordings of each subset, a column for each metric."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"name": self.info["name"], "model": self.run.size, "seed": self.info["seed"]}
                | {"subset": subset, "level": level}
                | dict(scores)
                for subset, levels in self.info["metrics"].items()
                for level, scores in levels.items()  # type: ignore[attr-defined]
            ]
        )

    def history(self) -> "pd.DataFrame":
        """A row for each epoch, from 0: losses, accuracies and learning rate."""
        import pandas as pd

        return pd.DataFrame(self.info["training"]["history"]).set_index("epoch")


def train(
    config: TrainConfig | Sequence[str] = (),
    folder: Path | str | None = None,
    *,
    config_text: str | None = None,
) -> TrainResult:
    """Trains, tests and writes a run, as ``gesturelab train`` does; resumes it if the folder holds a checkpoint.

    Ctrl-C and the signals of a queue leave with a checkpoint.

    >>> gesturelab.train(["model=small", "trainer.max_epochs=5"]).to_frame()  # doctest: +SKIP

    Args:
        config: Overrides as on the command line, or what `gesturelab.config.compose` made of them.
        folder: Where the run's files go; None: ``outputs/<name>/<time>``.
        config_text: The configuration as YAML, if it is there already.

    Returns:
        The run and its scores.

    Raises:
        GesturelabError: If anything that the user can mend is wrong.
        StoppedError: If a signal or somebody else stopped it; the message says how to resume it.
    """
    if not isinstance(config, TrainConfig):
        config = compose(config)
    if config_text is None:
        config_text = as_yaml(config)
    if folder is None:
        folder = make_new_folder(Path("outputs", config.name, datetime.now().strftime("%Y-%m-%d_%H-%M-%S")))
    if config.trainer.processes > 1:
        return _train_in_processes(config, Path(folder), config_text)
    return train_in_process(config, Path(folder), config_text)


def train_in_process(config: TrainConfig, folder: Path, config_text: str) -> TrainResult:
    """Trains as `train` does, in this process whatever the number of devices.

    Raises:
        GesturelabError: If anything that the user can mend is wrong.
    """
    with begin_run(folder, config, config_text) as reporter:
        from gesturelab.training.device import import_torchmetrics, prepare_device

        accelerator = prepare_device(config.trainer)  # before Lightning is imported
        import_torchmetrics()
        raise_if_received()
        from gesturelab.training.experiment import run_experiment

        return TrainResult(*run_experiment(config, folder, accelerator, reporter.epoch))


def _train_in_processes(config: TrainConfig, folder: Path, config_text: str) -> TrainResult:
    """Trains on several devices: in a process that Lightning can begin again for each of them.

    It cannot begin this one again: Hydra has taken its arguments apart, or it is a notebook.

    Raises:
        BusyError: If another process is at work in the folder.
        RunError: If the training fails; its log holds why.
        StoppedError: After a signal.
    """
    run = check_folder(folder, config, config_text)
    if is_locked(folder):
        raise BusyError(f"{folder} is being trained by another process; wait for it, or end it first")
    write_text(run.config, config_text)
    with (
        defer_signals(),
        run.log.open("a", encoding="utf-8") as file,
        # its input closes when this process ends, however that happens; then it ends too
        subprocess.Popen(
            train_command(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # when it ends all that it has begun, that is nobody else
        ) as process,
    ):
        assert process.stdout is not None
        printing = threading.Thread(target=_print_lines, args=(process.stdout, file))  # this thread looks for signals
        printing.start()
        passed_on = False
        while process.poll() is None:
            if not passed_on and (number := received_signal()) is not None:
                pass_on(process, number)  # it keeps what it has
                passed_on = True
            time.sleep(LOOK_S)
        printing.join()
        preempted = received_signal() not in (None, signal.SIGINT)
    status = read_status(folder)
    if status.get("state") == State.stopped:
        reason = status.get("reason", "stopped")
        raise PreemptedError(reason) if preempted else StoppedError(reason)
    if process.returncode or not run.complete:
        raise RunError(status.get("reason") or f"training ended with exit status {process.returncode}; see {run.log}")
    return TrainResult(run, run.read_info())


def _print_lines(lines: IO[str], file: IO[str]) -> None:
    for line in lines:
        file.write(line)
        sys.stdout.write(line)
        sys.stdout.flush()
