"""Random changes to training windows. Every draw comes from the generator, or the streams, that are passed in."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gesturelab.config.data import AugmentConfig
from gesturelab.preprocessing.features import Positions, pick, rotate_vertical
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.preprocessing.random_streams import Draws, Stream
from gesturelab.skeletons.skeleton import Skeleton


def mirror(positions: Positions, skeleton: Skeleton) -> Positions:
    """The same motion seen in a mirror: x negated, left and right joints swapped."""
    return pick(positions, skeleton.mirrored) * positions.new_tensor([-1.0, 1.0, 1.0])


class Augment:
    """Random mirror, turn, size, lost joints and noise, in this order; speed is drawn before windows are gathered."""

    def __init__(self, config: AugmentConfig, skeleton: Skeleton, mirrored_classes: tuple[int, ...]) -> None:
        self.config = config
        self.skeleton = skeleton
        self.mirrored_classes = torch.tensor(mirrored_classes)

    def speeds(self, count: int, generator: Generator | Draws) -> Float[Tensor, " batch"] | None:
        """How many times as fast each window is played; None when speed is not changed."""
        if not self.config.speed:
            return None
        return 1 + self.config.speed * _uniform(count, _draws(generator))

    def __call__(self, batch: Batch, generator: Generator | Draws) -> Batch:
        """A changed copy of a batch; the generator must be on the batch's device."""
        config, (positions, classes, recordings) = self.config, batch
        count, draws = len(positions), _draws(generator)
        root = positions[:, :, self.skeleton.root : self.skeleton.root + 1].mean(dim=1, keepdim=True)
        positions = positions - root
        if config.mirror_probability:
            chosen = draws.rand(count) < config.mirror_probability
            positions = torch.where(chosen[:, None, None, None], mirror(positions, self.skeleton), positions)
            classes = torch.where(chosen, self.mirrored_classes.to(classes.device)[classes], classes)
        if config.rotation_deg:
            positions = rotate_vertical(positions, math.radians(config.rotation_deg) * _uniform(count, draws))
        if config.scale:
            positions = positions * (1 + config.scale * _uniform(count, draws))[:, None, None, None]
        if config.joint_dropout:
            kept = draws.rand(count, 1, positions.shape[2], 1)
            positions = positions * (kept >= config.joint_dropout)
        if config.noise_m:
            noise = draws.randn(*positions.shape)
            positions = positions + config.noise_m * noise
        return Batch(positions + root, classes, recordings)


def _draws(source: Generator | Draws) -> Draws:
    return Stream(source) if isinstance(source, Generator) else source


def _uniform(count: int, draws: Draws) -> Float[Tensor, " batch"]:
    """Numbers in [-1, 1)."""
    return 2 * draws.rand(count) - 1
