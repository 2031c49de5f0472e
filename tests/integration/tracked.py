"""What the tests of trackers share: quick runs, runs that are killed and resumed, and what a tracker must show."""

import json
import signal
from importlib.util import find_spec

import pytest
from command import Command, gesturelab
from omegaconf import OmegaConf

from gesturelab.config.composing import compose
from trained import train_in

QUICK = (
    *("data.people=8", "data.repetitions=1", "trainer=cpu", "model.hidden=16"),
    *("trainer.refit=false", "trainer.max_epochs=3"),
)
SLOW_EPOCHS = (
    *QUICK[:-1],
    "trainer.max_epochs=20",
    "trainer.batches_per_epoch=2",
    "callbacks=none",
    "trainer.threads=1",
)


def needs(package):
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def train_quickly(folder, *overrides):
    config = compose([*QUICK, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))


def history(info):
    """Values by name, then by epoch."""
    epochs = info["training"]["history"]
    names = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate")
    return {name: {epoch["epoch"]: epoch[name] for epoch in epochs} for name in names}


def kill_after(epochs, folder, *overrides):
    """Begins a training, and kills it with SIGKILL when its log has told of so many epochs."""
    with Command("train", *SLOW_EPOCHS, *overrides, folder=folder) as command:
        command.wait_for_line(f"epoch {epochs:3d} of")
        command.signal(signal.SIGKILL)
        assert command.wait() == -signal.SIGKILL, command.stdout + command.stderr


def killed_and_resumed(folder, *overrides):
    """The info file of a run that was killed after some epochs and resumed."""
    kill_after(5, folder, "hydra.run.dir=run", *overrides)
    done = gesturelab("resume", "run", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "resuming from" in done.stdout
    assert "fails" not in done.stdout
    return json.loads((folder / "run" / "info_tiny.json").read_text())


def assert_epochs(shown, info, *, approximately=1e-5):
    """Each value of each epoch is shown once, and is the info file's."""
    for name, values in history(info).items():
        assert [step for step, _ in shown[name]] == sorted(values), name
        assert [value for _, value in shown[name]] == pytest.approx(list(values.values()), rel=approximately), name
