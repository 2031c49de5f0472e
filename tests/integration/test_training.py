"""One training from configuration to files, on made-up people."""

import csv
import json
import logging

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.metrics import accuracy_score

from gesturelab.cli.train_result import print_result
from gesturelab.config.composing import compose
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.errors import DeviceError, RunError, SplitError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.evaluation.windows import read_windows
from gesturelab.files import sha256
from gesturelab.models.network import build_network
from gesturelab.models.saved import read_recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import LEAKY, SYNTHETIC
from gesturelab.skeletons.skeleton import KINECT_V2
from trained import train_in

QUICK = ("data.people=8", "data.repetitions=1", "trainer=cpu", "model.hidden=16", "trainer.max_epochs=3")
QUICK = (*QUICK, "trainer.refit=false")


def composed(*overrides):
    return compose([*QUICK, *overrides])


def train_quickly(folder, *overrides):
    config = composed(*overrides)
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return train_quickly(tmp_path_factory.mktemp("runs") / "run")


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


def same_weights(one, other):
    ours, theirs = weights(one), weights(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_leaves_exactly_the_promised_files(finished):
    run, _ = finished
    assert sorted(path.name for path in run.path.iterdir()) == [
        ".lock",
        "checkpoints",
        "config.yaml",
        "confusion_tiny.png",
        "curves_tiny.png",
        "info_tiny.json",
        "metrics.csv",
        "model_tiny.pth",
        "predictions_tiny.csv",
        "scaler_tiny.json",
        "status.json",
        "windows_tiny.csv",
    ]
    assert run.curves.read_bytes().startswith(b"\x89PNG")
    assert run.confusion.read_bytes().startswith(b"\x89PNG")


def test_nobody_is_on_two_sides(finished):
    _, info = finished
    sides = [set(info["split"][side]["subjects"]) for side in ("train", "validation", "test")]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]
    assert sum(map(len, sides)) == info["data"]["subjects"] == 8


def test_predictions_hold_the_test_people_and_give_the_printed_accuracy(finished):
    run, info = finished
    with run.predictions.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["recording", "subject", "gesture", "correct", "predicted"]
    assert list(rows[0])[5:] == [f"p_{gesture}" for gesture in info["gestures"]]
    assert {row["subject"] for row in rows} == set(info["split"]["test"]["subjects"])
    assert len({row["recording"] for row in rows}) == len(rows) == info["metrics"]["test"]["recording"]["count"]
    accuracy = accuracy_score([row["gesture"] for row in rows], [row["predicted"] for row in rows])
    assert accuracy == pytest.approx(info["metrics"]["test"]["recording"]["accuracy"])
    for row in rows:
        chances = {gesture: float(row[f"p_{gesture}"]) for gesture in info["gestures"]}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
        assert max(chances, key=chances.get) == row["predicted"]


def test_the_windows_file_tells_how_each_answer_evolves_and_knows_nothing_of_the_future(finished):
    run, info = finished
    said = read_predictions(run.predictions)
    found = read_windows(run.windows, tuple(info["gestures"]), set(said.names))
    assert set(found) == set(said.names)
    config = read_config(run.config)
    dataset = load(config.data)
    saved = read_recogniser(run)
    for name in said.names[:3]:
        number = dataset.names.index(name)
        frames, rate = dataset[number].positions, dataset.rates_hz[number]
        series = found[name]
        assert series.ends[-1] == pytest.approx((len(frames) - 1) / rate, abs=0.006)
        for at in (0, len(series) - 1):
            known = int(series.ends[at] * rate + 0.2)  # the last frame that may be known
            times = series.starts[at] * rate + np.arange(saved.length_frames) * rate / config.window.rate_hz
            places = np.minimum(times, known)
            window = np.stack([
                [np.interp(places, np.arange(len(frames)), frames[:, joint, axis]) for axis in range(3)]
                for joint in range(frames.shape[1])
            ]).transpose(2, 0, 1)  # fmt: skip
            with torch.no_grad():
                answer = saved.recogniser.probabilities(torch.from_numpy(window[None]).float())[0].numpy()
            assert series.probabilities[at] == pytest.approx(answer, abs=0.01)


