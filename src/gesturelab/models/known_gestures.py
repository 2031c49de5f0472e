"""Where recordings of known gestures lie in what a network's head sees and gives, and how far from there others are."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor, nn

from gesturelab.models.adapted_head import find_head, head_values
from gesturelab.models.recogniser import Recogniser

MOST_INPUTS = 512
"""So many of the head's inputs count at most, spread evenly: a model file holds the square of their number."""


@dataclass(frozen=True, eq=False)
class KnownGestures:
    """The means of what a network's head sees and gives of each gesture, and the spread around those of what it sees.

    Attributes:
        places: Which of the head's inputs count.
        whitening: Brings their covariance around the means of the gestures to the identity.
        means: Of the inputs, whitened.
        logits: Means of the head's logits.
    """

    places: Int64[Tensor, " inputs"]
    whitening: Float32[Tensor, "inputs inputs"]
    means: Float32[Tensor, "gestures inputs"]
    logits: Float32[Tensor, "gestures gestures"]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What it is made of, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def score(
        self, inputs: Float[Tensor, "windows all_inputs"], logits: Float[Tensor, "windows gestures"]
    ) -> Float32[Tensor, " windows"]:
        """How far windows are from the nearest gesture: the product of two squared distances, to its mean each.

        Of the head's inputs it is Mahalanobis's distance with one covariance for all gestures (K. Lee et al., NeurIPS
        2018), of its logits Euclid's.
        """
        white = inputs[:, self.places].float() @ self.whitening.T
        exact = "donot_use_mm_for_euclid_dist"
        apart = torch.cdist(white, self.means, compute_mode=exact) * torch.cdist(
            logits.float(), self.logits, compute_mode=exact
        )
        return apart.square().amin(dim=1)


def score_positions(
    known: KnownGestures, recogniser: Recogniser, positions: Float[Tensor, "windows frames joints 3"]
) -> Float32[Tensor, " windows"]:
    """The score of windows of positions.

    Raises:
        ConfigError: If the network has no linear head.
    """
    inputs, logits, _ = head_values(recogniser.classifier, recogniser.scaled_features(positions))
    return known.score(inputs.cpu(), logits.cpu())


def fit_known_gestures(
    inputs: Float[Tensor, "windows all_inputs"],
    logits: Float[Tensor, "windows gestures"],
    gestures: Int64[Tensor, " windows"],
) -> KnownGestures:
    """Fits where known gestures lie.

    Args:
        inputs: What the head sees of training windows.
        logits: What it gives.
        gestures: What the windows show; each gesture at least once.
    """
    places = choose_inputs(inputs.shape[1])
    shown = nn.functional.one_hot(gestures, logits.shape[1]).double()
    shares = (shown / shown.sum(dim=0)).T
    values = inputs[:, places].double()
    means = shares @ values
    covariance = shrunk_covariance((values - means[gestures]).numpy())
    whitening = torch.from_numpy(np.linalg.inv(np.linalg.cholesky(covariance)))
    return KnownGestures(places, whitening.float(), (means @ whitening.T).float(), (shares @ logits.double()).float())


def choose_inputs(count: int) -> Int64[Tensor, " inputs"]:
    """Which of so many of the head's inputs count."""
    return torch.linspace(0, count - 1, min(count, MOST_INPUTS), dtype=torch.float64).long()


def shrunk_covariance(centred: Float64[np.ndarray, "rows inputs"]) -> Float64[np.ndarray, "inputs inputs"]:
    """The covariance of rows around zero, drawn to a sphere so that few rows are enough; never singular.

    How far is what O. Ledoit and M. Wolf (Journal of Multivariate Analysis, 2004) estimate to be best.
    """
    rows, inputs = centred.shape
    covariance = centred.T @ centred / rows
    sphere = max(float(np.trace(covariance)) / inputs, np.finfo(np.float32).tiny) * np.eye(inputs)
    apart = float(np.square(covariance - sphere).sum())
    noise = float(np.square(np.square(centred).sum(axis=1)).mean() - np.square(covariance).sum()) / rows
    share = 1.0 if apart <= noise else max(noise / apart, 1e-6)
    return (1 - share) * covariance + share * sphere


def expected_tensors(network: nn.Module, gestures: int) -> dict[str, Tensor]:
    """What `KnownGestures` of a network is made of: shapes and types alone.

    Raises:
        ConfigError: If the network has no linear head.
    """
    inputs = len(choose_inputs(find_head(network)[1].weight.shape[1]))
    shapes = {"whitening": (inputs, inputs), "means": (gestures, inputs), "logits": (gestures, gestures)}
    places = torch.empty(inputs, dtype=torch.int64, device="meta")
    return {"places": places} | {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def read_known(tensors: Mapping[str, Tensor], network: nn.Module, gestures: int) -> KnownGestures:
    """Reads `KnownGestures.tensors` of a network.

    Raises:
        ValueError: If they cannot be those.
        ConfigError: If the network has no linear head.
    """
    expected = expected_tensors(network, gestures)
    if {name: (value.shape, value.dtype) for name, value in tensors.items()} != {
        name: (value.shape, value.dtype) for name, value in expected.items()
    }:
        raise ValueError("what it holds of known gestures is not of such a network")
    known = KnownGestures(**tensors)
    if not torch.equal(known.places, choose_inputs(find_head(network)[1].weight.shape[1])):
        raise ValueError("known.places names other inputs than this version takes")
    return known
