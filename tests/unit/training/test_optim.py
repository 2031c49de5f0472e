import pytest
import torch
from torch import nn

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.training.optimizers import cosine_share, make_optimizer, refuse_clipped_scaled


def options(*overrides):
    return dict(vars(compose(overrides).optimizer))


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_an_optimizer_gets_the_values_of_its_option(name, kind):
    made = make_optimizer(
        nn.Linear(2, 2), options(f"optimizer={name}", "optimizer.lr=0.125", "optimizer.weight_decay=0.5")
    )
    assert type(made) is kind
    assert made.defaults["lr"] == 0.125
    assert made.defaults["weight_decay"] == 0.5


def test_an_optimizer_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match=r"torch\.optim\.Adamm"):
        make_optimizer(nn.Linear(2, 2), {"_target_": "torch.optim.Adamm", "lr": 0.1})


def test_cosine_rises_then_falls_to_its_last_value():
    schedule = compose(["scheduler=cosine"]).scheduler
    shares = [cosine_share(step, 200, schedule.warmup_fraction, schedule.final_fraction) for step in range(201)]
    assert shares[:20] == sorted(shares[:20])
    assert shares[19] == pytest.approx(1)
    assert shares[20:] == sorted(shares[20:], reverse=True)
    assert shares[-1] == pytest.approx(schedule.final_fraction)
    assert all(0 < share <= 1 for share in shares)


def test_gradients_that_are_still_scaled_are_never_clipped():
    """A fused optimizer undoes the scale of float16 in its step, after clipping."""
    fused = make_optimizer(nn.Linear(2, 2), {**options("optimizer=adamw"), "fused": True})
    plain = make_optimizer(nn.Linear(2, 2), options("optimizer=adamw"))
    refuse_clipped_scaled(plain, 1.0)
    refuse_clipped_scaled(fused, None)
    with pytest.raises(ConfigError, match=r"optimizer\.fused with trainer\.precision=float16"):
        refuse_clipped_scaled(fused, 1.0)
