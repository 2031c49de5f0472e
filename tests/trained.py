"""A run that learned a little from made-up people in seconds, for tests of what comes after training."""

import pytest

from gesturelab.config.composing import compose
from gesturelab.config.saved import as_yaml
from gesturelab.runs.folder import RunDir
from gesturelab.training.train import train

SMALL = ("trainer=cpu", "trainer.max_epochs=1", "trainer.refit=false")
MADE_UP = ("data.people=6", "data.repetitions=1", "model.hidden=8")


def train_in(folder, config, composed):
    """A run and its info file."""
    result = train(config, folder, config_text=composed)
    return result.run, result.info


def train_small(folder, *overrides: str) -> RunDir:
    config = compose([*SMALL, *overrides])
    return train_in(folder, config, as_yaml(config))[0]


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> RunDir:
    """Sliding windows; the mirror image has a say. Not to be changed: copy it."""
    return train_small(
        tmp_path_factory.mktemp("trained") / "run", *MADE_UP, "window=sliding", "augment.mirror_at_test=true"
    )
