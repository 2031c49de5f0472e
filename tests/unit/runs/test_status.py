"""What a run says of itself."""

import json
import subprocess
import sys

import pytest

from gesturelab.errors import DataError, RunError, StoppedError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Epoch
from gesturelab.runs.lifecycle import report_status
from gesturelab.runs.status import Status, is_alive, mark_queued, read_status, write_status
from gesturelab.sweeps.plan import JobResult, Outcome, outcome_table
from processes import running


def epoch(number, loss=0.5, accuracy=0.75):
    return Epoch(
        epoch=number,
        train_loss=1.0,
        train_accuracy=0.5,
        validation_loss=loss,
        validation_accuracy=accuracy,
        learning_rate=0.1,
    )


def test_a_run_reports_epochs_and_then_that_it_is_done(tmp_path):
    with report_status(tmp_path, 2) as reporter:
        running = read_status(tmp_path)
        assert (running["state"], running["max_epochs"], running["attempt"]) == ("running", 2, 1)
        reporter.epoch(epoch(0, accuracy=0.9), 5)
        reporter.epoch(epoch(1, accuracy=0.8), 5)
        now = read_status(tmp_path)
        assert (now["epoch"], now["metrics"]["validation_accuracy"]) == (2, 0.8)
        assert now["best_validation_accuracy"] == 0.9
    assert read_status(tmp_path)["state"] == "done"


def test_the_validation_loss_of_every_epoch_is_kept_over_attempts(tmp_path):
    with report_status(tmp_path, 5) as reporter:
        for number, loss in enumerate((0.9, 0.8, float("nan"))):
            reporter.epoch(epoch(number, loss), 5)
    assert read_status(tmp_path)["validation_losses"] == [0.9, 0.8, None]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    mark_queued(tmp_path)
    with report_status(tmp_path, 5) as reporter:
        assert read_status(tmp_path)["validation_losses"] == [0.9, 0.8, None]
        reporter.epoch(epoch(1, 0.7), 5)  # the checkpoint was one epoch behind
        assert read_status(tmp_path)["validation_losses"] == [0.9, 0.7]
        reporter.epoch(epoch(4, 0.6), 5)
    assert read_status(tmp_path)["validation_losses"] == [0.9, 0.7, None, None, 0.6]


def test_a_diverged_loss_still_gives_json(tmp_path):
    with report_status(tmp_path, 2) as reporter:
        reporter.epoch(epoch(0, loss=float("nan")), 5)
    assert "validation_loss" not in read_status(tmp_path)["metrics"]


def test_a_failure_is_told_with_its_traceback_and_goes_on_its_way(tmp_path):
    def bad():
        raise ValueError("no such joint\nsecond line")

    with pytest.raises(ValueError, match="no such joint"), report_status(tmp_path, 2):
        bad()
    status = read_status(tmp_path)
    assert (status["state"], status["reason"]) == ("failed", "ValueError: no such joint")
    assert "in bad" in status["traceback"]
    assert "in bad" in RunDir(tmp_path, "").log.read_text()


def test_our_own_errors_are_told_without_a_class_name(tmp_path):
    with pytest.raises(DataError), report_status(tmp_path, 2):
        raise DataError("no recordings in x")
    assert read_status(tmp_path)["reason"] == "no recordings in x"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), StoppedError("stopped by Ctrl-C")])
def test_ctrl_c_is_no_failure(tmp_path, stop):
    with pytest.raises(type(stop)), report_status(tmp_path, 2):
        raise stop
    assert read_status(tmp_path)["state"] == "stopped"


def test_a_second_process_is_refused_and_leaves_the_status_alone(tmp_path):
    code = (
        "import sys; from pathlib import Path; from gesturelab.runs.lifecycle import report_status\n"
        "with report_status(Path(sys.argv[1]), 1): print('mine', flush=True); sys.stdin.read()"
    )
    with running(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "mine\n"
        assert is_alive(tmp_path)
        with pytest.raises(RunError, match=f"being trained by process {other.pid}"), report_status(tmp_path, 1):
            pytest.fail("it must not begin")
        other.kill()  # the system frees the lock, whatever the status says
    assert read_status(tmp_path)["state"] == "running"
    assert not is_alive(tmp_path)
    with report_status(tmp_path, 1):
        assert read_status(tmp_path)["attempt"] == 2


def test_another_machine_is_believed_while_its_heart_beats(tmp_path):
    write_status(tmp_path, Status(state="running", host="another machine"))
    assert is_alive(tmp_path)
    path = RunDir(tmp_path, "").status
    path.write_text(json.dumps(json.loads(path.read_text()) | {"heartbeat": "2020-01-01T00:00:00+00:00"}))
    assert not is_alive(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"state": "asleep"}', "{"])
def test_a_broken_status_file_counts_as_none(tmp_path, text):
    RunDir(tmp_path, "").status.write_text(text)
    assert not read_status(tmp_path)


def test_the_table_tells_reason_and_log_of_what_failed(tmp_path):
    outcomes = [Outcome(f"seed={n}", JobResult.done) for n in range(40)]
    lines = outcome_table([*outcomes, Outcome("seed=99", JobResult.failed, "out of memory", tmp_path / "train.log")])
    assert lines == [
        "failed     seed=99  out of memory",
        f"           log: {tmp_path / 'train.log'}",
        "41 jobs: 40 done, 1 failed",
    ]
