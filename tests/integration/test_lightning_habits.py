"""What users of Lightning do by habit works: budgets in steps, arguments of its trainer, its own callbacks."""

import pytest
import torch
from omegaconf import OmegaConf

from gesturelab.config.composing import compose
from gesturelab.runs.status import read_status
from trained import train_in

QUICK = ("data.repetitions=1", "trainer=cpu", "model.hidden=8", "callbacks=none", "trainer.batch_size=8")


def quick(folder, *overrides):
    config = compose([*QUICK, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


def steps_of(run):
    return torch.load(run.checkpoints / "last.ckpt", weights_only=True)["global_step"]


def weights_of(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


@pytest.mark.parametrize("people", [5, 8])
def test_a_budget_of_steps_is_the_same_for_datasets_of_any_size(tmp_path, people):
    """The last epoch is finished."""
    run, info = quick(tmp_path / "run", f"data.people={people}", "trainer.max_steps=30", "trainer.keep=last")
    epochs = info["training"]["epochs"]
    assert info["training"]["max_epochs"] == epochs > 1
    assert 30 <= steps_of(run) < 30 + steps_of(run) / epochs
    assert read_status(run.path)["max_epochs"] == epochs


def test_an_epoch_of_few_windows_goes_over_them_until_there_are_ten_steps(tmp_path):
    overrides = ("data.people=5", "trainer.max_steps=40", "trainer.batch_size=256")
    run, info = quick(tmp_path / "run", *overrides)
    assert (steps_of(run), info["training"]["epochs"]) == (40, 4)


def test_an_epoch_longer_than_the_budget_is_cut(tmp_path):
    run, info = quick(tmp_path / "run", "data.people=5", "trainer.max_steps=2")
    assert (steps_of(run), info["training"]["epochs"]) == (2, 1)


def test_a_profile_is_a_file_of_the_run(tmp_path):
    quick(tmp_path / "run", "data.people=5", "trainer.max_epochs=1", "+trainer.options.profiler=simple")
    assert "run_training_epoch" in (tmp_path / "run" / "fit-profile.txt").read_text()


@pytest.mark.parametrize("bar", ["RichProgressBar", "TQDMProgressBar"])
def test_a_users_progress_bar_takes_the_place_of_ours(tmp_path, bar):
    mine = f"+callbacks.bar._target_=lightning.pytorch.callbacks.{bar}"
    run, _ = quick(tmp_path / "run", "data.people=5", "trainer.max_epochs=1", mine)
    assert run.complete


@pytest.mark.parametrize(
    "callback",
    [
        "{_target_: lightning.pytorch.callbacks.StochasticWeightAveraging, swa_lrs: 0.001, swa_epoch_start: 1}",
        "{_target_: lightning.pytorch.callbacks.EMAWeightAveraging, decay: 0.9}",
    ],
)
def test_weights_are_averaged_by_lightnings_own_callbacks(tmp_path, callback):
    options = ("data.people=5", "trainer.max_epochs=3", "trainer.keep=last", "scheduler=constant")
    plain, _ = quick(tmp_path / "plain", *options)
    averaged, _ = quick(tmp_path / "averaged", *options, f"+callbacks.averaging={callback}")
    assert any(not torch.equal(old, weights_of(averaged)[name]) for name, old in weights_of(plain).items())
