"""Files and configurations from elsewhere may carry code; none of our loaders runs it, and the error names the file."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.errors import ConfigError, RunError
from gesturelab.models.saved import read_recogniser
from gesturelab.training.build import make_callback
from gesturelab.training.optimizers import make_optimizer
from gesturelab.training.trackers.guard import check_loggers
from trained import train_in

CONFIG = compose(
    [
        "data.people=6",
        "data.repetitions=1",
        "trainer=cpu",
        "model.hidden=8",
        "trainer.max_epochs=1",
        "trainer.keep=best",
    ]
)


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def train(folder):
    return train_in(folder, CONFIG, OmegaConf.to_yaml(OmegaConf.structured(CONFIG)))[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def copy(run, tmp_path):
    """The run again, to be spoilt, its info file gone: as if it had been stopped before its end."""
    folder = tmp_path / "copy"
    shutil.copytree(run.path, folder)
    (folder / run.info.name).unlink()
    return type(run)(folder, run.size)


@pytest.fixture
def spoil(tmp_path):
    """Puts code into a file that torch wrote; gives the file that shows whether it ran."""
    witness = tmp_path / "it-ran"

    def put(path):
        saved = torch.load(path, weights_only=True)
        torch.save(saved | {"more": Payload(witness)}, path)
        return witness

    return put


def test_the_payload_is_alive(copy, spoil):
    """Without protection it runs: otherwise the tests below would prove nothing."""
    witness = spoil(copy.weights)
    torch.load(copy.weights, weights_only=False)
    assert witness.exists()


def test_weights_that_carry_code_do_not_run(copy, spoil):
    witness = spoil(copy.weights)
    with pytest.raises(RunError) as refusal:
        read_recogniser(copy)
    assert str(copy.weights) in str(refusal.value)
    assert not witness.exists()


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_checkpoints_that_carry_code_do_not_run_when_a_run_goes_on(name, copy, spoil):
    witness = spoil(copy.checkpoints / name)
    with pytest.raises(RunError) as refusal:
        train(copy.path)
    assert str(copy.checkpoints / name) in str(refusal.value)
    assert "carries code" in str(refusal.value)
    assert not witness.exists()


def test_cached_recordings_that_carry_code_do_not_run(tmp_path, caplog):
    config = compose(["data.people=2", "data.repetitions=1", f"data.cache_dir={tmp_path / 'cache'}"]).data
    right = load(config)
    (positions,) = (tmp_path / "cache").glob("*/positions.npy")
    witness = tmp_path / "it-ran"
    np.save(positions, np.array([Payload(witness)], dtype=object), allow_pickle=True)
    again = load(config)
    assert again.fingerprint == right.fingerprint
    assert not witness.exists()
    assert str(positions.parent) in caplog.text


@pytest.mark.parametrize("target", ["subprocess.Popen", "pathlib.Path", "torch.nn.Linear"])
def test_a_configuration_starts_only_what_trains(target):
    with pytest.raises(ConfigError, match=f"{target}: must be a subclass of"):
        make_callback("mine", {"_target_": target, "args": "true"})
    with pytest.raises(ConfigError, match=f"{target}: must be a subclass of"):
        make_optimizer(nn.Linear(2, 2), {"_target_": target})
    config = compose([f"+logger.mine._target_={target}"])
    with pytest.raises(ConfigError, match=f"{target}: is no logger"):
        check_loggers(config)
