"""Methods from elsewhere that recognise whole recordings: what `peers.py` trains beside our own runs.

Every recording is resampled to 64 frames (linear in time), centred on the mean of its root joint, and divided by its
mean spine length, as our own default features are; a method sees the 75 coordinates as channels.

The LSTM is LSTM-FCN from sktime. tsai, which has more of them, cannot be installed here: it wants another torch and an
older scikit-learn; those of aeon need TensorFlow. Dynamic time warping is left out: 2.5 million pairs of recordings are
not cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from gesturelab.datasets.recording import Dataset

FRAMES = 64
SMALLEST_BODY_M = 0.1
"""As `gesturelab.preprocessing.features`."""

ALPHAS = np.logspace(-3, 3, 10)
"""aeon's own choice of ridge penalties; one is taken by leaving out recordings of training people."""

Motion = Float32[np.ndarray, "recordings channels frames"]
Shares = Float64[np.ndarray, "recordings classes"]


@dataclass(frozen=True)
class Fitted:
    """A method after training.

    Attributes:
        scores: A row a recording that sums to 1; the largest is the gesture recognised. No calibrated probabilities.
        train_scores: Of the recordings that it was trained on.
        parameters: How many numbers it learned or stored.
        note: What it chose for itself.
    """

    scores: Callable[[Motion], Shares]
    train_scores: Shares
    parameters: int
    note: str


Fit = Callable[[Motion, Int64[np.ndarray, " recordings"], int, int], Fitted]
"""Trains on recordings, the gesture of each, how many gestures there are, and a seed."""


@dataclass(frozen=True)
class Method:
    """A method by name.

    Attributes:
        fit: Trains it.
        settings: What it was told; part of the info file.
        packages: What must be installed.
    """

    fit: Fit
    settings: dict[str, Any]
    packages: tuple[str, ...] = ()


def whole_recordings(dataset: Dataset) -> Motion:
    """Every recording of a dataset at one length, centred and scaled by itself: nothing is fitted."""
    skeleton = dataset.skeleton
    child, parent = skeleton.scale_bone
    found = np.empty((len(dataset), 3 * len(skeleton.joints), FRAMES), dtype=np.float32)
    for number in range(len(dataset)):
        positions = resample(dataset[number].positions.astype(np.float64))
        body = np.linalg.norm(positions[:, child] - positions[:, parent], axis=-1).mean()
        positions = (positions - positions[:, skeleton.root].mean(axis=0)) / max(float(body), SMALLEST_BODY_M)
        found[number] = positions.reshape(FRAMES, -1).T
    return found


def resample(positions: Float64[np.ndarray, "frames joints 3"]) -> Float64[np.ndarray, "some_frames joints 3"]:
    """The same movement in `FRAMES` frames, from its first to its last."""
    at = np.linspace(0, len(positions) - 1, FRAMES)
    early = np.floor(at).astype(np.int64)
    late = np.minimum(early + 1, len(positions) - 1)
    share = (at - early)[:, None, None]
    return positions[early] * (1 - share) + positions[late] * share


def softmax(scores: Float64[np.ndarray, "recordings classes"]) -> Shares:
    """Scores as positive shares of 1 in the same order."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def majority(motion: Motion, gestures: Int64[np.ndarray, " recordings"], classes: int, seed: int) -> Fitted:
    """Always the gesture that training people did most often (of equals the first)."""
    shares = np.bincount(gestures, minlength=classes) / len(gestures)

    def scores(motion: Motion) -> Shares:
        return np.tile(shares, (len(motion), 1))

    return Fitted(scores, scores(motion), classes, "")


def nearest(motion: Motion, gestures: Int64[np.ndarray, " recordings"], classes: int, seed: int) -> Fitted:
    """The gesture of the most similar training recording: Euclidean distance of all coordinates in all frames."""
    stored = motion.reshape(len(motion), -1).astype(np.float64)
    squares = (stored**2).sum(axis=1)

    def scores(motion: Motion) -> Shares:
        flat = motion.reshape(len(motion), -1).astype(np.float64)
        square = (flat**2).sum(axis=1)[:, None] + squares - 2 * flat @ stored.T
        distances = np.sqrt(np.maximum(square, 0) / FRAMES)
        closest = [distances[:, gestures == one].min(axis=1, initial=1e6) for one in range(classes)]
        return softmax(-np.stack(closest, axis=1))

    # on a training recording the nearest is itself
    return Fitted(scores, np.eye(classes)[gestures], stored.size, "")


def minirocket(motion: Motion, gestures: Int64[np.ndarray, " recordings"], classes: int, seed: int) -> Fitted:
    """MiniRocket (A. Dempster et al., KDD 2021) with a ridge classifier, composed as aeon's MiniRocketClassifier."""
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.preprocessing import StandardScaler

    transform = MiniRocket(random_state=seed, n_jobs=1)
    scaler = StandardScaler(with_mean=False)
    values = scaler.fit_transform(transform.fit_transform(motion))
    return _ridge(values, gestures, classes, lambda motion: scaler.transform(transform.transform(motion)))