def test_the_info_file_says_what_it_must(finished):
    run, info = finished
    assert json.loads(run.info.read_text()) == info
    assert info["warnings"] == [SYNTHETIC]
    written = (run.weights, run.scaler, run.predictions, run.windows, run.curves, run.confusion, run.config)
    assert info["files"] == {path.name: sha256(path) for path in written}
    assert info["cost"]["flops_per_window"] > 1000
    assert info["cost"]["threads"] >= 1
    assert np.array(info["confusion"]).sum() == info["metrics"]["test"]["recording"]["count"]
    assert [epoch["epoch"] for epoch in info["training"]["history"]] == [0, 1, 2]
    best = min(info["training"]["history"], key=lambda epoch: epoch["validation_loss"])
    assert info["training"]["best_epoch"] == best["epoch"]
    assert info["metrics"]["validation"]["window"]["loss"] == pytest.approx(best["validation_loss"], rel=1e-4)
    assert info["model"]["parameters"] == sum(value.numel() for name, value in weights(run).items() if learned(name))


def learned(name):
    return not name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_weights_load_without_gesturelabs_classes_and_rebuild_the_classifier(finished):
    run, info = finished
    saved = torch.load(run.weights, weights_only=True)
    scaler = Scaler.load(run.scaler)
    assert saved["feature_names"] == list(scaler.names)
    assert saved["gestures"] == info["gestures"]
    config = read_config(run.config)
    features = Features(config.features, KINECT_V2)
    network = build_network(config.model, features, len(saved["gestures"]), config.window.length_frames)
    network.load_state_dict(saved["state_dict"])


def test_the_scaler_never_saw_validation_or_test_people(finished, tmp_path):
    run, info = finished
    only = [*info["split"]["train"]["subjects"], *info["split"]["validation"]["subjects"]]
    test = info["split"]["validation"]["subjects"]
    other, again = train_quickly(
        tmp_path / "run",
        f"data.subjects=[{','.join(only)}]",
        "split=named",
        f"split.test=[{','.join(test[:1])}]",
        f"split.validation=[{','.join(test[1:])}]",
        "trainer.max_epochs=1",
    )
    assert again["split"]["train"]["subjects"] == info["split"]["train"]["subjects"]
    assert other.scaler.read_bytes() == run.scaler.read_bytes()


def test_the_same_command_twice_gives_the_same_weights_and_another_seed_others(finished, tmp_path):
    run, info = finished
    twin, twin_info = train_quickly(tmp_path / "twin")
    assert same_weights(run, twin)
    assert twin_info["metrics"] == info["metrics"]
    other, _ = train_quickly(tmp_path / "other", "seed=1")
    assert not same_weights(run, other)


@pytest.mark.parametrize("callbacks", ["default", "none"])
def test_a_stopped_run_resumes_to_the_weights_of_an_undisturbed_one(tmp_path, monkeypatch, callbacks):
    from gesturelab.training.module import GestureModule

    real = GestureModule.on_train_epoch_start

    def stop_in_the_third_epoch(module):
        if module.current_epoch == 2:
            raise KeyboardInterrupt
        real(module)

    with monkeypatch.context() as patched:
        patched.setattr(GestureModule, "on_train_epoch_start", stop_in_the_third_epoch)
        with pytest.raises(
            RunError, match=r"stopped by Ctrl-C; the last whole epoch is in .*last.ckpt.*gesturelab resume"
        ):
            train_quickly(tmp_path / "run", f"callbacks={callbacks}")
    again, again_info = train_quickly(tmp_path / "run", f"callbacks={callbacks}")
    whole, whole_info = train_quickly(tmp_path / "whole", f"callbacks={callbacks}")
    assert same_weights(again, whole)
    assert again_info["metrics"] == whole_info["metrics"]
    assert [epoch["train_loss"] for epoch in again_info["training"]["history"]] == [
        epoch["train_loss"] for epoch in whole_info["training"]["history"]
    ]
    with (again.path / "metrics.csv").open(newline="") as ours, (whole.path / "metrics.csv").open(newline="") as theirs:
        assert list(csv.DictReader(ours)) == list(csv.DictReader(theirs))


