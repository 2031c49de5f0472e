"""A job for launcher tests: what it does is the name of its folder, up to the first dash."""

import os
import signal
import sys
import time
from pathlib import Path

from gesturelab.runs.info import Epoch
from gesturelab.runs.lifecycle import report_status
from gesturelab.sweeps.local import end_with_parent


def main(folder):
    kind = folder.name.split("-")[0]
    if kind == "early":
        sys.exit(3)
    if kind == "leaves":
        sys.exit(75)
    with report_status(folder, 5) as reporter:
        (folder / "threads").write_text(os.environ.get("OMP_NUM_THREADS", ""))
        values = {"train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
        reporter.epoch(Epoch(epoch=0, **values, learning_rate=0.1), 5)
        if kind == "raises":
            raise ValueError("bad luck")
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "waits":
            while True:
                time.sleep(0.05)


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
