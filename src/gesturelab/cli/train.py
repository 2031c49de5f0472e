"""``gesturelab train``: a Hydra application; composing and printing a configuration imports no torch.

Its ``--help`` is our own: Hydra's takes 1.5 s to find the options, a look into the folders no time.
"""

import logging
import re
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gesturelab.cli.hydra_errors import plain_errors
from gesturelab.config.composing import options, typed
from gesturelab.config.options import add_search_path
from gesturelab.config.store import conf_dir, register, search_in
from gesturelab.config.training import TrainConfig
from gesturelab.config.typed import GROUPS, typed_config
from gesturelab.errors import BusyError, ConfigError, GesturelabError, StoppedError
from gesturelab.runs.lifecycle import remove_empty_folder
from gesturelab.runs.locking import make_new_folder
from gesturelab.runs.signals import PREEMPTIONS, defer_signals, listen
from gesturelab.runs.status import reason_of

log = logging.getLogger(__name__)

HEAD = """\
gesturelab train trains one model size and tests it on people it has never seen.

Choose an option of a group with group=option, change a value with key=value."""

TAIL = """\
Examples
  gesturelab train                                              made-up recordings, smallest model
  gesturelab train data=irds data.root=PATH model=small         IntelliRehabDS
  gesturelab train -m model=tiny,small,medium seed=0,1,2        a sweep; then: gesturelab compare
  gesturelab train --cfg job                                    every key and its value
Your own options: put a file mine.yaml into a folder DIR/model/ and add --config-dir DIR model=mine.
What every key means: docs/reference/configuration.md. Other commands: gesturelab -h. Hydra's flags: --hydra-help."""

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
    if {"--cfg", "-c"} & set(arguments) and {"-m", "--multirun"} & set(arguments):
        raise ConfigError("--cfg prints one configuration: leave -m out; what a sweep would do: -m --dry-run")
    listen()
    register()
    for folder in _find_own_folders(arguments):
        search_in(folder)
    OmegaConf.register_new_resolver("every_person", _list_person_folds, replace=True)
    sys.argv = ["gesturelab train", *_put_flags_first(arguments)]
    try:
        with plain_errors(), _validated_display():
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(_run_job)()
    except _SingleRunFailedError as failure:
        raise failure.error from failure.error.__cause__
    return 0


def show_help(arguments: list[str]) -> None:
    """Prints the options of every group, those in the user's own folder (``--config-dir``) too."""
    folders = [conf_dir(), *_find_own_folders(arguments)]
    groups: dict[str, set[str]] = {}
    for path in (path for folder in folders for path in folder.glob("*/*.yaml")):
        groups.setdefault(path.parent.name, set()).add(path.stem)
    lines = [f"{group}: {', '.join(sorted(options))}" for group, options in sorted(groups.items())]
    print(HEAD, *lines, "", TAIL, sep="\n")


def _find_own_folders(arguments: list[str]) -> list[Path]:
    """The user's folders of options: after ``--config-dir`` or ``-cd``, or in ``--config-dir=``."""
    folders = [value for flag, value in pairwise(arguments) if flag in ("--config-dir", "-cd")]
    folders += [text.removeprefix("--config-dir=") for text in arguments if text.startswith("--config-dir=")]
    return [Path(folder) for folder in folders]


@contextmanager
def _validated_display() -> Generator[None]:
    """Lets ``--cfg job`` print only what could be trained."""
    sanitize = Hydra.get_sanitized_cfg

    def validate(self: Hydra, cfg: DictConfig, cfg_type: str) -> DictConfig:
        job = sanitize(self, cfg, cfg_type)
        if cfg_type == "job":
            typed(job)
        return job

    Hydra.get_sanitized_cfg = validate
    try:
        yield
    finally:
        Hydra.get_sanitized_cfg = sanitize


class _SingleRunFailedError(BaseException):
    """Carries an error past Hydra, which would print lines of its own for an ordinary one."""

    def __init__(self, error: GesturelabError) -> None:
        super().__init__(error)
        self.error = error


