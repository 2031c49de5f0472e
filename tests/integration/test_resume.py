"""A run that was interrupted anywhere ends as if it had not been; see also benchmarks/chaos.py."""

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import Command
from lightning.pytorch import Trainer
from omegaconf import OmegaConf

from gesturelab.config.composing import compose
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.errors import BusyError, PreemptedError, StoppedError
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.runs import signals
from gesturelab.runs.locking import LOCK, exclusive_lock
from gesturelab.runs.status import Status, read_status, write_status
from gesturelab.training import experiment as training
from gesturelab.training.build import make_data, make_scaler
from gesturelab.training.callbacks import KeepCheckpoints
from trained import train_in

UNMEASURED = True
QUICK = ("data.people=8", "data.repetitions=1", "trainer=cpu", "model.hidden=8", "model.layers=1")
MANY = ("trainer.batch_size=16", "trainer.max_epochs=3", "trainer.refit=false", "trainer.keep=best")
PLATEAU = ("scheduler=plateau", "scheduler.patience=0", "scheduler.factor=0.1", "optimizer=sgd", "optimizer.lr=10")

NOT_COUNTED = {"seconds", "epoch_loop.scheduler_progress"}
"""The clock, and how often Lightning told a schedule something: after a plateau's epoch was kept, we tell it."""


def train(folder, *overrides):
    config = compose([*QUICK, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


def same(one, other):
    if isinstance(one, dict):
        keys = one.keys() - NOT_COUNTED
        return keys == other.keys() - NOT_COUNTED and all(same(one[key], other[key]) for key in keys)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):  # a refit has no validation loss
        return math.isnan(other)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


def require_same(run, info, whole, whole_info):
    for key in ("metrics", "confusion", "temperature"):
        assert info[key] == whole_info[key]
    assert info["training"]["history"] == whole_info["training"]["history"]
    assert (run.path / "metrics.csv").read_text() == (whole.path / "metrics.csv").read_text()
    names = sorted(path.relative_to(whole.checkpoints) for path in whole.checkpoints.rglob("*.ckpt"))
    assert names == sorted(path.relative_to(run.checkpoints) for path in run.checkpoints.rglob("*.ckpt"))
    assert torch.equal(*(torch.cat([*map(torch.flatten, weights(each).values())]) for each in (run, whole)))
    for path in names:
        one, other = (torch.load(each.checkpoints / path, weights_only=True) for each in (whole, run))
        assert same(one, other), f"{path}: weights, optimizer, schedule, counters, generators"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "run", *MANY, *PLATEAU)


@pytest.fixture
def told_at(monkeypatch):
    """Makes a training hear a signal after a step of an epoch."""

    def arrange(epoch, step):
        real = KeepCheckpoints.on_train_batch_end

        def hear(callback, trainer, module, outputs, batch, index):
            if (trainer.current_epoch, index + 1) == (epoch, step):
                monkeypatch.setattr(signals, "_received", signal.SIGUSR1)
            real(callback, trainer, module, outputs, batch, index)

        monkeypatch.setattr(KeepCheckpoints, "on_train_batch_end", hear)

    yield arrange
    monkeypatch.setattr(signals, "_received", None)


def test_a_plateau_is_reached_in_this_training(whole):
    rates = [epoch["learning_rate"] for epoch in whole[1]["training"]["history"]]
    assert rates[-1] < rates[0], "or the tests below would not see a schedule that forgets"


@pytest.mark.parametrize(("epoch", "step"), [(1, 2), (1, 3)])
def test_a_run_that_leaves_on_a_signal_goes_on_exactly_where_it_was(tmp_path, whole, told_at, monkeypatch, epoch, step):
    with monkeypatch.context() as patch:
        told_at(epoch, step)
        with pytest.raises(PreemptedError, match=r"left on SIGUSR1; .*Go on with: gesturelab resume"):
            train(tmp_path / "run", *MANY, *PLATEAU)
        patch.undo()
    monkeypatch.undo()
    assert read_status(tmp_path / "run")["state"] == "stopped"
    within = tmp_path / "run" / "checkpoints" / "within.ckpt"
    assert within.exists() == (step == 2), "the third step is the epoch's last, which leaves the epoch's checkpoint"
    require_same(*train(tmp_path / "run", *MANY, *PLATEAU), *whole)
    assert not within.exists()


@pytest.mark.parametrize("step", [2, 3])
def test_so_does_one_that_accumulates_gradients_and_has_a_budget_in_steps(tmp_path, told_at, monkeypatch, step):
    """A signal between two steps of the optimizer is answered at the next one."""
    options = ("trainer.batch_size=8", "trainer.max_steps=18", "+trainer.options.accumulate_grad_batches=2")
    whole = train(tmp_path / "whole", *options)
    assert torch.load(whole[0].checkpoints / "last.ckpt", weights_only=True)["global_step"] >= 18
    with monkeypatch.context() as patch:
        told_at(1, step)
        with pytest.raises(PreemptedError):
            train(tmp_path / "run", *options)
        patch.undo()
    monkeypatch.undo()
    require_same(*train(tmp_path / "run", *options), *whole)