def test_a_finished_run_is_never_overwritten(finished):
    run, _ = finished
    before = run.info.read_bytes()
    with pytest.raises(RunError, match="already holds a finished run"):
        train_quickly(run.path)
    assert run.info.read_bytes() == before


@pytest.mark.parametrize("split", ["random_window", "random_recording"])
def test_a_leaky_split_says_so_everywhere(tmp_path, caplog, split):
    with caplog.at_level(logging.INFO):
        _, info = train_quickly(tmp_path / "run", f"split={split}", "trainer.max_epochs=1")
    assert info["split"]["leaky"]
    assert LEAKY in info["warnings"]
    assert LEAKY in caplog.text


@pytest.mark.parametrize(
    "overrides",
    [
        ("optimizer=sgd", "scheduler=plateau", "trainer.refit=false", "features=bones", "logger=none", "augment=none"),
        ("optimizer=adam", "scheduler=constant", "features=raw", "logger=tensorboard", "callbacks=none"),
        ("model.bidirectional=true", "model.pooling=max", "window.span=whole", "loss.class_weights=true"),
        ("model.pooling=last", "features.face_sensor=true", "features.centre=frame", "features.scaler=false"),
        ("split=subject_kfold", "split.folds=3", "split.fold=2", "window.rate_hz=null", "window.short=drop"),
        ("split=loso", "split.fold=7", "trainer.precision=bf16", "trainer.gradient_clip_norm=null"),
        ("features=key", "augment.mirror_at_test=true", "callbacks=default", "model.pooling=max"),
    ],
)
def test_every_kind_of_option_trains(tmp_path, overrides):
    run, info = train_quickly(tmp_path / "run", *overrides, "trainer.max_epochs=1", "trainer.batches_per_epoch=2")
    assert all(path.exists() for path in run.artefacts)
    assert 0 <= info["metrics"]["test"]["recording"]["accuracy"] <= 1


def test_a_last_batch_of_one_window_trains(tmp_path):
    _, info = train_quickly(tmp_path / "one", "trainer.max_epochs=1", "window.span=whole")
    windows = info["split"]["train"]["windows"]
    run, _ = train_quickly(
        tmp_path / "rest", "trainer.max_epochs=1", "window.span=whole", f"trainer.batch_size={windows - 1}"
    )
    assert run.info.exists()


def test_early_stopping_stops(tmp_path):
    _, info = train_quickly(
        tmp_path / "run",
        "trainer.max_epochs=20",
        "callbacks=early_stopping",
        "callbacks.early_stopping.patience=1",
        "callbacks.early_stopping.min_delta=100",
    )
    assert info["training"]["epochs"] == 2  # no epoch can be better by 100, so the second one is one too many
    assert info["training"]["stopped_early"]


