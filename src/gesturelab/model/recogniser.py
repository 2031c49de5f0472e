"""Positions to logits: features, scaler and classifier in one network."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesturelab.config.data import FeaturesConfig
from gesturelab.data.features import Features
from gesturelab.data.scaler import Scaler
from gesturelab.data.skeleton import Skeleton


class Recogniser(nn.Module):
    """All that stands between joint positions and an answer, so that training and use cannot differ."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: FeaturesConfig, skeleton: Skeleton, scaler: Scaler, classifier: nn.Module) -> None:
        super().__init__()
        self.features = Features(features, skeleton)
        self.register_buffer("mean", torch.from_numpy(scaler.mean).float())
        self.register_buffer("deviation", torch.from_numpy(scaler.deviation).float())
        self.classifier = classifier

    def forward(self, positions: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """Logits of windows of positions in metres."""
        features = (self.features(positions) - self.mean) / self.deviation  # batch frames features
        return self.classifier(features)
