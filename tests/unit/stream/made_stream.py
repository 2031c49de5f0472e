"""Small networks that were never trained, and motion, for tests of the live recogniser."""

from functools import cache

import numpy as np
import torch
from omegaconf import OmegaConf

from gesturelab.config.composing import compose
from gesturelab.config.data import WindowConfig
from gesturelab.config.training import TrainConfig
from gesturelab.config.typed import to_values, typed_config
from gesturelab.models.network import build_network
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.skeletons.skeleton import KINECT_V2

MIRRORED = (1, 0, 3, 2, 5, 4, 6, 8, 7)
CAUSAL = ("experiment=live", "features.centre=frame", "features.body_scale=false", "features.displacements=false")


@cache
def _composed(*options: str) -> TrainConfig:
    return compose(["model=tiny", "window=sliding", "model.hidden=16", "window.length_frames=8", *options])


def made_network(*overrides: str) -> tuple[Recogniser, WindowConfig]:
    """A network with random weights that make much of small differences, with a random scaler; and its windows.

    Args:
        overrides: As on the command line; composed without Hydra, which would take most of the time of these tests.
    """
    options = [each for each in overrides if "." not in each.split("=")[0]]
    values = [each for each in overrides if each not in options]
    composed = OmegaConf.create(to_values(_composed(*options)))
    composed.merge_with_dotlist(values)
    config = typed_config(OmegaConf.to_container(composed))
    torch.manual_seed(0)
    features = Features(config.features, KINECT_V2)
    draws = np.random.default_rng(0)
    count = len(features.names)
    scaler = Scaler(features.names, draws.normal(0, 0.1, count), draws.uniform(0.05, 0.5, count))
    classifier = build_network(config.model, features, len(MIRRORED), config.window.length_frames)
    for layer in classifier.layers:
        for weight in layer.parameters():
            weight.data *= 3
    classifier.head[-1].weight.data *= 30
    mirrored = MIRRORED if config.augment.mirror_at_test else None
    return Recogniser(config.features, KINECT_V2, scaler, classifier, mirrored).eval(), config.window


def moving(frames: int, seed: int = 0) -> np.ndarray:
    """Positions of a body whose joints wander smoothly, two metres from the sensor."""
    draws = np.random.default_rng(seed)
    steps = draws.normal(0, 0.01, (frames, 25, 3)).cumsum(axis=0)
    return (steps + draws.normal(0, 0.4, (1, 25, 3)) + [0, 0, 2]).astype(np.float32)
