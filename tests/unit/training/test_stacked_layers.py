"""Each stacked layer, loss and optimizer step is torch's own for each model; in float64, so that only mistakes show."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from gesturelab.config.compose import compose
from gesturelab.config.training import Pooling
from gesturelab.errors import ConfigError
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.training.stack.lstm import lstm_layer
from gesturelab.training.stack.network import classify, mask_shapes
from gesturelab.training.stack.steps import cross_entropy
from gesturelab.training.stack.weights import StackedWeights, require_known

F64 = torch.float64


@pytest.fixture(scope="module")
def model():
    return compose().model


def stacked(modules, prefix=""):
    """Parameters of several modules with a models axis, as leaves."""
    names = [name for name, _ in modules[0].named_parameters()]
    rows = [dict(module.named_parameters()) for module in modules]
    return {prefix + name: torch.stack([own[name].detach() for own in rows]).requires_grad_() for name in names}


@settings(max_examples=15, deadline=None)
@given(
    models=st.integers(1, 3),
    frames=st.integers(1, 5),
    batch=st.integers(1, 4),
    hidden=st.integers(1, 4),
    bidirectional=st.booleans(),
    seed=st.integers(0, 99),
)
def test_an_lstm_layer_and_its_gradients_are_torchs(models, frames, batch, hidden, bidirectional, seed):
    torch.manual_seed(seed)
    own = [nn.LSTM(3, hidden, batch_first=True, bidirectional=bidirectional).double() for _ in range(models)]
    weights = stacked(own, "layers.0.")
    alone = torch.randn(models, batch, frames, 3, dtype=F64, requires_grad=True)
    ours = alone.detach().transpose(1, 2).clone().requires_grad_()
    expected = torch.stack([layer(values)[0] for layer, values in zip(own, alone, strict=True)])
    got = lstm_layer(ours, weights, "layers.0.", bidirectional)
    torch.testing.assert_close(got.transpose(1, 2), expected)
    factor = torch.randn_like(expected)
    (expected * factor).sum().backward()
    (got.transpose(1, 2) * factor).sum().backward()
    torch.testing.assert_close(ours.grad.transpose(1, 2), alone.grad)
    for number, layer in enumerate(own):
        for name, parameter in layer.named_parameters():
            torch.testing.assert_close(weights[f"layers.0.{name}"].grad[number], parameter.grad)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_classifier_is_the_separate_one_also_for_batches_of_different_length(model, pooling, bidirectional):
    config = replace(model, hidden=8, head_layers=2, pooling=Pooling(pooling), bidirectional=bidirectional, dropout=0.0)
    torch.manual_seed(1)
    own = [LSTMClassifier(6, 3, config).double().train() for _ in range(3)]
    counts = [4, 1, 2]
    alone = [torch.randn(count, 5, 6, dtype=F64) for count in counts]
    features = torch.stack([functional.pad(each, [0, 0, 0, 0, 0, 4 - len(each)], value=7.0) for each in alone])
    valid = torch.tensor([[place < count for place in range(4)] for count in counts])
    weights = stacked(own)
    weights |= {name: torch.stack([each.get_buffer(name) for each in own]) for name, _ in own[0].named_buffers()}
    masks = [torch.ones(()) for _ in mask_shapes(own[0], 5, 4)]
    with torch.no_grad():
        logits = classify(own[0], weights, features.transpose(1, 2).contiguous(), valid, iter(masks))
        for number, classifier in enumerate(own):
            expected = classifier(alone[number])
            torch.testing.assert_close(logits[number, : counts[number]].double(), expected, rtol=1e-5, atol=1e-6)
            for name, buffer in classifier.named_buffers():
                torch.testing.assert_close(weights[name][number], buffer, rtol=1e-5, atol=1e-6)


def test_dropout_masks_are_those_that_a_classifier_draws(model):
    config = replace(model, hidden=16, dropout=0.4)
    classifier = LSTMClassifier(6, 3, config).train()
    seen = []
    for layer in classifier.modules():
        if isinstance(layer, nn.Dropout):
            layer.register_forward_hook(lambda _layer, inputs, output: seen.append((inputs[0], output)))
    torch.manual_seed(5)
    classifier(torch.randn(7, 5, 6, generator=torch.Generator().manual_seed(1)))
    torch.manual_seed(5)
    masks = [functional.dropout(torch.ones(shape), share) for share, shape in mask_shapes(classifier, 5, 7)]
    assert len(seen) == len(masks) == 3
    for (before, after), mask in zip(seen, masks, strict=True):
        aligned = mask.transpose(0, 1) if mask.ndim == 3 else mask
        torch.testing.assert_close(before * aligned, after)


@settings(max_examples=20, deadline=None)
@given(smoothing=st.floats(0, 0.5), weighted=st.booleans(), seed=st.integers(0, 99))
def test_each_models_loss_is_torchs(smoothing, weighted, seed):
    torch.manual_seed(seed)
    counts = [5, 2, 0]
    logits = torch.randn(3, 5, 4)
    gestures = torch.randint(4, (3, 5))
    weights = torch.rand(3, 4) + 0.1 if weighted else None
    valid = torch.tensor([[place < count for place in range(5)] for count in counts])
    got = cross_entropy(logits, gestures, valid, weights, smoothing)
    for number, count in enumerate(counts[:2]):
        own = None if weights is None else weights[number]
        alone = logits[number, :count], gestures[number, :count]
        expected = functional.cross_entropy(*alone, weight=own, label_smoothing=smoothing)
        torch.testing.assert_close(got[number], expected)
    assert got[2] == 0


OPTIMIZERS = [
    (torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    (torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.1, "fused": True}),
    (torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1, "betas": (0.7, 0.8)}),
    (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1, "momentum": 0.9}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_each_models_step_is_the_optimizers_own(kind, options):
    """Rates differ, one model misses a step, and the stack is made anew in between, as when another model leaves."""
    torch.manual_seed(2)

    def models():
        made = [nn.Linear(3, 2).double() for _ in range(3)]
        for number, each in enumerate(made):
            with torch.no_grad():
                for parameter in each.parameters():
                    parameter.fill_(number + 1)
        return made, [kind(each.parameters(), **{**options, "lr": 0.1 * (n + 1)}) for n, each in enumerate(made)]

    alone, alone_steps = models()
    ours, our_steps = models()
    inputs = torch.randn(6, 3, 4, 3, dtype=F64)
    for step, values in enumerate(inputs):
        present = [0, 2] if step == 2 else [0, 1, 2]
        if step in (0, 4):
            stack = StackedWeights(ours, our_steps)
        weight, bias = stack.by_name["weight"], stack.by_name["bias"]
        outputs = torch.baddbmm(bias[:, None], values, weight.transpose(1, 2))
        stack.backward(outputs[present].square().sum())
        stack.step(present, 2.0)
        stack.settle()
        for number in present:
            alone_steps[number].zero_grad()
            alone[number](values[number]).square().sum().backward()
            nn.utils.clip_grad_norm_(alone[number].parameters(), 2.0)
            alone_steps[number].step()
    for number in range(3):
        torch.testing.assert_close(ours[number].state_dict(), alone[number].state_dict(), rtol=1e-6, atol=1e-7)
        for one, other in zip(our_steps[number].state.values(), alone_steps[number].state.values(), strict=True):
            assert one.keys() == other.keys()
            for name in one:
                torch.testing.assert_close(one[name], other[name], rtol=1e-6, atol=1e-7, check_device=False)


def test_other_optimizers_and_options_are_refused_by_name():
    parameters = [nn.Parameter(torch.zeros(1))]
    with pytest.raises(ConfigError, match=r"optimizer=RMSprop: .*torch\.optim\.AdamW"):
        require_known(torch.optim.RMSprop(parameters), ["lr"])
    with pytest.raises(ConfigError, match=r"optimizer\.amsgrad"):
        require_known(torch.optim.AdamW(parameters), ["lr", "amsgrad"])
