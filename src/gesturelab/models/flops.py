"""What a model costs: parameters, and operations for one window."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gesturelab.config.training import LSTMConfig
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.recogniser import Recogniser


def on_meta_device(features: int, classes: int, config: LSTMConfig, summaries: int = 0) -> LSTMClassifier:
    """A model without memory for its weights, to count with."""
    with torch.device("meta"):
        return LSTMClassifier(features, classes, config, summaries)


def flops_per_window(model: nn.Module, frames: int, features: int) -> int:
    """Floating-point operations of one forward pass over one window, counted by torch while it runs on paper.

    Only matrix products are counted (a multiplication and an addition each), which is nearly all there is. Each frame
    adds the same, so two short windows tell what a long one costs, which torch would count frame by frame.
    """
    if frames <= _FEW:
        return _count(model, frames, features)
    few, more = _count(model, _FEW, features), _count(model, _FEW + 1, features)
    return few + (frames - _FEW) * (more - few)


_FEW = 3


def _count(model: nn.Module, frames: int, features: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, frames, features, device="meta"))
    return counter.get_total_flops()


def flops_to_answer(recogniser: Recogniser, frames: int) -> int:
    """Operations of a network for the probabilities of one window: twice a pass if its mirror image has a say."""
    classifier = copy.deepcopy(recogniser.classifier).to("meta")
    passes = 1 if recogniser.mirrored_classes is None else 2
    return passes * flops_per_window(classifier, frames, len(recogniser.features.names))
