"""Trackers show what the run's files say, once, also after a kill; none of them ends a training."""

import csv
import logging
import subprocess
import sys
from importlib.util import find_spec

import pytest
from tracked import QUICK, assert_epochs, killed_and_resumed, needs, train_quickly

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.runs.info import SYNTHETIC

UNMEASURED = True


def test_many_is_a_dictionary_that_can_be_composed():
    assert list(compose(["logger=many"]).logger) == ["csv", "tensorboard", "mlflow"]
    assert list(compose(["logger=[csv,wandb]"]).logger) == ["csv", "wandb"]
    changed = compose(["logger=many", "logger.mlflow.tracking_uri=http://127.0.0.1:1"])
    assert changed.logger["mlflow"].tracking_uri == "http://127.0.0.1:1"


@pytest.mark.parametrize("name", ["mlflow", "wandb", "tensorboard"])
def test_a_missing_package_is_one_clear_error_and_leaves_no_folder(tmp_path, monkeypatch, name):
    monkeypatch.setattr("gesturelab.training.trackers.guard.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=rf"logger.{name} needs {name}: pip install 'gesturelab\[{name}\]'"):
        train_quickly(tmp_path / "run", f"logger={name}")
    assert not (tmp_path / "run").exists()


def test_csv_imports_no_tracker(tmp_path):
    check = (
        "import sys; from gesturelab.cli.main import main; main(sys.argv[1:]);"
        "print({'mlflow', 'wandb', 'tensorboard', 'sqlalchemy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", check, "train", *QUICK, "trainer.max_epochs=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.rstrip().endswith("set()")


def test_lightnings_own_loggers_can_be_given(tmp_path):
    own = "{_target_: lightning.pytorch.loggers.CSVLogger, name: own}"
    run, _ = train_quickly(tmp_path / "run", "logger=none", f"+logger.mine={own}")
    with (run.path / "own" / "logs" / "metrics.csv").open(newline="") as file:
        assert len({row["epoch"] for row in csv.DictReader(file)}) == 3


def test_a_logger_that_cannot_begin_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"logger.mine._target_=no.such.Logger: cannot be imported"):
        train_quickly(tmp_path / "a", "+logger.mine._target_=no.such.Logger")
    if find_spec("mlflow"):
        with pytest.raises(ConfigError, match=r"logger.mlflow.tracking_uri: cannot make"):
            train_quickly(tmp_path / "b", "logger=mlflow", f"logger.mlflow.tracking_uri=sqlite:///{tmp_path}/file/x.db")


def test_a_logger_that_fails_while_training_warns_once_and_ends_nothing(tmp_path, caplog, monkeypatch):
    def broken(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("gesturelab.training.trackers.tensorboard.TensorboardTracker.log", broken)
    with caplog.at_level(logging.INFO):
        run, _ = train_quickly(tmp_path / "run", "logger=[csv,tensorboard]")
    assert run.complete
    assert len((run.path / "metrics.csv").read_text().splitlines()) == 4
    warned = [record.message for record in caplog.records if "logger." in record.message]
    assert warned == ["logger.tensorboard fails, training goes on without it: No space left on device"]


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events, {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


@needs("tensorboard")
def test_tensorboard_files_read_back(tmp_path):
    run, info = train_quickly(tmp_path / "run", "logger=tensorboard", "notes=first try")
    events, shown = scalars(run.path / "logs")
    assert_epochs(shown, info)
    best = info["training"]["best_epoch"]
    accuracy = info["metrics"]["test"]["recording"]["accuracy"]
    assert shown["test/recording_accuracy"] == [(best, pytest.approx(accuracy))]
    assert set(events.Tags()["images"]) == {"curves", "confusion"}
    about = events.Tensors("about/text_summary")[0].tensor_proto.string_val[0].decode()
    assert SYNTHETIC in about
    assert "first try" in about


@needs("tensorboard")
def test_tensorboard_of_a_killed_run_has_each_epoch_once(tmp_path):
    info = killed_and_resumed(tmp_path, "logger=tensorboard")
    assert len(info["training"]["history"]) == 20
    assert_epochs(scalars(tmp_path / "run" / "logs")[1], info)
