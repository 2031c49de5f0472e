"""A training step beside float64: right arithmetic agrees, kernels that are made wrong are found."""

import pytest
import torch

from gesturelab.config.composing import compose
from gesturelab.doctor.step import Step, compare, difference, make_step, on_cpu
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2

SMALL = compose(["model.hidden=12"]).model
FEATURES = Features(compose(["features=raw"]).features, KINECT_V2)
SHAPE = {"batch": 40, "frames": 5}


def compared(run, precision="float32", device="cpu"):
    (found,) = compare(SMALL, FEATURES, run=run, device=device, precisions=(precision,), **SHAPE)
    return found


def spoilt(change):
    """The CPU's step, changed."""

    def run(model, windows, labels, precision):
        step = on_cpu(model, windows, labels, precision)
        change(step)
        return step

    return run


def one_window_is_zero(step):
    step.logits[17] = 0


def one_gradient_is_zero(step):
    step.gradients["layers.1.weight_hh_l0"].zero_()


def the_inputs_gradient_is_shifted(step):
    step.gradients["input"].copy_(step.gradients["input"].roll(1, dims=0).clone())


def not_a_number(step):
    step.logits[0, 0] = float("nan")


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_cpu_agrees_with_itself_in_float64(precision):
    found = compared(on_cpu, precision)
    assert found.agrees, found
    assert found.logits_error > 0


@pytest.mark.parametrize(
    "change", [one_window_is_zero, one_gradient_is_zero, the_inputs_gradient_is_shifted, not_a_number]
)
@pytest.mark.parametrize(("precision", "device"), [("float32", "cpu"), ("bf16", "some GPU")])
def test_wrong_kernels_are_found(change, precision, device):
    found = compared(spoilt(change), precision, device)
    assert not found.agrees
    if change is one_gradient_is_zero:
        assert found.worst == "layers.1.weight_hh_l0"


@pytest.mark.parametrize("batch", [40, 130])
def test_the_reference_in_pieces_is_the_mean_loss_of_the_whole_batch(batch):
    """An answer from elsewhere: the whole batch at once, by torch's own means; a large one repeats windows."""
    model, windows, labels = make_step(SMALL, FEATURES, **SHAPE | {"batch": batch})
    step = on_cpu(model, windows, labels, "float64")
    whole = model.double()
    whole.zero_grad()
    logits = whole(windows.double())
    torch.nn.functional.cross_entropy(logits, labels).backward()
    torch.testing.assert_close(step.logits, logits.detach(), rtol=1e-12, atol=1e-12)
    for name, each in whole.named_parameters():
        torch.testing.assert_close(step.gradients[name], each.grad, rtol=1e-9, atol=1e-12)


def test_a_refusal_of_the_device_is_told():
    def refuse(*_):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20 GiB\nand so on")

    assert compared(refuse).error == "CUDA out of memory. Tried to allocate 20 GiB"


def test_the_worst_window_counts_not_the_mean():
    """Worked by hand: windows of length 5 on average; one is off by 3, so by 0.6."""
    right = Step(torch.tensor([[3.0, 4.0], [4.0, 3.0]]).double(), {"weight": torch.ones(2).double()})
    found = Step(torch.tensor([[3.0, 4.0], [4.0, 6.0]]).double(), {"weight": torch.ones(2).double()})
    assert difference(found, right) == (pytest.approx(0.6), 0.0, "weight")