@pytest.mark.parametrize(("epoch", "step"), [(0, 1), (1, 2)])
def test_so_does_one_that_leaves_its_refit(tmp_path, monkeypatch, epoch, step):
    options = ("trainer.batch_size=16", "trainer.max_epochs=2")
    whole = train(tmp_path / "whole", *options)
    real = KeepCheckpoints.on_train_batch_end

    def hear(callback, trainer, module, outputs, batch, index):
        if module.is_refit and (trainer.current_epoch, index + 1) == (epoch, step):
            monkeypatch.setattr(signals, "_received", signal.SIGUSR1)
        real(callback, trainer, module, outputs, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(KeepCheckpoints, "on_train_batch_end", hear)
        with pytest.raises(PreemptedError, match=r"checkpoints/refit/within\.ckpt\. Go on with: gesturelab resume"):
            train(tmp_path / "run", *options)
    monkeypatch.setattr(signals, "_received", None)
    require_same(*train(tmp_path / "run", *options), *whole)


def test_the_refit_trains_validation_people_too_and_changes_what_is_tested_alone(tmp_path):
    options = ("trainer.batch_size=16", "trainer.max_epochs=2")
    refit, info = train(tmp_path / "refit", *options)
    once, before = train(tmp_path / "once", *options, "trainer.refit=false")
    for subset in ("train", "validation"):
        assert info["metrics"][subset] == before["metrics"][subset]
    assert info["training"]["history"] == before["training"]["history"]
    assert (info["temperature"], info["unsure_below"]) == (before["temperature"], before["unsure_below"])
    assert info["metrics"]["test"] != before["metrics"]["test"]
    split = info["split"]
    assert info["training"]["refit"]["windows"] == split["train"]["windows"] + split["validation"]["windows"]
    assert info["training"]["seconds"] > info["training"]["refit"]["seconds"] > 0
    config = compose([*QUICK, *options])
    config.split = compose([*QUICK, "split=named", f"split.test={json.dumps(split['test']['subjects'])}"]).split
    data = make_data(config, load(config.data)).with_validation_people()
    tested = set(data.windows.recording[data.subsets.test].tolist())
    assert not tested & set(data.windows.recording[data.subsets.train].tolist())
    expected = make_scaler(config, data)
    assert Scaler.load(refit.scaler).mean == pytest.approx(expected.mean, abs=1e-6)
    assert Scaler.load(once.scaler).mean != pytest.approx(expected.mean, abs=1e-6)


def test_a_checkpoint_is_written_every_few_minutes(tmp_path, monkeypatch):
    written = []
    real = Trainer.save_checkpoint

    def note(trainer, path, *arguments):
        written.append((Path(path).name, trainer.current_epoch, trainer.global_step))
        real(trainer, path, *arguments)

    monkeypatch.setattr(Trainer, "save_checkpoint", note)
    train(tmp_path / "run", *MANY[:1], "trainer.max_epochs=1", "trainer.checkpoint_minutes=1e-9", "trainer.refit=false")
    assert written == [*(("within.ckpt", 0, step) for step in (1, 2)), ("last.ckpt", 0, 3)]


def test_a_run_that_stopped_early_and_was_killed_before_its_results_trains_no_further(tmp_path, monkeypatch):
    patience = ("trainer.max_epochs=20", "callbacks=early_stopping", "callbacks.early_stopping.patience=1")
    never_better = (*patience, "callbacks.early_stopping.min_delta=100")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "write_weights", die)
        with pytest.raises(StoppedError, match="training is over, its scores are not written"):
            train(tmp_path / "run", *never_better)
    _, info = train(tmp_path / "run", *never_better)
    assert info["training"]["epochs"] == 2
    assert info["training"]["stopped_early"]


def test_a_signal_before_the_first_step_leaves_what_resumes_the_run(tmp_path, monkeypatch):
    def hear(*_):
        monkeypatch.setattr(signals, "_received", signal.SIGTERM)

    monkeypatch.setattr("gesturelab.training.device.prepare_device", hear)
    with pytest.raises(PreemptedError, match=r"left on SIGTERM; go on with: gesturelab resume .*run"):
        train(tmp_path / "run")
    assert read_status(tmp_path / "run")["state"] == "stopped"
    assert read_config(tmp_path / "run" / "config.yaml").trainer.checkpoint_minutes == 10


def test_a_folder_that_another_process_holds_stays_as_it_is(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with exclusive_lock(folder / LOCK):
        write_status(folder, Status(state="running", pid=4711, host="elsewhere"))
        before = sorted(path.name for path in folder.iterdir())
        with pytest.raises(BusyError, match="is being trained by process 4711 on elsewhere"):
            train(folder)
        assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.slow
def test_sigterm_leaves_a_checkpoint_a_status_and_an_exit_status_for_the_queue(tmp_path):
    options = ("trainer.max_epochs=100000", "callbacks=none", "trainer.batch_size=2", "logger=none")
    with Command("train", *QUICK, *options, "hydra.run.dir=run", folder=tmp_path) as command:
        command.wait_for_line("epoch   1 ")
        command.signal(signal.SIGTERM)
        assert command.wait(120) == 75, command.stdout + command.stderr
        said = command.stdout + command.stderr
    assert "left on SIGTERM" in said
    assert f"gesturelab resume {tmp_path / 'run'}" in said
    assert "Traceback" not in said
    status = json.loads((tmp_path / "run" / "status.json").read_text(encoding="utf-8"))
    assert status["state"] == "stopped"
    assert "left on SIGTERM" in status["reason"]


@pytest.mark.slow
def test_a_training_under_kills_ends_as_if_undisturbed(tmp_path):
    chaos = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
    done = subprocess.run(
        [sys.executable, str(chaos), "--short"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # a slow machine may have finished one before its kill
    assert re.search("2 kills, [1-3] trainings of 4 epochs to their end, each equal to the byte", done.stdout)