def _put_flags_first(arguments: list[str]) -> list[str]:
    """Flags may stand anywhere; Hydra wants them before the overrides. Short forms become what Hydra knows.

    >>> _put_flags_first(["-m", "seed=0,1", "launcher.detach=true", "--dry-run"])
    ['-m', 'seed=0,1', 'hydra.launcher.detach=true', 'hydra.sweeper.dry_run=true']
    >>> _put_flags_first(["seed=1", "--config-dir", "my", "-m", "model=mine"])
    ['--config-dir', 'my', '-m', 'seed=1', 'model=mine']
    >>> _put_flags_first(["logger=null", "~callbacks"])
    ['logger=none', 'callbacks=none']

    Raises:
        ConfigError: If a group without which there is no training is set to null.
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
        elif (absent := re.fullmatch(r"~?(\w+)(=null)?", argument)) and absent[0] != absent[1]:
            overrides.append(_leave_out(absent[0], absent[1]))
        else:
            overrides.append(re.sub(r"^(\+{0,2})launcher\.", r"\1hydra.launcher.", argument))
    return flags + overrides


def _leave_out(argument: str, group: str) -> str:
    """The override that leaves a whole group out, which Hydra does not do for a group with a default."""
    if group in ("callbacks", "logger"):
        return f"{group}=none"
    if group in GROUPS:
        raise ConfigError(f"{argument}: every training needs one; choose {group}={'|'.join(options(group))}")
    return argument


def _list_person_folds(_root_: DictConfig) -> str:
    """The folds that make each person of the data the test person once, as a sweep: ``range(24)`` for 24 people."""
    from gesturelab.datasets.load import load

    try:
        add_search_path(list(_root_.search_path))
        data = cast(dict[str, Any], OmegaConf.to_container(_root_.data, resolve=True))
        people = load(typed_config({"data": data}).data).people
    except GesturelabError as error:  # the only way out of a resolver without a traceback is to leave
        raise SystemExit(f"gesturelab: error: {error}") from error
    return f"range({len(people)})"


def _run_job(composed: DictConfig) -> None:
    hydra_config = HydraConfig.get()
    folder = Path(hydra_config.runtime.output_dir)
    sweep = hydra_config.mode == RunMode.MULTIRUN
    if not sweep:
        listen(signal.SIGINT, *PREEMPTIONS)  # to the end: a run that is finished is not stopped any more
    try:
        if not sweep and hydra_config.sweeper.get("dry_run"):
            raise ConfigError("--dry-run says what a sweep would do (-m); a single run's configuration: --cfg job")
        if not sweep and "${now:" in str(OmegaConf.to_container(hydra_config.run, resolve=False)):
            folder = _make_own_folder(folder)
        train_and_print(folder, typed(composed), OmegaConf.to_yaml(composed, resolve=True))
    except StoppedError as error:
        if sweep:
            raise KeyboardInterrupt(str(error)) from error  # an ordinary error would begin the next job
        raise _SingleRunFailedError(error) from error
    except GesturelabError as error:
        if sweep:
            log.error("failed: %s", error)
            raise CompactHydraException(f"gesturelab: error: {error}") from error
        if not isinstance(error, BusyError):
            remove_empty_folder(folder)
            with suppress(OSError):  # the folders above go as well, unless they hold something
                for empty in (folder.parent, folder.parent.parent):
                    empty.rmdir()
        raise _SingleRunFailedError(error) from error
    except Exception as error:
        if sweep:
            log.error("failed: %s", reason_of(error))
        raise


def _make_own_folder(wanted: Path) -> Path:
    """A folder that no other run begun in the same second has; the log moves there."""
    folder = make_new_folder(wanted)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) and Path(handler.baseFilename).parent == wanted:
            handler.baseFilename = str(folder / Path(handler.baseFilename).name)  # nothing is written yet
    return folder


def train_and_print(folder: Path, config: TrainConfig, config_text: str) -> None:
    """Trains in a folder, and prints the result.

    Raises:
        GesturelabError: If anything that the user can mend is wrong.
    """
    from gesturelab.training.train import train

    with defer_signals():
        result = train(config, folder, config_text=config_text)
        if config.trainer.processes == 1:  # else the process that trained has printed it
            from gesturelab.cli.train_result import print_result

            print_result(result.run, result.info)
