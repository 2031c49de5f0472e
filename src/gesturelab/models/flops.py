"""What a model costs: operations for one window."""

import copy
import logging

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gesturelab.config.options import target_of
from gesturelab.config.training import ModelConfig
from gesturelab.models.network import Network, build_network
from gesturelab.models.recogniser import Recogniser
from gesturelab.models.trust import is_built_in
from gesturelab.preprocessing.features import Features

log = logging.getLogger(__name__)


def on_meta_device(config: ModelConfig, features: Features, classes: int, frames: int) -> nn.Module:
    """A network without memory for its weights, to count with and to fill; guests, who may need memory, have theirs."""
    device = "meta" if is_built_in(target_of(config)) else "cpu"
    with torch.device(device), torch.random.fork_rng(devices=[]):
        return build_network(config, features, classes, frames, trial=False)


def flops_per_window(network: nn.Module, frames: int, features: int) -> int | None:
    """Floating-point operations of one forward pass over one window, counted by torch on the meta device.

    Only matrix products are counted (a multiplication and an addition each), which is nearly all there is. A network
    that cannot run there is counted on the CPU; None where that fails too. Of recurrent networks two short windows tell
    what a long one costs, which torch would count frame by frame.
    """
    each = network.flops_grow_every if isinstance(network, Network) else 0
    if not each or frames <= _FEW * each:
        return _count(network, frames, features)
    first = frames % each + _FEW * each
    few, more = _count(network, first, features), _count(network, first + each, features)
    return None if few is None or more is None else few + (frames - first) // each * (more - few)


_FEW = 3


def _count(network: nn.Module, frames: int, features: int) -> int | None:
    reason = ""
    for device in ("meta", "cpu"):
        try:
            with FlopCounterMode(display=False) as counter, torch.no_grad(), torch.random.fork_rng(devices=[]):
                moved = copy.deepcopy(network).to(device).eval()
                moved(torch.zeros(1, frames, features, device=device))
            return counter.get_total_flops()
        except Exception as error:  # a guest may raise anything
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    log.info("operations of %s cannot be counted: %s", type(network).__name__, reason)
    return None


def flops_to_answer(recogniser: Recogniser, frames: int) -> int | None:
    """Operations of a network for the probabilities of one window: twice a pass if its mirror image has a say."""
    flops = flops_per_window(recogniser.classifier, frames, len(recogniser.features.names))
    return None if flops is None else flops * (1 if recogniser.mirrored_classes is None else 2)
