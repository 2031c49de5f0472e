"""The search space in Hydra's override syntax, and the options of a search."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf

from gesturelab.config.store import conf_dir, register
from gesturelab.errors import ConfigError
from gesturelab.sweeps.search.request import Choices, Numbers, as_override, read_parameter, read_replicates

CONFIG = OmegaConf.create(
    {"model": {"hidden": 8, "dropout": 0.1, "bidirectional": False, "name": "tiny"}, "optimizer": {"lr": 1e-3}}
)


def parse(line):
    return OverridesParser.create().parse_override(line)


def read(line):
    return read_parameter(parse(line), CONFIG)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("model.dropout=interval(0.1,0.5)", Numbers("model.dropout", 0.1, 0.5)),
        ("optimizer.lr=tag(log,interval(1e-4,1e-2))", Numbers("optimizer.lr", 1e-4, 1e-2, log=True)),
        ("model.hidden=interval(8,64)", Numbers("model.hidden", 8, 64, whole=True)),
        ("new.key=int(interval(1,4))", Numbers("new.key", 1, 4, whole=True)),
        ("model.hidden=tag(log,int(interval(8,64)))", Numbers("model.hidden", 8, 64, whole=True, log=True)),
        ("model.hidden=range(8,20,4)", Numbers("model.hidden", 8, 16, whole=True, step=4)),
        ("model.layers=range(1,4)", Numbers("model.layers", 1, 3, whole=True)),
        ("model=tiny,small", Choices("model", ("tiny", "small"))),
        ("model=choice(tiny,small,tiny)", Choices("model", ("tiny", "small"))),
        ("notes=choice('a b',1,true)", Choices("notes", ("a\\ b", "1", "True"))),
    ],
)
def test_what_an_override_says(line, expected):
    assert read(line) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("model.hidden=interval(0.5,3)", "model.hidden takes whole numbers"),
        ("model.dropout=interval(0.5,0.5)", "the first number must be below the second"),
        ("model.dropout=tag(log,interval(0,1))", "must begin above 0"),
        ("model.dropout=tag(lgo,interval(0.1,1))", r"tag\(lgo\) is not known; the only tag is log"),
        ("model=tag(log,choice(tiny,small))", "no meaning for a choice"),
        ("model.dropout=range(0.1,0.5,0.1)", "range is for whole numbers"),
        ("model.hidden=range(5,1,-1)", "must count up"),
        ("model.hidden=range(5,6)", "must count up, over two numbers or more"),
        ("model.hidden=tag(log,range(8,64,8))", "must begin above 0 and count by 1"),
        ("model=interval(1,2)", "model: an interval is for numbers"),
        ("model.name=interval(1,2)", "model.name: an interval is for numbers"),
        ("model.bidirectional=interval(0,1)", "an interval is for numbers"),
    ],
)
def test_what_cannot_be_searched_is_refused(line, message):
    with pytest.raises(ConfigError, match=message):
        read(line)


@pytest.mark.parametrize("value", [1e-5, 0.1 + 0.2, 1e22, 3, 5e-324])
def test_a_number_comes_back_from_an_override_exactly(value):
    assert parse(as_override("optimizer.lr", value)).value() == value


def test_replicates_are_all_combinations():
    assert read_replicates([parse("split.fold=range(2)"), parse("seed=5,6")]) == [
        ("split.fold=0", "seed=5"),
        ("split.fold=0", "seed=6"),
        ("split.fold=1", "seed=5"),
        ("split.fold=1", "seed=6"),
    ]
    assert read_replicates([]) == [()]
    for line in ("seed=3", "seed=interval(0,3)"):
        with pytest.raises(ConfigError, match=r"average_over: seed=.*: give several values"):
            read_replicates([parse(line)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_trial": 3}, "n_trial"),
        ({"n_trials": 0}, "hydra.sweeper.n_trials=0: must be at least 1"),
        ({"n_trials": "many"}, "Value 'many'"),
        ({"objective": "test_accuracy"}, "must be one of validation_loss, validation_accuracy"),
        ({"sampler": "grid"}, "hydra.sweeper.sampler=grid: must be one of tpe, random"),
        ({"pruner": "mean"}, "must be one of median, hyperband, none"),
        ({"storage": "mysql://x"}, "must be sqlite:///FILE or null"),
    ],
)
def test_wrong_options_are_named(options, message):
    register()
    GlobalHydra.instance().clear()
    overrides = ["hydra/sweeper=optuna", *(f"hydra.sweeper.{key}={value}" for key, value in options.items())]
    with (
        pytest.raises((ConfigError, HydraException)) as refused,
        initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())),
    ):
        OmegaConf.to_object(compose("train", overrides=overrides, return_hydra_config=True).hydra.sweeper)
    assert message in f"{refused.value} {refused.value.__cause__}"
