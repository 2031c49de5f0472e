"""``python -m gesturelab.cli.stack LIST``: trains in several folders in one process; the stacked launcher starts it."""

import faulthandler
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from gesturelab.cli.job import FORMAT, train_folder
from gesturelab.errors import GesturelabError, PreemptedError, StoppedError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.log_file import LogFile
from gesturelab.runs.signals import PREEMPTIONS, listen
from gesturelab.runs.status import State, end_status, reason_of
from gesturelab.runs.stop_request import asked_to_stop
from gesturelab.sweeps.local import end_with_parent

if TYPE_CHECKING:  # it imports torch
    from gesturelab.training.stack.together import Seat


def main(listed: Path) -> int:
    """Trains in the folders that a file lists; what became of each is in its ``status.json``.

    Args:
        listed: JSON with ``folders``, and whether steps are taken ``together``; else one is trained after another.

    Returns:
        0 when all are done, 130 or 75 when they were stopped, else 1.
    """
    faulthandler.enable()
    listen(signal.SIGINT, *PREEMPTIONS)
    logging.basicConfig(level=logging.INFO, handlers=[], force=True)
    wanted = json.loads(listed.read_text(encoding="utf-8"))
    folders = [Path(folder) for folder in wanted["folders"]]
    codes: list[int] = []
    if wanted["together"]:
        _together(folders, codes)
    else:
        for folder in folders:
            codes.append(_train(folder))
            stopped = codes[-1] in (StoppedError.exit_status, PreemptedError.exit_status)
            if stopped and not asked_to_stop(folder):  # it is meant for all
                break
    return max(codes, default=0)


def _together(folders: list[Path], codes: list[int]) -> None:
    from gesturelab.config.saved import read_config
    from gesturelab.training.device import prepare_device
    from gesturelab.training.imports import import_torchmetrics

    try:
        prepare_device(read_config(RunDir(folders[0], "").config).trainer)  # before Lightning is imported
    except GesturelabError as error:
        for folder in folders:
            end_status(folder, State.failed, reason_of(error))
        codes.append(1)
        return
    import_torchmetrics()
    from gesturelab.training.stack.together import Stack

    stack = Stack()

    def stop(number: int, _frame: FrameType | None) -> None:
        stack.stop(signal.Signals(number))

    for number in (signal.SIGINT, *PREEMPTIONS):
        signal.signal(number, stop)

    def training(folder: Path) -> "Callable[[Seat], None]":
        return lambda seat: codes.append(_train(folder, seat))

    stack.run([training(folder) for folder in folders])


def _train(folder: Path, seat: "Seat | None" = None) -> int:
    with _logged_to(RunDir(folder, "").log):
        return train_folder(folder, seat)


@contextmanager
def _logged_to(path: Path) -> Generator[None]:
    """What this thread logs goes into a run's log, as the output of a process of its own would."""
    thread = threading.get_ident()
    handler = LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(lambda record: record.thread == thread)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
