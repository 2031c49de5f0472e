"""Networks that need nothing but the past of a window, so that a frame goes through them once."""

from gesturelab.models.lstm import LSTMClassifier
from gesturelab.models.recogniser import Recogniser


def non_causal_reasons(recogniser: Recogniser) -> tuple[str, ...]:
    """The keys because of which an answer to a frame needs more than the window's frames so far and a state."""
    classifier = recogniser.classifier
    backwards = not isinstance(classifier, LSTMClassifier) or classifier.bidirectional
    return (*(("model.bidirectional=true",) if backwards else ()), *recogniser.features.non_causal)


def is_causal(recogniser: Recogniser) -> bool:
    """Whether a frame goes through the network once: with the few before it that features look back to, and a state."""
    return not non_causal_reasons(recogniser)