def multirocket_hydra(motion: Motion, gestures: Int64[np.ndarray, " recordings"], classes: int, seed: int) -> Fitted:
    """MultiRocket (C. W. Tan et al., DMKD 2022) and Hydra (A. Dempster et al., DMKD 2023) with one ridge classifier.

    Composed as aeon's MultiRocketHydraClassifier, so that training recordings are transformed once.
    """
    from aeon.classification.convolution_based._hydra import _SparseScaler
    from aeon.transformations.collection.convolution_based import HydraTransformer, MultiRocket
    from sklearn.preprocessing import StandardScaler

    hydra, rocket = HydraTransformer(random_state=seed, n_jobs=1), MultiRocket(random_state=seed, n_jobs=1)
    sparse, scaler = _SparseScaler(), StandardScaler()

    def both(one: Any, other: Any) -> np.ndarray:
        return np.concatenate([np.asarray(one, dtype=np.float32), np.asarray(other, dtype=np.float32)], axis=1)

    def transform(motion: Motion) -> np.ndarray:
        return both(sparse.transform(hydra.transform(motion)), scaler.transform(rocket.transform(motion)))

    values = both(sparse.fit_transform(hydra.fit_transform(motion)), scaler.fit_transform(rocket.fit_transform(motion)))
    return _ridge(values, gestures, classes, transform)


EPOCHS = 100


def lstm_fcn(motion: Motion, gestures: Int64[np.ndarray, " recordings"], classes: int, seed: int) -> Fitted:
    """LSTM-FCN (F. Karim et al., Neural Networks, 2019) as sktime has it, but for the number of epochs.

    Coordinates are standardised, a mean and deviation a channel, fitted on the recordings that it is trained on.
    """
    from sktime.classification.deep_learning.lstmfcn import LSTMFCNClassifierTorch

    mean, deviation = motion.mean(axis=(0, 2), keepdims=True), motion.std(axis=(0, 2), keepdims=True) + 1e-6
    network = LSTMFCNClassifierTorch(num_epochs=EPOCHS, random_state=seed)
    network.fit((motion - mean) / deviation, gestures)

    def scores(motion: Motion) -> Shares:
        whole = np.zeros((len(motion), classes))
        found = network.predict_proba((motion - mean) / deviation)
        whole[:, network.classes_] = found / found.sum(axis=1, keepdims=True)
        return whole

    parameters = sum(one.numel() for one in network.network.parameters())
    return Fitted(scores, scores(motion), parameters, "")


def _ridge(
    values: np.ndarray,
    gestures: Int64[np.ndarray, " recordings"],
    classes: int,
    transform: Callable[[Motion], np.ndarray],
) -> Fitted:
    from sklearn.linear_model import RidgeClassifierCV

    head = RidgeClassifierCV(alphas=ALPHAS).fit(values, gestures)

    def shares(values: np.ndarray) -> Shares:
        found = np.asarray(head.decision_function(values), dtype=np.float64)
        if found.ndim == 1:  # two classes
            found = np.stack([-found, found], axis=1)
        whole = np.full((len(values), classes), -1e3)
        whole[:, head.classes_] = found
        return softmax(whole)

    parameters = int(head.coef_.size + head.intercept_.size)
    return Fitted(
        lambda motion: shares(transform(motion)), shares(values), parameters, f"ridge penalty {head.alpha_:g}"
    )


RIDGE = {"ridge_penalties": ALPHAS.round(6).tolist(), "penalty_chosen_by": "leaving out single training recordings"}
ROCKET = partial(Method, packages=("aeon", "numba", "scikit-learn"))

METHODS: dict[str, Method] = {
    "majority": Method(majority, {}),
    "nearest": Method(nearest, {"distance": "Euclidean"}),
    "minirocket": ROCKET(minirocket, {"kernels": 10_000, **RIDGE}),
    "multirocket_hydra": ROCKET(multirocket_hydra, {"kernels": 6_250, "hydra_kernels": 8, "hydra_groups": 64, **RIDGE}),
    "lstm_fcn": Method(lstm_fcn, {"epochs": EPOCHS}, ("sktime",)),
}
"""From quick to slow."""
