"""``gesturelab status``."""

import os
import socket
from typing import cast

import pytest

from gesturelab.cli.main import main
from gesturelab.runs.locking import LOCK, exclusive_lock
from gesturelab.runs.status import State, Status, end_status, mark_queued, write_status


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "multirun" / "gestures"
    mark_queued(root / "seed=0")
    write_status(
        root / "seed=1",
        Status(
            state="done",
            epoch=3,
            max_epochs=5,
            metrics={"train_loss": 1.5, "validation_loss": 2.25, "validation_accuracy": 0.5},
            best_validation_accuracy=0.625,
        ),
    )
    (root / "multirun.yaml").touch()
    return root


def test_each_job_has_a_line(sweep, capsys):
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["seed=0", "queued"]
    assert lines[2].split() == ["seed=1", "done", "3/5", "1.500", "2.250", "50.0", "%", "62.5", "%"]
    assert "2 jobs, 1 queued, 1 done" in lines[3]


def test_a_refit_is_shown_and_counts_for_the_time_that_is_left(sweep, capsys):
    own = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "epoch_s": 60.0, "max_epochs": 5}
    for progress, shown in (
        ({"epoch": 4, "refit_epoch": 0}, ["4/5", "6", "min"]),
        ({"epoch": 5, "refit_epoch": 1, "refit_max_epochs": 4}, ["refit", "1/4", "3", "min"]),
        ({"epoch": 2, "refit_epoch": 1, "refit_max_epochs": 3}, ["refit", "1/3", "2", "min"]),
        ({"epoch": 4}, ["4/5", "60", "s"]),
    ):
        write_status(sweep / "seed=1", cast(Status, own | progress))
        with exclusive_lock(sweep / "seed=1" / LOCK):
            assert main(["status"]) == 0
        assert capsys.readouterr().out.splitlines()[2].split() == ["seed=1", "running", *shown]


def test_a_failed_and_a_dead_job_are_told_and_give_exit_status_1(sweep, capsys):
    end_status(sweep / "seed=0", State.failed, "ValueError: bad luck")
    assert main(["status", str(sweep)]) == 1
    assert "ValueError: bad luck" in capsys.readouterr().out
    write_status(sweep / "seed=0", Status(state="running", host="gone", max_epochs=2))
    (sweep / "seed=0" / "status.json").write_text(
        '{"state": "running", "host": "gone", "heartbeat": "2020-01-01T00:00:00+00:00"}'
    )
    assert main(["status", str(sweep)]) == 1
    assert "died" in capsys.readouterr().out


def test_no_sweep_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["status"]) == 1
    assert "there is no sweep in multirun/" in capsys.readouterr().err
    assert main(["status", "here"]) == 1
    assert "here is no sweep" in capsys.readouterr().err
