"""Trainings whose numbers break, or whose steps do not fit into memory: whole, in this process, on made-up people."""

import copy
import csv
import json
import math

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

import gesturelab.training.experiment as training_module
from gesturelab.cli.train_result import print_result
from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.errors import ConfigError, RunError
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.runs.status import read_status
from gesturelab.training.averaging import WeightAveraging
from gesturelab.training.datamodule import TrainingLoader
from gesturelab.training.module import GestureModule
from gesturelab.training.optimizers import cosine_share
from trained import train_in

QUICK = (
    *("data.people=7", "data.repetitions=1", "trainer=cpu", "model.hidden=8", "model.layers=1"),
    *("trainer.max_epochs=2", "trainer.batch_size=8", "trainer.batches_per_epoch=4", "trainer.refit=false"),
)
PLAIN = ("model.head_layers=0", "model.dropout=0", "optimizer=sgd", "optimizer.lr=0.1", "trainer.max_epochs=1")
"""Without batch normalisation and dropout, which see a part of a batch only, and with steps as long as gradients."""


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch):
    for name in ("draw_curves", "draw_confusion"):
        monkeypatch.setattr(training_module, name, lambda _info, path: path.write_bytes(b"picture"))


def train_quickly(folder, *overrides):
    config = compose([*QUICK, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


@pytest.fixture
def poisoned(monkeypatch):
    """Spoils all windows of one recording in one step: `poisoned[epoch, step]`, from 0; how often it may happen."""
    steps = {}
    given = TrainingLoader.__iter__

    def iterate(loader):
        for step, batch in enumerate(given(loader)):
            if steps.get((loader.epoch, step), 0):
                steps[loader.epoch, step] -= 1
                batch.positions[batch.recordings == batch.recordings[0]] = float("nan")
                steps["recording"] = int(batch.recordings[0])
            yield batch

    monkeypatch.setattr(TrainingLoader, "__iter__", iterate)
    return steps


def test_a_training_stops_at_the_bad_step_and_names_the_recording(tmp_path, poisoned):
    poisoned[1, 2] = 1
    with pytest.raises(RunError, match=r"^the loss is not finite in epoch 2 \(step 3 of 4, loss nan, learning") as told:
        train_quickly(tmp_path / "run")
    said = str(told.value)
    dataset = load(compose(QUICK).data)
    assert f"features of {dataset.names[poisoned['recording']]} are not; look" in said
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 1, "the good epoch is there"
    status = read_status(tmp_path / "run")
    assert (status["state"], status["reason"]) == ("failed", said)
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 0
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


def test_a_skipped_step_changes_nothing_and_is_told(tmp_path, poisoned, monkeypatch, caplog):
    poisoned[0, 2] = 1
    taken, averaged = [], []
    step, follow = GestureModule.optimizer_step, WeightAveraging.on_train_batch_end

    def watched(module, epoch, batch_idx, optimizer, optimizer_closure=None):
        def state():
            return copy.deepcopy((module.state_dict(), optimizer.optimizer.state_dict()["state"]))

        before = state()
        step(module, epoch, batch_idx, optimizer, optimizer_closure)
        taken.append((before, state()))

    def followed(averaging, *given):
        before = copy.deepcopy((averaging._average, averaging._steps))
        follow(averaging, *given)
        averaged.append((before, copy.deepcopy((averaging._average, averaging._steps))))

    monkeypatch.setattr(GestureModule, "optimizer_step", watched)
    monkeypatch.setattr(WeightAveraging, "on_train_batch_end", followed)
    run, info = train_quickly(tmp_path / "run", "trainer.on_not_finite=skip", "callbacks=default")
    for kind in (taken, averaged):
        same = [equal(before, after) for before, after in kind]
        assert same == [False] * 2 + [True] + [False] * 5
    assert info["training"]["skipped"] == [{"epoch": 0, "steps": 1}]
    assert json.loads(run.info.read_text()) == info
    assert [one["name"] for one in info["findings"]].count("steps-left-out") == 1
    assert "epoch 1: 1 of 4 steps were left out" in caplog.text
    assert "left out: the loss is not finite in epoch 1 (step 3 of 4" in caplog.text
    assert all(math.isfinite(epoch["train_loss"]) for epoch in info["training"]["history"])


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (tuple, list)):
        return all(map(equal, one, other))
    return one == other


def test_too_many_skipped_steps_are_an_error(tmp_path, poisoned):
    poisoned.update({(0, 1): 1, (0, 3): 1})
    with pytest.raises(RunError, match=r"^the loss is not finite in epoch 1 too often: 2 of 4 steps .* 10 %"):
        train_quickly(tmp_path / "run", "trainer.on_not_finite=skip")


@pytest.mark.parametrize("scheduler", ["cosine", "plateau"])
def test_a_restart_goes_back_with_half_the_rate(tmp_path, poisoned, caplog, scheduler):
    poisoned.update({(0, 2): 1, (1, 3): 1})
    overrides = (f"scheduler={scheduler}", "optimizer.lr=0.001", "trainer.on_not_finite=restart")
    run, info = train_quickly(tmp_path / "run", *overrides)
    first, second = info["training"]["restarts"]
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (0, 3, 1, 4)
    assert second["reason"].startswith("the loss is not finite in epoch 2")
    config = compose([*overrides, "trainer.refit=false"]).scheduler
    share = [1.0] * 9
    if scheduler == "cosine":
        share = [cosine_share(step, 8, config.warmup_fraction, config.final_fraction) for step in range(9)]
    rates = [epoch["learning_rate"] for epoch in info["training"]["history"]]
    assert rates == pytest.approx([0.0005 * share[4], 0.00025 * share[8]])
    told = [one["learning_rate"] for one in (first, second)]
    assert told == pytest.approx([0.001 * share[2], 0.0005 * share[7]])
    assert [one["name"] for one in info["findings"]].count("restarted") == 1
    assert "restart 2 of at most 3" in caplog.text
    with (run.path / "metrics.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    assert torch.load(run.checkpoints / "last.ckpt", weights_only=True)["epoch"] == 1


def test_a_restart_goes_back_to_what_validation_has_seen(tmp_path, poisoned, caplog, monkeypatch):
    """Not to a checkpoint within an epoch: its weights may be what makes the loss diverge."""
    poisoned[1, 3] = 1
    given = GestureModule.on_save_checkpoint

    def ruined(module, checkpoint):
        given(module, checkpoint)
        if "within" in checkpoint["gesturelab"]:
            there = checkpoint["state_dict"]
            checkpoint["state_dict"] = {name: torch.full_like(value, 10**6) for name, value in there.items()}

    monkeypatch.setattr(GestureModule, "on_save_checkpoint", ruined)
    options = ("trainer.on_not_finite=restart", "trainer.checkpoint_minutes=1e-9")
    caplog.set_level("INFO")
    run, info = train_quickly(tmp_path / "run", *options)
    assert len(info["training"]["restarts"]) == 1
    assert f"resuming from {run.checkpoints / 'last.ckpt'}" in caplog.text
    assert "within.ckpt" not in caplog.text


def test_restarts_have_an_end(tmp_path, poisoned):
    poisoned[0, 0] = 100
    with pytest.raises(RunError, match=r"^the loss is not finite in epoch 1 .*restarted 3 times already"):
        train_quickly(tmp_path / "run", "trainer.on_not_finite=restart")
    assert poisoned[0, 0] == 96


@pytest.mark.parametrize("choice", ["skip", "restart"])
def test_several_devices_can_only_stop(choice):
    with pytest.raises(ConfigError, match=f"trainer.on_not_finite={choice}: several devices"):
        compose(["trainer=ddp", f"trainer.on_not_finite={choice}"])


@pytest.fixture
def small_memory(monkeypatch):
    """A device that has room for so many windows with gradients, and so many without."""
    room = {"train": 10**9, "evaluate": 10**9, "batches": []}
    forward = LSTMClassifier.forward

    def limited(network, features):
        room.setdefault("begun", copy.deepcopy(network.state_dict()))
        kind = "train" if torch.is_grad_enabled() else "evaluate"
        if len(features) > room[kind]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        room["batches"] += [len(features)] if kind == "train" else []
        return forward(network, features)

    monkeypatch.setattr(LSTMClassifier, "forward", limited)
    return room


def test_divided_steps_are_the_undivided_ones(tmp_path, small_memory):
    """Windows, losses, gradients and clipping: with SGD, weights agree only if all steps do."""
    overrides = (*PLAIN, "loss.class_weights=true", "loss.label_smoothing=0.1", "trainer.gradient_clip_norm=0.5")
    overrides = (*overrides, "trainer.batches_per_epoch=3")  # whole ones
    whole, expected = train_quickly(tmp_path / "whole", *overrides)
    assert "micro_batch" not in expected["training"]
    assert set(small_memory["batches"]) == {8}
    small_memory["train"], small_memory["batches"] = 3, []
    divided, info = train_quickly(tmp_path / "divided", *overrides)
    assert small_memory["batches"] == [2, 2, 2, 2] * 3
    assert (info["training"]["micro_batch"], info["training"]["batch_size"]) == (2, 8)
    ours, theirs = weights(divided), weights(whole)
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-6, msg=name)
    moved = max(float((value - theirs[name]).abs().max()) for name, value in small_memory["begun"].items())
    assert moved > 1e-3, "and they did move"
    epoch, other = info["training"]["history"][0], expected["training"]["history"][0]
    assert epoch == pytest.approx(other, rel=1e-4)


def test_a_training_with_too_little_memory_finishes_and_says_so(tmp_path, small_memory, caplog):
    small_memory.update(train=4, evaluate=20)
    run, info = train_quickly(tmp_path / "run", "callbacks=default")
    assert info["training"]["micro_batch"] == 4
    assert caplog.text.count("4 windows at a time from now on") == 1
    saved = torch.load(run.checkpoints / "last.ckpt", weights_only=True)
    assert saved["gesturelab"]["micro_batch"] == 4
    assert saved["global_step"] == 8
    tracked = [value for name, value in saved["training_weights"].items() if name.endswith("num_batches_tracked")]
    assert [int(count) for count in tracked] == [14]  # 27 windows an epoch: three batches of 8 in halves, one of 3
    assert info["metrics"]["train"]["window"]["count"] > 20


class FullInBackward(torch.autograd.Function):
    """Passes values on; memory is short on the way back."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        if len(gradient) > 4:
            raise RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB")
        return gradient


def test_memory_that_is_short_on_the_way_back_leaves_no_trace(tmp_path, small_memory, monkeypatch):
    small_memory["train"] = 4
    overrides = ("model.dropout=0", "trainer.max_epochs=1", "trainer.gradient_clip_norm=null")
    expected, _ = train_quickly(tmp_path / "forward", *overrides)
    small_memory["train"] = 10**9
    forward = LSTMClassifier.forward
    monkeypatch.setattr(LSTMClassifier, "forward", lambda net, features: FullInBackward.apply(forward(net, features)))
    run, info = train_quickly(tmp_path / "backward", *overrides)
    assert info["training"]["micro_batch"] == 4
    assert equal(weights(run), weights(expected)), "running statistics of batch normalisation, too"


def test_no_room_for_one_window_is_an_error_with_advice(tmp_path, small_memory):
    small_memory["train"] = 0
    with pytest.raises(RunError, match=r"out of memory with one window at a time .*smaller model"):
        train_quickly(tmp_path / "run")


def test_findings_are_shown_and_kept(tmp_path, caplog):
    """A rate of next to nothing learns nothing."""
    run, info = train_quickly(
        tmp_path / "run", "optimizer.lr=1e-9", "trainer.max_epochs=3", "augment=none", "model.dropout=0"
    )
    names = {one["name"] for one in info["findings"]}
    assert {"loss-never-fell", "class-never-predicted"} <= names
    assert json.loads(run.info.read_text())["findings"] == info["findings"]
    caplog.clear()
    print_result(run, info)
    for one in info["findings"]:
        assert f"{one['name']}: {one['text']} {one['advice']}" in caplog.text
    assert not {one["name"] for one in info["findings"]} & set(info["warnings"])
    assert np.isfinite(info["metrics"]["test"]["window"]["loss"])
