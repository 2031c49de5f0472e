"""A run that learned a little from made-up people in seconds, for tests of what comes after training."""

import pytest
from omegaconf import OmegaConf

from gesturelab.cli.train import train_in
from gesturelab.config.compose import compose_training
from gesturelab.runs import RunDir

SMALL = ("data.people=6", "data.repetitions=1", "trainer=cpu", "model.hidden=8", "trainer.max_epochs=1")


def train_small(folder, *overrides: str) -> RunDir:
    config = compose_training([*SMALL, *overrides])
    return train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))[0]


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory) -> RunDir:
    """Sliding windows; the mirror image has a say. Not to be changed: copy it."""
    return train_small(tmp_path_factory.mktemp("trained") / "run", "augment.mirror_at_test=true")
