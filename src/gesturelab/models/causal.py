"""Networks that need nothing but the past of a window, so that a frame goes through them once."""

from gesturelab.config.data import Centre
from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.recogniser import Recogniser


def non_causal_reasons(recogniser: Recogniser) -> tuple[str, ...]:
    """The keys because of which an answer to a frame needs more than that frame, the one before and a state."""
    config, classifier = recogniser.features.config, recogniser.classifier
    reasons = {
        "model.bidirectional=true": not isinstance(classifier, LSTMClassifier) or classifier.bidirectional,
        "features.centre=window": Centre(config.centre) is Centre.window,
        "features.body_scale=true": config.body_scale,
        "features.face_sensor=true": config.face_sensor,
        "features.displacements=true": config.displacements,
        "features.summary=true": config.summary,
    }
    return tuple(key for key, applies in reasons.items() if applies)


def is_causal(recogniser: Recogniser) -> bool:
    """Whether what the network says of a frame depends on that frame and the one before alone, and on its state."""
    return not non_causal_reasons(recogniser)
