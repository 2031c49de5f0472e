"""What the process that uses torch tells; GPUs are simulated, for lack of any."""

from types import SimpleNamespace

import torch

from gesturelab.config.composing import compose
from gesturelab.config.training import Precision
from gesturelab.doctor.child import torch_facts
from gesturelab.doctor.facts import Gpu
from gesturelab.doctor.step import compare_sizes, precisions_of

SIZES = [
    compose([f"model={name}", f"model.hidden={hidden}", "model.layers=1"]).model
    for name, hidden in (("tiny", 4), ("small", 6), ("large", 8), ("xlarge", 10))
]


def compute(seconds, *, every_size=False, model="large"):
    config = compose([f"model={model}", "window.length_frames=4", "trainer.batch_size=9"])
    said = list(compare_sizes(config, SIZES, "cpu", seconds, every_size=every_size))
    assert said[-1][0] == "not_compared"
    compared = [value for kind, value in said if kind == "comparison"]
    assert all(value.logits_error < 1e-4 and value.gradient_error < 1e-3 for value in compared)
    return [value.size for value in compared], said[-1][1]


def test_the_smallest_then_the_configured_size_then_the_others_but_no_large_ones():
    done, not_done = compute(600.0)
    assert done == ["tiny", "large", "small"]
    assert not_done == {"xlarge": "larger than medium"}


def test_every_size_when_asked_for():
    assert compute(None, every_size=True) == (["tiny", "large", "small", "xlarge"], {})


def test_sizes_for_which_there_is_no_time_are_named_with_the_time_that_they_need():
    done, not_done = compute(1e-9, model="tiny")
    assert done == []
    assert not_done["tiny"].startswith("needs about ")
    assert not_done["xlarge"] == "larger than medium"


def test_what_a_training_uses_is_tried_beside_full_precision():
    assert precisions_of(Precision.auto) == ("float32",)
    assert precisions_of(Precision.bf16) == ("float32", "bf16")


def test_gpus_as_torch_sees_them(monkeypatch):
    about = SimpleNamespace(name="AMD Instinct MI250X", gcnArchName="gfx90a:sramecc+:xnack-", major=9, minor=0)
    monkeypatch.setattr(torch.version, "hip", "6.4.43482")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: about)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (32 * 2**30, 64 * 2**30))
    facts = torch_facts("", devices=True)
    assert facts.build == "ROCm 6.4.43482"
    assert facts.gpus == (Gpu("AMD Instinct MI250X", 64.0, 32.0, "gfx90a:sramecc+:xnack-"),)
    assert torch_facts("", devices=False).gpus == (), "a training on the CPU leaves GPUs alone"


def test_variables_that_torch_refuses_are_told(monkeypatch):
    def refuse():
        raise RuntimeError("HIP_VISIBLE_DEVICES contains more devices than ROCR_VISIBLE_DEVICES\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", refuse)
    error = torch_facts("", devices=True).error
    assert error == "HIP_VISIBLE_DEVICES contains more devices than ROCR_VISIBLE_DEVICES"
