"""The moving average of weights, against numbers worked out by hand."""

from unittest.mock import Mock

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn

from gesturelab.training.averaging import WeightAveraging

TRAINER = Mock(spec=Trainer)


class Tiny(LightningModule):
    """One weight, a running mean and a count."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("count", torch.tensor(0))

    def values(self):
        return self.weight.item(), self.mean.item(), self.count.item()

    def take(self, weight):
        with torch.no_grad():
            self.weight.fill_(weight)
            self.mean.fill_(-weight)
            self.count += 1


def train(averaging, module, *weights):
    for weight in weights:
        module.take(weight)
        averaging.on_train_batch_end(TRAINER, module, None, None, 0)


def validated(averaging, module):
    """What a validation sees; afterwards the module has its own weights again."""
    before = module.values()
    averaging.on_validation_epoch_start(TRAINER, module)
    seen = module.values()
    averaging.on_validation_epoch_end(TRAINER, module)
    assert module.values() == before
    return seen


@pytest.fixture
def begun():
    module, averaging = Tiny(), WeightAveraging(0.98)
    averaging.on_train_start(TRAINER, module)
    return module, averaging


def test_the_first_three_steps_by_hand(begun):
    module, averaging = begun
    assert validated(averaging, module) == (0, 0, 0)
    train(averaging, module, 11)  # 2/11 of 0 and 9/11 of 11
    assert validated(averaging, module) == pytest.approx((9, -9, 1))
    train(averaging, module, 21)  # 3/12 of 9 and 9/12 of 21
    assert validated(averaging, module) == pytest.approx((18, -18, 2))
    train(averaging, module, 31)  # 4/13 of 18 and 9/13 of 31
    assert validated(averaging, module) == pytest.approx((27, -27, 3))


def test_later_the_average_keeps_the_share_that_was_asked_for():
    module, averaging = Tiny(), WeightAveraging(0.2)
    averaging.on_train_start(TRAINER, module)
    train(averaging, module, 11, 34)  # 2/11 is less than 0.2, 3/12 is more: 0.2 of 9 and 0.8 of 34
    assert validated(averaging, module)[0] == pytest.approx(29)


def test_a_checkpoint_shows_the_average_and_goes_on_with_both(begun):
    module, averaging = begun
    train(averaging, module, 11)
    checkpoint = {"state_dict": module.state_dict()}
    averaging.on_save_checkpoint(TRAINER, module, checkpoint)
    assert checkpoint["state_dict"]["weight"].item() == pytest.approx(9)
    assert checkpoint["training_weights"]["weight"].item() == 11
    again, later = Tiny(), WeightAveraging(0.98)
    again.load_state_dict(checkpoint["state_dict"])  # as Lightning does, before it asks callbacks
    later.on_load_checkpoint(TRAINER, again, checkpoint)
    later.load_state_dict(averaging.state_dict())
    later.on_train_start(TRAINER, again)
    assert again.values() == module.values()
    train(later, again, 21)
    assert validated(later, again) == pytest.approx((18, -18, 2))
