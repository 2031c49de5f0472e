"""Arguments of Lightning's trainer go through where they break no promise; what is called otherwise here is named."""

import inspect

import pytest
from lightning.pytorch import Trainer

from gesturelab.config.composing import compose
from gesturelab.config.saved import as_yaml, differences
from gesturelab.config.training import REFUSED_OPTIONS, TRAINER_SYNONYMS, TrainerConfig
from gesturelab.config.typed import typed_config
from gesturelab.errors import ConfigError


def test_an_argument_goes_through():
    options = compose(["+trainer.options.accumulate_grad_batches=2", "+trainer.options.detect_anomaly=true"])
    assert options.trainer.options == {"accumulate_grad_batches": 2, "detect_anomaly": True}


def test_every_argument_of_lightnings_trainer_is_ours_refused_or_goes_through_by_decision():
    """A new one of a new version of Lightning must be decided on."""
    arguments = set(inspect.signature(Trainer.__init__).parameters) - {"self"}
    refused = {name for names in REFUSED_OPTIONS.values() for name in names}
    ours = set(vars(TrainerConfig())) | set(TRAINER_SYNONYMS)
    through = {
        *("accumulate_grad_batches", "detect_anomaly", "profiler", "sync_batchnorm", "plugins", "model_registry"),
        *("enable_model_summary", "gradient_clip_algorithm", "enable_autolog_hparams"),
    }
    assert refused <= arguments
    assert arguments - refused - ours - through == set()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("val_check_interval", "one validation of all validation people after each epoch"),
        ("overfit_batches", "validates on training people"),
        ("max_epochs", "use trainer.max_epochs"),
        ("strategy", "use trainer=ddp"),
        ("gradient_clip_val", "use trainer.gradient_clip_norm"),
    ],
)
def test_what_would_break_a_promise_or_has_a_key_is_refused_by_name(name, sentence):
    with pytest.raises(ConfigError, match=rf"trainer\.options\.{name}: .*{sentence}"):
        TrainerConfig(options={name: 1})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"trainer": {"fast_dev_run": True}}, "trainer.fast_dev_run: there is no such key; use trainer=debug"),
        ({"trainer": {"accelerator": "gpu"}}, "use trainer.device"),
        ({"max_epochs": 3}, "max_epochs: there is no such key; use trainer.max_epochs"),
        ({"lr": 0.1}, "use optimizer.lr"),
    ],
)
def test_a_key_of_lightnings_is_answered_with_ours(values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        typed_config(values)


def test_a_run_without_cudnn_is_another_run_and_one_from_before_the_key_is_not():
    with_it, without = as_yaml(compose([])), as_yaml(compose(["trainer.cudnn=false"]))
    before = with_it.replace("  cudnn: true\n", "")
    assert before != with_it
    assert differences(before, with_it) == []
    assert [str(each) for each in differences(before, without)] == ["trainer.cudnn: True -> False"]
    with pytest.raises(ConfigError, match=r"trainer\.cudnn"):
        compose(["+trainer.options.miopen=false"])


def test_a_run_from_before_there_were_samples_is_no_other_run():
    text = as_yaml(compose([]))
    before = "".join(line for line in text.splitlines(keepends=True) if "scored_training_recordings" not in line)
    assert before != text
    assert differences(before, text) == []
    assert [each.key for each in differences(before, as_yaml(compose(["trainer.scored_training_recordings=9"])))] == [
        "trainer.scored_training_recordings"
    ]
