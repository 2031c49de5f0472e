"""Causal networks: they need nothing but the past of a window, so that a frame goes through them once."""

from torch import nn

from gesturelab.config.data import Centre
from gesturelab.models.network import Network
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features


def non_causal_reasons(recogniser: Recogniser) -> tuple[str, ...]:
    """The keys because of which an answer to a frame needs more than that frame, the one before and a state."""
    reason = _network_reason(recogniser.classifier)
    return (*([reason] if reason else ()), *_feature_reasons(recogniser.features))


def is_causal(recogniser: Recogniser) -> bool:
    """Whether what the network says of a frame depends on that frame and the one before alone, and on its state."""
    return not non_causal_reasons(recogniser)


def _network_reason(network: nn.Module) -> str:
    if isinstance(network, Network):
        return network.non_causal_reason
    return f"model._target_={type(network).__module__}.{type(network).__qualname__}"


def _feature_reasons(features: Features) -> tuple[str, ...]:
    config = features.config
    reasons = {
        "features.centre=window": Centre(config.centre) is Centre.window,
        "features.body_scale=true": config.body_scale,
        "features.face_sensor=true": config.face_sensor,
        "features.displacements=true": config.displacements,
        "features.summary=true": config.summary,
    }
    return tuple(key for key, applies in reasons.items() if applies)