def test_a_missing_gpu_is_said_before_anything_is_written(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for trainer, message in (("gpu", "sees no GPU"), ("rocm", "is not a ROCm build")):
        with pytest.raises(DeviceError, match=message):
            train_quickly(tmp_path / "run", f"trainer={trainer}")
    assert not (tmp_path / "run").exists()


def test_too_few_people_leave_no_half_written_run(tmp_path):
    with pytest.raises(SplitError, match="people are left"):
        train_quickly(tmp_path / "run", "data.people=2")
    assert not RunDir(tmp_path / "run", "tiny").info.exists()


def unfinish(run):
    """Leaves what a run has that was killed after its last epoch, before anything was written."""
    for path in run.artefacts:
        path.unlink()


def test_another_configuration_never_goes_on_from_a_checkpoint(tmp_path):
    run, _ = train_quickly(tmp_path / "run", "trainer.max_epochs=1")
    before = run.config.read_bytes()
    unfinish(run)
    with pytest.raises(RunError, match=r"holds a run of another configuration(.|\n)*split.seed: 0 -> 1"):
        train_quickly(run.path, "trainer.max_epochs=1", "split.seed=1")
    with pytest.raises(RunError, match=r"model.name: tiny -> small"):
        train_quickly(run.path, "trainer.max_epochs=1", "model=small")
    assert run.config.read_bytes() == before


def test_other_people_on_the_sides_never_go_on_from_a_checkpoint(tmp_path):
    people = tmp_path / "people.json"
    people.write_text(json.dumps({"test": ["101"], "validation": ["102", "202"]}))
    split = ("split=named", f"split.file={people}", "trainer.max_epochs=1")
    run, _ = train_quickly(tmp_path / "run", *split)
    unfinish(run)
    people.write_text(json.dumps({"test": ["103"], "validation": ["102", "202"]}))
    with pytest.raises(RunError, match="other people in its subsets"):
        train_quickly(run.path, *split)


@pytest.fixture
def only_the_first_epoch_is_good(monkeypatch):
    """Validation says so, whatever the network learns: even chances at first, then all on the first gesture."""
    from gesturelab.training.module import GestureModule

    def judged(module, batch, _index):
        rows = torch.full((len(batch.classes), 9), 1 / 9 if module.current_epoch == 0 else 1e-6)
        rows[:, 0] = 1 - rows[:, 1:].sum(dim=1)
        module._validated.append((rows, batch))

    monkeypatch.setattr(GestureModule, "validation_step", judged)


@pytest.mark.usefixtures("only_the_first_epoch_is_good")
def test_the_last_checkpoint_is_the_last_epoch_also_when_nothing_gets_better(tmp_path):
    run, info = train_quickly(tmp_path / "run", "trainer.max_epochs=4", "trainer.keep=best", "trainer.refit=true")
    assert info["training"]["best_epoch"] == 0
    assert info["training"]["refit"]["epochs"] == 1, "as many as were kept"
    assert torch.load(run.checkpoints / "best.ckpt", weights_only=True)["epoch"] == 0
    assert torch.load(run.checkpoints / "last.ckpt", weights_only=True)["epoch"] == 3


@pytest.mark.usefixtures("only_the_first_epoch_is_good")
def test_a_folder_that_was_moved_remembers_its_best_epoch(tmp_path):
    run, _ = train_quickly(tmp_path / "here", "trainer.max_epochs=2", "trainer.keep=best")
    unfinish(run)
    moved = run.path.rename(tmp_path / "there")
    composed = (moved / "config.yaml").read_text().replace("max_epochs: 2", "max_epochs: 4")
    (moved / "config.yaml").write_text(composed)
    again, info = train_in(moved, read_config(moved / "config.yaml"), composed)
    assert info["training"]["epochs"] == 4
    assert info["training"]["best_epoch"] == 0
    assert torch.load(again.checkpoints / "best.ckpt", weights_only=True)["epoch"] == 0


def test_diverged_training_is_an_error_and_leaves_no_result(tmp_path):
    with pytest.raises(RunError, match=r"loss is not finite in epoch 1 .*lower optimizer.lr"):
        train_quickly(tmp_path / "run", "optimizer.lr=1e30", "trainer.gradient_clip_norm=null")
    assert not any(path.exists() for path in RunDir(tmp_path / "run", "tiny").artefacts)


def test_a_sample_of_training_recordings_changes_their_scores_and_no_byte_of_weights_and_predictions(
    finished, tmp_path, caplog
):
    run, info = finished
    config = composed("trainer.scored_training_recordings=10")
    with caplog.at_level(logging.INFO):
        twin, sampled = train_in(tmp_path / "twin", config, OmegaConf.to_yaml(OmegaConf.structured(config)))
        print_result(twin, sampled)
    for file, other in ((run.weights, twin.weights), (run.predictions, twin.predictions), (run.windows, twin.windows)):
        assert sha256(file) == sha256(other)
    assert sampled["training"]["scored_training_recordings"] == 10
    assert sampled["metrics"]["train"]["recording"]["count"] == 10
    assert all(sampled["metrics"][subset] == info["metrics"][subset] for subset in ("validation", "test"))
    assert f"(a sample: 10 of {info['split']['train']['recordings']} recordings)" in caplog.text
    assert "scored_training_recordings" not in info["training"]
    assert info["metrics"]["train"]["recording"]["count"] == info["split"]["train"]["recordings"]
