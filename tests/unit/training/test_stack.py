"""Models trained together are the models that separate trainings would have made, down to the files.

Tolerances: a product of matrices sums in another order than torch's LSTM does, which float32 shows in the seventh
digit; some steps of SGD leave that below 1e-5. Adam divides each gradient by its own size. So weights whose gradient is
zero but for rounding (a shift before a batch normalisation or a softmax takes back) wander by up to a learning rate a
step, in separate trainings as well; all others agree as with SGD.
"""

import csv
import json
import signal

import pytest
import torch
from omegaconf import OmegaConf

import gesturelab.training.train as training_module
from gesturelab.cli.train import train_in
from gesturelab.config.compose import compose
from gesturelab.errors import PreemptedError, RunError
from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import read_status
from gesturelab.training.stack.steps import EpochSteps
from gesturelab.training.stack.together import Stack

QUICK = ("data.people=7", "data.repetitions=1", "trainer=cpu", "model.hidden=16", "split=loso", "trainer.batch_size=20")
FOLDS = ("split.fold=0", "split.fold=3", "split.fold=5")
ROUNDING = ("attention.bias", "head.0.bias", "head.1.running_mean")
DEFAULT = ("trainer.max_epochs=3",)
OTHERWISE = (
    *("trainer.max_epochs=4", "optimizer=sgd", "scheduler=plateau", "scheduler.patience=0", "callbacks=averaged"),
    *("callbacks.early_stopping.patience=2", "callbacks.early_stopping.min_delta=1.0", "loss.class_weights=true"),
    *(
        "features=movement",
        "model.bidirectional=true",
        "model.pooling=last",
        "trainer.gradient_clip_norm=null",
        "augment.joint_dropout=0.1",
    ),
)


@pytest.fixture(autouse=True)
def _without_pictures(monkeypatch):
    """They take most of the time of so short a training."""
    for name in ("draw_curves", "draw_confusion"):
        monkeypatch.setattr(training_module, name, lambda _info, path: path.write_bytes(b"picture"))


def composed(*overrides):
    config = compose([*QUICK, *overrides])
    return config, OmegaConf.to_yaml(OmegaConf.structured(config))


def separately(folder, *overrides):
    config, text = composed(*overrides)
    return train_in(folder, config, text)[0]


def together(root, jobs, stack=None):
    """Trains folders with these overrides.

    Returns:
        Runs by name, and what was raised by name.
    """
    raised = {}

    def training(name, overrides):
        config, text = composed(*overrides)

        def train(seat):
            try:
                train_in(root / name, config, text, seat)
            except Exception as error:
                raised[name] = error

        return train

    (stack or Stack()).run([training(name, overrides) for name, overrides in jobs.items()])
    return {name: RunDir(root / name, "tiny") for name in jobs}, raised


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


def assert_same(one, other, *, but=(), atol=1e-5):
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - set(but):
        torch.testing.assert_close(
            ours[name], theirs[name], rtol=1e-4, atol=atol, msg=lambda text, n=name: f"{n}: {text}"
        )


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    """Three folds with all defaults: together, and each alone."""
    root = tmp_path_factory.mktemp("default")
    with pytest.MonkeyPatch.context() as patch:
        _without_pictures.__wrapped__(patch)
        runs, raised = together(root / "together", {fold: (*DEFAULT, fold) for fold in FOLDS})
        assert not raised
        return {fold: (runs[fold], separately(root / "alone" / fold, *DEFAULT, fold)) for fold in FOLDS}


@pytest.mark.parametrize("fold", FOLDS)
def test_each_stacked_model_is_the_separate_one(default, fold):
    stacked, alone = default[fold]
    assert_same(stacked, alone, but=ROUNDING)
    ours, theirs = (run.read_info() for run in (stacked, alone))
    window = 1 / ours["metrics"]["validation"]["window"]["count"]  # whose two best gestures are level can go either way
    for epoch, expected in zip(ours["training"]["history"], theirs["training"]["history"], strict=True):
        for key, value in expected.items():
            slack = 1.01 * window if key.endswith("accuracy") else 0.0
            assert epoch[key] == pytest.approx(value, rel=2e-3, abs=slack), key


