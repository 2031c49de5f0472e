"""One training in several processes, begun on the command line."""

import json

import pytest
from command import gesturelab

SHAPE = ("trainer=ddp", "trainer.device=cpu", "trainer.max_epochs=2", "trainer.batches_per_epoch=2")
SMALL = ("data.people=7", "data.repetitions=1", "model.hidden=16", "callbacks=none", "hydra.run.dir=run")


@pytest.mark.slow
def test_two_processes_leave_one_run(tmp_path):
    done = gesturelab("train", *SHAPE, *SMALL, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("epoch   2 of 2") == 1
    assert done.stdout.count("63 recordings of 7 people") == 1
    log = (tmp_path / "run" / "train.log").read_text()
    assert log.count("epoch   2 of 2") == 1
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "done"
    assert json.loads((tmp_path / "run" / "info_tiny.json").read_text())["training"]["epochs"] == 2
    again = gesturelab("train", *SHAPE, *SMALL, folder=tmp_path)
    assert again.returncode == 1
    assert "already holds a finished run" in again.stderr


def test_several_processes_that_cannot_begin_say_why(tmp_path):
    done = gesturelab("train", *SHAPE, *SMALL, "split=named", "split.test=['999']", folder=tmp_path)
    assert done.returncode == 1
    assert "999" in done.stderr
    assert "Traceback" not in done.stderr
