"""What experiment=irds_best combines, from configuration to files, on made-up people."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gesturelab.config.composing import compose, options
from gesturelab.datasets.load import load
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.evaluation.windows import combine_windows
from gesturelab.preprocessing.augmentation import mirror
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.training.build import make_data, make_module, make_scaler
from gesturelab.training.module import GestureModule
from trained import train_in

UNMEASURED = True

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "recipes.py"
QUICK = ("data=synthetic", "data.people=8", "data.repetitions=1", "trainer=cpu", "model.hidden=16")


def train(folder, *overrides):
    config = compose([*QUICK, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_trains_in_a_fast_form(tmp_path, experiment):
    quick = ["trainer.max_epochs=1", "trainer.batches_per_epoch=2", "data.max_files=72"]
    if experiment in ("msr_action3d", "utkinect", "utkinect_untrimmed"):  # names people of its own dataset
        quick += ["split.test=[101,201]", "split.validation=[102]"]
    run, info = train(tmp_path / "run", f"experiment={experiment}", *quick)
    assert all(path.exists() for path in run.artefacts)
    assert info["training"]["epochs"] == 1


def test_key_features_are_thirteen_joints_and_eight_angles():
    features = Features(compose(["features=key"]).features, KINECT_V2)
    assert sorted(features.joints) == [0, 3, 4, 5, 6, 8, 9, 10, 13, 14, 17, 18, 20]  # numbers of Microsoft's SDK
    assert len(features.names) == 13 * 3 * 3 + 8


SHORT = ("trainer.max_epochs=2", "callbacks=none", "trainer.refit=false")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """One training without and with mirror images at test."""
    folder = tmp_path_factory.mktemp("pair")
    return train(folder / "plain", *SHORT), train(folder / "mirrored", *SHORT, "augment.mirror_at_test=true")


def test_mirror_images_have_their_say_in_test_and_validation_and_nowhere_else(pair):
    (_, plain_info), (run, info) = pair
    history, plain_history = (each["training"]["history"] for each in (info, plain_info))
    assert [epoch["train_loss"] for epoch in history] == [epoch["train_loss"] for epoch in plain_history]
    assert all(a["validation_loss"] != b["validation_loss"] for a, b in zip(history, plain_history, strict=True))
    config = compose([*QUICK, *SHORT])
    data = make_data(config, load(config.data))
    module = make_module(config, data, make_scaler(config, data))
    saved = torch.load(run.weights, weights_only=True)
    assert (saved["mirror_at_test"], saved["mirrored_gestures"]) == (True, [1, 0, 3, 2, 5, 4, 6, 8, 7])
    module.recogniser.classifier.load_state_dict(saved["state_dict"])
    module.eval()
    store = FrameStore(data.dataset, data.windows, torch.device("cpu"))
    with torch.no_grad():
        for side, name in ((data.subsets.validation, "validation"), (data.subsets.test, "test")):
            batch = store.gather(torch.from_numpy(side))
            left_right = module(batch.positions).softmax(dim=1)
            right_left = module(mirror(batch.positions, KINECT_V2)).softmax(dim=1)
            swapped = torch.stack([right_left[:, other] for other in (1, 0, 3, 2, 5, 4, 6, 8, 7)], dim=1)
            rows = ((left_right + swapped) / 2).numpy()
            chance = rows[range(len(rows)), batch.classes.numpy()]
            assert info["metrics"][name]["window"]["loss"] == pytest.approx(-sum(map(math.log, chance)) / len(rows))
    ids, combined = combine_windows(data.windows.recording[data.subsets.test], rows)
    said = read_predictions(run.predictions)
    assert list(said.names) == [data.dataset.names[number] for number in ids.tolist()]
    assert said.probabilities == pytest.approx(combined, abs=1e-5)


def test_the_benchmark_says_of_the_kept_weights_what_the_runs_say(pair):
    folders = [str(run.path) for run, _ in pair]
    command = [sys.executable, str(BENCHMARK), "--mirror", *folders]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\ntest: ")
    for side, text in zip(("validation", "test"), said, strict=True):
        shown = dict(re.findall(r"^\| (plain|mirrored) \| ([\d.]+) \(", text, re.MULTILINE))
        expected = [info["metrics"][side]["recording"]["accuracy"] for _, info in pair]
        assert shown == {
            name: f"{100 * value:.1f}" for name, value in zip(("plain", "mirrored"), expected, strict=True)
        }


def test_the_kept_weights_are_the_average_of_the_best_epoch(tmp_path, monkeypatch):
    name = "classifier.convolutions.0.convolution.weight"
    steps, ends = [], []

    def begun(module):
        steps.append(module.recogniser.state_dict()[name].double().clone())

    def stepped(module, _outputs, _batch, _index):
        steps.append(module.recogniser.state_dict()[name].double().clone())

    def finished(module):
        ends.append(len(steps))
        return real(module)

    real = GestureModule.on_train_epoch_end
    monkeypatch.setattr(GestureModule, "on_train_start", begun)
    monkeypatch.setattr(GestureModule, "on_train_batch_end", stepped)
    monkeypatch.setattr(GestureModule, "on_train_epoch_end", finished)
    run, info = train(tmp_path / "run", "trainer.max_epochs=3", "trainer.keep=best", "trainer.refit=false")
    average, after = steps[0], [steps[0]]
    for number, weight in enumerate(steps[1:], start=1):
        share = min(0.99, (1 + number) / (10 + number))
        average = share * average + (1 - share) * weight
        after.append(average)
    best = ends[info["training"]["best_epoch"]] - 1
    kept = torch.load(run.weights, weights_only=True)["state_dict"][name.removeprefix("classifier.")].double()
    assert (kept - after[best]).abs().max() < 1e-6
    assert (kept - steps[best]).abs().max() > 1e-4
    checkpoint = torch.load(run.checkpoints / "best.ckpt", weights_only=True)
    assert torch.equal(checkpoint["state_dict"][f"recogniser.{name}"].double(), kept)
    assert torch.allclose(checkpoint["training_weights"][f"recogniser.{name}"].double(), steps[best])
    history = info["training"]["history"][info["training"]["best_epoch"]]
    assert info["metrics"]["validation"]["window"]["loss"] == pytest.approx(history["validation_loss"], rel=1e-4)


def test_the_last_epoch_is_kept_where_that_is_asked_for(tmp_path):
    far_too_fast = (
        "optimizer.lr=1",
        "scheduler=constant",
        "callbacks=none",
        "trainer.max_epochs=4",
        "trainer.refit=false",
    )
    run, info = train(tmp_path / "run", "trainer.keep=last", *far_too_fast)
    losses = [epoch["validation_loss"] for epoch in info["training"]["history"]]
    assert losses.index(min(losses)) != 3, "else both ways keep the same"
    assert info["training"]["best_epoch"] == 3
    assert info["metrics"]["validation"]["window"]["loss"] == pytest.approx(losses[3], rel=1e-4)
    kept = torch.load(run.weights, weights_only=True)["state_dict"]
    last = torch.load(run.checkpoints / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, last[f"recogniser.classifier.{name}"]) for name, value in kept.items())
    assert not (run.checkpoints / "best.ckpt").exists(), "nobody needs it"