def test_a_stacked_run_leaves_the_files_of_a_separate_one(default):
    stacked, alone = default[FOLDS[1]]
    names = [sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*")) for run in (stacked, alone)]
    assert names[0] == names[1]
    assert stacked.scaler.read_bytes() == alone.scaler.read_bytes()
    assert stacked.config.read_bytes() == alone.config.read_bytes()
    for table in (lambda run: run.predictions, lambda run: run.path / "metrics.csv"):
        ours, theirs = rows(table(stacked)), rows(table(alone))
        assert [list(row) for row in ours] == [list(row) for row in theirs]
    keys = [sorted(read_status(run.path)) for run in (stacked, alone)]
    assert keys[0] == keys[1]
    ours, theirs = (run.read_info() for run in (stacked, alone))
    for part in ("data", "split", "model", "window", "features", "versions", "warnings"):
        assert ours[part] == theirs[part]
    checkpoints = [torch.load(run.checkpoints / "last.ckpt", weights_only=True) for run in (stacked, alone)]
    assert checkpoints[0]["global_step"] == checkpoints[1]["global_step"] > 0
    assert checkpoints[0]["loops"] == checkpoints[1]["loops"]
    assert checkpoints[0]["lr_schedulers"] == checkpoints[1]["lr_schedulers"]


def test_other_optimizers_schedules_averages_and_early_stops_too(tmp_path):
    jobs = {fold: (*OTHERWISE, fold) for fold in FOLDS[:2]}
    runs, raised = together(tmp_path / "together", jobs)
    assert not raised
    for fold, overrides in jobs.items():
        alone = separately(tmp_path / "alone" / fold, *overrides)
        assert_same(runs[fold], alone)
        ours, theirs = (run.read_info()["training"]["history"] for run in (runs[fold], alone))
        assert len(ours) == len(theirs)
        for epoch, expected in zip(ours, theirs, strict=True):
            assert epoch == pytest.approx(expected, rel=1e-4)
    assert {len(run.read_info()["training"]["history"]) for run in runs.values()} != {4}, "one stopped early"


def test_mixed_precision_comes_as_near_as_it_can(tmp_path):
    """bf16 keeps three digits, and what is rounded when differs."""
    overrides = ("trainer.max_epochs=1", "trainer.precision=bf16", "split.fold=0")
    runs, raised = together(tmp_path / "together", {"one": overrides, "two": (*overrides, "seed=1")})
    assert not raised
    ours, theirs = (run.read_info() for run in (runs["one"], separately(tmp_path / "alone", *overrides)))
    assert ours["training"]["precision"] == theirs["training"]["precision"] == "bf16-mixed"
    epoch, expected = (info["training"]["history"][0] for info in (ours, theirs))
    assert epoch["train_loss"] == pytest.approx(expected["train_loss"], rel=0.01)
    assert epoch["validation_loss"] == pytest.approx(expected["validation_loss"], rel=0.01)


def test_a_model_that_diverges_takes_no_other_with_it(tmp_path, default, monkeypatch):
    make = training_module.make_module

    def spoilt(config, data, scaler):
        module = make(config, data, scaler)
        if config.split.fold == 5:
            torch.nn.init.constant_(next(module.recogniser.classifier.parameters()), float("nan"))
        return module

    monkeypatch.setattr(training_module, "make_module", spoilt)
    runs, raised = together(tmp_path, {fold: (*DEFAULT, fold) for fold in FOLDS})
    assert list(raised) == ["split.fold=5"]
    assert isinstance(raised["split.fold=5"], RunError)
    status = read_status(runs["split.fold=5"].path)
    assert (status["state"], status["reason"][:22]) == ("failed", "the loss is not finite")
    assert_same(runs[FOLDS[0]], default[FOLDS[0]][1], but=ROUNDING)


def test_stopped_models_go_on_alone_or_together_and_end_as_if_undisturbed(tmp_path, default, monkeypatch):
    stack = Stack()
    fit = training_module.GestureModule.on_train_epoch_end

    def stop_after_the_first(module):
        fit(module)
        stack.stop(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(training_module.GestureModule, "on_train_epoch_end", stop_after_the_first)
        jobs = {fold: (*DEFAULT, fold) for fold in FOLDS}
        runs, raised = together(tmp_path, jobs, stack)
    assert [str(error)[:15] for error in raised.values()] == ["left on SIGTERM"] * 3
    assert all(isinstance(error, PreemptedError) for error in raised.values())
    assert [read_status(run.path)["state"] for run in runs.values()] == ["stopped"] * 3
    assert [json.loads(run.status.read_text())["epoch"] for run in runs.values()] == [1, 1, 1]
    last, *others = FOLDS
    separately(tmp_path / last, *jobs[last])
    _, raised = together(tmp_path, {fold: jobs[fold] for fold in others})
    assert not raised
    for fold in FOLDS:
        assert read_status(tmp_path / fold)["first_epoch"] == 1
        assert_same(runs[fold], default[fold][0], but=ROUNDING)


def test_a_stack_that_does_not_fit_into_memory_names_the_key(tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(EpochSteps, "_step", full)
    _, raised = together(tmp_path, {"one": ("split.fold=0",), "two": ("split.fold=1",)})
    said = r"out of memory with 2 models at once .*launcher.models_at_once"
    assert list(raised) == ["one", "two"]
    for error in raised.values():
        with pytest.raises(RunError, match=said):
            raise error
