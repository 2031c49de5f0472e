"""Positions to logits: features, scaler and classifier in one network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesturelab.config.data import FeaturesConfig
from gesturelab.models.network import Network
from gesturelab.preprocessing.augmentation import mirror
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.skeletons.skeleton import Skeleton


class Recogniser(nn.Module):
    """All that stands between joint positions and an answer, so that training and use cannot differ.

    Args:
        mirrored_classes: For each class the index of the one it becomes when left and right are swapped; with it,
            the mirror image of a window has a say in its probabilities.
    """

    mean: Tensor
    deviation: Tensor
    mirrored_classes: Tensor | None

    def __init__(
        self,
        features: FeaturesConfig,
        skeleton: Skeleton,
        scaler: Scaler,
        classifier: nn.Module,
        mirrored_classes: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.features = Features(features, skeleton)
        self.register_buffer("mean", torch.from_numpy(scaler.mean).float())
        self.register_buffer("deviation", torch.from_numpy(scaler.deviation).float())
        self.classifier = classifier
        swapped = None if mirrored_classes is None else torch.tensor(mirrored_classes)
        self.register_buffer("mirrored_classes", swapped, persistent=False)

    def forward(self, positions: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """Logits of windows of positions in metres."""
        return self.classifier(self.scaled_features(positions))

    def scaled_features(
        self, positions: Float[Tensor, "batch frames joints 3"]
    ) -> Float[Tensor, "batch frames features"]:
        """What the network sees of windows of positions in metres."""
        return (self.features(positions) - self.mean) / self.deviation

    def probabilities(self, positions: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """The answer: the probability of each class."""
        own = self(positions).float().softmax(dim=1)
        if self.mirrored_classes is None:
            return own
        image = self(mirror(positions, self.features.skeleton)).float().softmax(dim=1)
        return (own + image[:, self.mirrored_classes]) / 2


def non_causal_reasons(recogniser: Recogniser) -> tuple[str, ...]:
    """The keys because of which an answer to a frame needs more than the window's frames so far and a state."""
    network = recogniser.classifier
    reason = f"model._target_={type(network).__module__}.{type(network).__qualname__}"
    if isinstance(network, Network):
        reason = network.non_causal_reason
    return (*([reason] if reason else ()), *recogniser.features.non_causal)


def is_causal(recogniser: Recogniser) -> bool:
    """Whether a frame goes through the network once: with the few before it that features look back to, and a state."""
    return not non_causal_reasons(recogniser)
