"""Jobs composed the fast way are what Hydra composes."""

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf

from gesturelab.config.store import conf_dir, register
from gesturelab.sweeps.compose import UNUSED, JobComposer


@pytest.fixture(scope="module")
def hydra():
    register()
    GlobalHydra.instance().clear()
    yield Hydra.create_main_hydra2("train", create_config_search_path(str(conf_dir())))
    GlobalHydra.instance().clear()


def composer(hydra, *arguments, fixed=()):
    master = hydra.compose_config(
        "train", list(arguments), RunMode.MULTIRUN, with_log_configuration=False, validate_sweep_overrides=False
    )
    return master, JobComposer(hydra.config_loader, master, fixed)


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=3"],
        ["model=small", "model.hidden=64", "seed=1"],
        ["seed=1", "optimizer=sgd", "optimizer.nesterov=true"],
        ["split=subject_kfold", "split.fold=3"],
        ["notes='a, b = c'", "tags=[x,y]"],
        ["experiment=original_tiny", "trainer.max_epochs=2"],
        ["~callbacks.weight_averaging", "seed=2"],
        ["+callbacks.mine={_target_: x}", "callbacks.mine._target_=y"],
        ["logger=none", "name=other", "data.people=7"],
        ["trainer.threads=null"],
    ],
)
def test_a_job_is_what_hydra_composes(hydra, overrides):
    fixed = [overrides[0].split("=")[0].lstrip("+~")]
    master, compose = composer(hydra, fixed=fixed)
    ours = compose(overrides)
    theirs = hydra.config_loader.load_sweep_config(master, [*compose.naming, *overrides])
    expected = OmegaConf.to_container(theirs)
    for key in UNUSED:
        del expected["hydra"][key]
    assert OmegaConf.to_container(ours) == expected
    assert ours.hydra.sweep.subdir == theirs.hydra.sweep.subdir


def test_jobs_do_not_change_each_other(hydra):
    _, compose = composer(hydra)
    first = compose(["seed=1", "model.hidden=8"])
    second = compose(["seed=2"])
    assert (first.seed, first.model.hidden) == (1, 8)
    assert (second.seed, second.model.hidden) != (1, 8)
    assert second.model.hidden != 8


def test_a_misspelt_key_is_refused(hydra):
    _, compose = composer(hydra)
    with pytest.raises(HydraException, match="sed"):
        compose(["sed=1"])
