"""Causal networks: they need nothing but the past of a window, so that a frame goes through them once."""

from torch import nn

from gesturelab.models.network import Network
from gesturelab.models.recogniser import Recogniser


def non_causal_reasons(recogniser: Recogniser) -> tuple[str, ...]:
    """The keys because of which an answer to a frame needs more than the window's frames so far and a state."""
    reason = _network_reason(recogniser.classifier)
    return (*([reason] if reason else ()), *recogniser.features.non_causal)


def is_causal(recogniser: Recogniser) -> bool:
    """Whether a frame goes through the network once: with the few before it that features look back to, and a state."""
    return not non_causal_reasons(recogniser)


def _network_reason(network: nn.Module) -> str:
    if isinstance(network, Network):
        return network.non_causal_reason
    return f"model._target_={type(network).__module__}.{type(network).__qualname__}"
