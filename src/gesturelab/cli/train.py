"""``gesturelab train``: a Hydra application; composing and printing a configuration imports no torch."""

import logging
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gesturelab.cli.hydra_errors import plain_errors
from gesturelab.cli.train_help import own_folders, show_help
from gesturelab.cli.train_result import print_result
from gesturelab.config.compose import typed
from gesturelab.config.data import DataConfig
from gesturelab.config.difference import differences
from gesturelab.config.store import conf_dir, register, search_in
from gesturelab.config.training import TrainConfig
from gesturelab.errors import BusyError, ConfigError, GesturelabError, PreemptedError, RunError, StoppedError
from gesturelab.files import write_text
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info
from gesturelab.runs.locking import LOCK, is_locked, new_folder
from gesturelab.runs.reporter import reported
from gesturelab.runs.signals import listen, stopped, told
from gesturelab.runs.status import State, read_status, reason_of
from gesturelab.runs.stop_request import asked_to_stop
from gesturelab.sweeps.local import train_command

log = logging.getLogger(__name__)

FLAGS_WITH_A_VALUE = (
    *("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
    *("--cfg", "-c", "--package", "-p", "--experimental-rerun"),
)
"""Hydra's flags whose next word belongs to them."""


def run(arguments: list[str]) -> int:
    """Lets Hydra compose the configuration, and trains; with ``-m``, once for each combination.

    Returns:
        0.

    Raises:
        GesturelabError: If anything that the user can mend is wrong.
    """
    if {"-h", "--help"} & set(arguments):
        show_help(arguments)
        return 0
    listen()
    register()
    for folder in own_folders(arguments):
        search_in(folder)
    OmegaConf.register_new_resolver("every_person", _every_person, replace=True)
    sys.argv = ["gesturelab train", *_flags_first(arguments)]
    try:
        with plain_errors():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(_job)()
    except _SingleRunFailedError as failure:
        raise failure.error from failure.error.__cause__
    return 0


class _SingleRunFailedError(BaseException):
    """Carries an error past Hydra, which would print lines of its own for an ordinary one."""

    def __init__(self, error: GesturelabError) -> None:
        super().__init__(error)
        self.error = error


def _flags_first(arguments: list[str]) -> list[str]:
    """Flags may stand anywhere; Hydra wants them before the overrides. Two short forms become what Hydra knows.

    >>> _flags_first(["-m", "seed=0,1", "launcher.detach=true", "--dry-run"])
    ['-m', 'seed=0,1', 'hydra.launcher.detach=true', 'hydra.sweeper.dry_run=true']
    >>> _flags_first(["seed=1", "--config-dir", "my", "-m", "model=mine"])
    ['--config-dir', 'my', '-m', 'seed=1', 'model=mine']
    """
    flags: list[str] = []
    overrides: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--dry-run":
            overrides.append("hydra.sweeper.dry_run=true")
        elif argument.startswith("-"):
            flags.append(argument)
            if argument in FLAGS_WITH_A_VALUE:
                flags += [value for value in [next(remaining, None)] if value is not None]
        else:
            overrides.append(re.sub(r"^(\+{0,2})launcher\.", r"\1hydra.launcher.", argument))
    return flags + overrides


def _every_person(_root_: DictConfig) -> str:
    """The folds that make each person of the data the test person once, as a sweep: ``range(24)`` for 24 people."""
    from gesturelab.datasets.load import load

    try:
        people = load(cast(DataConfig, OmegaConf.to_object(_root_.data))).people
    except GesturelabError as error:  # the only way out of a resolver without a traceback is to leave
        raise SystemExit(f"gesturelab: error: {error}") from error
    return f"range({len(people)})"


def _job(composed: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    sweep = hydra_config.mode == RunMode.MULTIRUN
    try:
        if not sweep and hydra_config.sweeper.get("dry_run"):
            raise ConfigError("--dry-run says what a sweep would do (-m); a single run's configuration: --cfg job")
        if not sweep and "${now:" in str(OmegaConf.to_container(hydra_config.run, resolve=False)):
            folder = _own_folder(folder)
        train_and_tell(folder, typed(composed), OmegaConf.to_yaml(composed, resolve=True))
    except StoppedError as error:
        if sweep:
            raise KeyboardInterrupt(str(error)) from error  # an ordinary error would begin the next job
        raise _SingleRunFailedError(error) from error
    except GesturelabError as error:
        if sweep:
            log.error("failed: %s", error)
            raise CompactHydraException(f"gesturelab: error: {error}") from error
        if not isinstance(error, BusyError):
            _leave_nothing_empty(folder)
            with suppress(OSError):  # the folders above go as well, unless they hold something
                for empty in (folder.parent, folder.parent.parent):
                    empty.rmdir()
        raise _SingleRunFailedError(error) from error
    except Exception as error:
        if sweep:
            log.error("failed: %s", reason_of(error))
        raise


def _own_folder(wanted: Path) -> Path:
    """A folder that no other run begun in the same second has; the log moves there."""
    folder = new_folder(wanted)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and Path(handler.baseFilename).parent == wanted:
            handler.baseFilename = str(folder / Path(handler.baseFilename).name)  # nothing is written yet
    return folder


def train_and_tell(folder: Path, config: TrainConfig, composed: str) -> None:
    """Trains in a folder as `train_in` does, on however many devices, and prints the result.

    Raises:
        GesturelabError: If anything that the user can mend is wrong.
    """
    if config.trainer.processes > 1:
        _train_in_another_process(folder, config, composed)
    else:
        print_result(*train_in(folder, config, composed))


def _train_in_another_process(folder: Path, config: TrainConfig, composed: str) -> None:
    """Trains on several devices: in a process that Lightning can begin again for each of them.

    It cannot begin this one again, whose arguments Hydra has taken apart.

    Raises:
        BusyError: If another process is at work in the folder.
        RunError: If the training fails; its log holds why.
        StoppedError: After Ctrl-C.
    """
    run = _free_folder(folder, config, composed)
    if is_locked(folder):
        raise BusyError(f"{folder} is being trained by another process; wait for it, or end it first")
    write_text(run.config, composed)
    with (
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
        while process.poll() is None:
            try:
                for line in process.stdout:
                    file.write(line)
                    print(line, end="", flush=True)
                process.wait()
            except KeyboardInterrupt:  # it keeps what it has
                process.send_signal(told() or signal.SIGINT)
    status = read_status(folder) or {}
    if status.get("state") == State.stopped:
        reason = status.get("reason", "stopped")
        raise PreemptedError(reason) if told() is not None else StoppedError(reason)
    if process.returncode or not run.complete:
        raise RunError(status.get("reason") or f"training ended with exit status {process.returncode}; see {run.log}")


def train_in(folder: Path, config: TrainConfig, composed: str) -> tuple[RunDir, Info]:
    """Trains in a folder, after saving the composed configuration there; reports in its ``status.json``.

    Raises:
        GesturelabError: If anything that the user can mend is wrong.
    """
    run = _free_folder(folder, config, composed)
    with _nothing_empty(run), reported(folder, config.trainer.max_epochs) as reporter, _sent_away(run, composed):
        _free_folder(folder, config, composed)  # whoever was at work before may have finished
        if reason := asked_to_stop(folder):
            raise StoppedError(reason)
        run.info.unlink(missing_ok=True)  # with another artefact gone it is not finished
        from gesturelab.training.device import prepare_device
        from gesturelab.training.imports import import_torchmetrics

        accelerator = prepare_device(config.trainer)  # before Lightning is imported
        import_torchmetrics()
        from gesturelab.training.train import train

        write_text(run.config, composed)
        return train(config, folder, accelerator, reporter.epoch)


def _free_folder(folder: Path, config: TrainConfig, composed: str) -> RunDir:
    """The folder as a run to begin or to go on with.

    A checkpoint may only go on with its own configuration: another one could test people whom it has seen.

    Raises:
        RunError: If it holds a finished run, or a checkpoint of another configuration, naming each key that differs.
    """
    run = RunDir(folder, config.model.name)
    if run.complete:
        raise RunError(f"{folder} already holds a finished run; give this one another folder or name")
    if not run.begun or not run.config.exists():
        return run
    if changed := differences(run.config.read_text(encoding="utf-8"), composed):
        listed = "\n  ".join(map(str, changed))
        raise RunError(f"{run.path} holds a run of another configuration; give this one another folder\n  {listed}")
    return run


@contextmanager
def _sent_away(run: RunDir, composed: str) -> Generator[None]:
    """Says of a signal that came before or after the training's steps what it was; leaves what resumes the run."""
    try:
        yield
    except KeyboardInterrupt:
        if told() is None:
            raise
        if not run.config.exists():
            write_text(run.config, composed)
        raise stopped(f"; go on with: gesturelab resume {run.path}") from None


@contextmanager
def _nothing_empty(run: RunDir) -> Generator[None]:
    """Removes the folder of a run that never began, unless it was there before or belongs to a sweep."""
    there_before = run.status.exists() or run.config.exists()
    try:
        yield
    except (BusyError, PreemptedError):
        raise
    except (GesturelabError, KeyboardInterrupt):
        if not there_before and not run.checkpoints.exists():
            run.config.unlink(missing_ok=True)
            _leave_nothing_empty(run.path)
        raise


def _leave_nothing_empty(folder: Path) -> None:
    """Removes a folder in which a run never began."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {"train.log", "status.json", LOCK}:
        for path in folder.iterdir():
            path.unlink()
        with suppress(OSError):  # something came into it
            folder.rmdir()
