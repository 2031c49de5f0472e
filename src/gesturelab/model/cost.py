"""What a model costs: parameters, and operations for one window."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gesturelab.config.training import ModelConfig
from gesturelab.model.lstm import LSTMClassifier


def on_paper(features: int, classes: int, config: ModelConfig, summaries: int = 0) -> LSTMClassifier:
    """A model without memory for its weights, to count with."""
    with torch.device("meta"):
        return LSTMClassifier(features, classes, config, summaries)


def flops_per_window(model: nn.Module, frames: int, features: int) -> int:
    """Floating-point operations of one forward pass over one window, counted by torch while it runs on paper.

    Only matrix products are counted (a multiplication and an addition each), which is nearly all there is.
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, frames, features, device="meta"))
    return counter.get_total_flops()


def flops_to_answer(config: ModelConfig, frames: int, features: int, classes: int, *, mirrored: bool) -> int:
    """Operations of the network for the probabilities of one window: twice a pass if its mirror image has a say.

    Args:
        config: Of the model.
        frames: In a window.
        features: Of a frame.
        classes: Gestures.
        mirrored: The mirror image of the window has a say.
    """
    return flops_per_window(on_paper(features, classes, config), frames, features) * (2 if mirrored else 1)
