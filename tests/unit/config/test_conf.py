"""Everything under conf/ composes into typed configuration, and every schema is used and explained."""

import dataclasses
import re
from dataclasses import fields, is_dataclass

import pytest
from write_reference import default_options, meaning

from gesturelab.config.composing import compose, options
from gesturelab.config.data import SyntheticConfig
from gesturelab.config.store import SCHEMAS, conf_dir
from gesturelab.config.training import TrainConfig
from gesturelab.errors import ConfigError

GROUPS = sorted(folder.name for folder in conf_dir().iterdir() if folder.is_dir() and folder.name != "hydra")
OPTIONS = [f"{group}={option}" for group in GROUPS for option in options(group)]


def test_every_folder_of_conf_is_a_group_of_the_root():
    assert sorted(default_options()) == GROUPS


@pytest.mark.parametrize("override", OPTIONS)
def test_option_becomes_typed_configuration(override):
    group = override.split("=")[0]
    config = compose([override, *(["trainer.refit=false"] if override == "scheduler=plateau" else [])])
    assert type(config) is TrainConfig
    if group not in ("callbacks", "logger", "experiment"):
        assert is_dataclass(getattr(config, group)), "an option begins with its schema"


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_used_by_a_file_of_conf(name):
    used = re.compile(rf"^ *- /schema/{name}@", re.MULTILINE)
    assert any(used.search(path.read_text(encoding="utf-8")) for path in conf_dir().rglob("*.yaml"))


@pytest.mark.parametrize("schema", [TrainConfig, *SCHEMAS.values()], ids=lambda schema: schema.__name__)
def test_every_key_is_explained_and_has_a_default(schema):
    for each in fields(schema):
        assert meaning(schema, each.name).endswith(".")
        assert each.default is not dataclasses.MISSING or each.default_factory is not dataclasses.MISSING


def test_an_object_built_by_hand_is_the_one_that_is_composed():
    by_hand = TrainConfig(data=SyntheticConfig(people=4))
    assert by_hand == compose(["data.people=4"])


def test_a_schedule_that_follows_the_validation_loss_is_refused_where_a_refit_has_none():
    with pytest.raises(ConfigError, match=r"trainer\.refit=true: the refit has no validation loss.*scheduler=cosine"):
        compose(["scheduler=plateau"])


def test_missing_mandatory_value_is_an_error_and_names_its_key(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: torch.nn.Linear\nwidth: ???\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.width"):
        compose(["model=mine"], config_dir=tmp_path)


# epochs, batch, learning rate, frames in a window, optimizer, weight decay, share of windows for test
ORIGINAL = {
    "tiny": (10, 8, 1e-3, 15, "torch.optim.Adam", 1e-4, 0.2),
    "small": (120, 16, 5e-4, 15, "torch.optim.Adam", 1e-4, 0.2),
    "medium": (150, 16, 3e-4, 20, "torch.optim.Adam", 1e-4, 0.2),
    "large": (150, 8, 1e-4, 20, "torch.optim.AdamW", 1e-2, 0.15),
}


@pytest.mark.parametrize("size", ORIGINAL)
def test_experiment_has_the_settings_of_the_original_script(size):
    config = compose([f"experiment=original_{size}"])
    optimizer = config.optimizer
    assert ORIGINAL[size] == (
        config.trainer.max_epochs,
        config.trainer.batch_size,
        optimizer.lr,
        config.window.length_frames,
        optimizer._target_,
        optimizer.weight_decay,
        config.split.test_fraction,
    )
    assert (config.model.name, config.split.kind, config.split.leaky) == (size, "random_window", True)
    assert (config.seed, config.split.seed) == (42, 42)


def test_experiment_can_still_be_changed_from_the_command_line():
    assert compose(["experiment=original_tiny", "trainer.max_epochs=1"]).trainer.max_epochs == 1
