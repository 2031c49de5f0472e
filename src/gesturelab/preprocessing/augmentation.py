"""Random changes to training windows. All random numbers come from the generator that is passed in."""

import math

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gesturelab.config.data import AugmentConfig
from gesturelab.preprocessing.features import Positions, pick, rotate_vertical
from gesturelab.preprocessing.frame_store import Batch
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

    def speeds(self, count: int, generator: Generator) -> Float[Tensor, " batch"] | None:
        """How many times as fast each window is played; None when speed is not changed."""
        if not self.config.speed:
            return None
        return 1 + self.config.speed * _uniform(count, generator)

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """A changed copy of a batch; the generator must be on the batch's device."""
        config, (positions, classes, recordings) = self.config, batch
        count, device = len(positions), generator.device
        root = positions[:, :, self.skeleton.root : self.skeleton.root + 1].mean(dim=1, keepdim=True)
        positions = positions - root
        if config.mirror_probability:
            chosen = torch.rand(count, generator=generator, device=device) < config.mirror_probability
            positions = torch.where(chosen[:, None, None, None], mirror(positions, self.skeleton), positions)
            classes = torch.where(chosen, self.mirrored_classes.to(classes.device)[classes], classes)
        if config.rotation_deg:
            positions = rotate_vertical(positions, math.radians(config.rotation_deg) * _uniform(count, generator))
        if config.scale:
            positions = positions * (1 + config.scale * _uniform(count, generator))[:, None, None, None]
        if config.joint_dropout:
            kept = torch.rand(count, 1, positions.shape[2], 1, generator=generator, device=device)
            positions = positions * (kept >= config.joint_dropout)
        if config.noise_m:
            noise = torch.randn(positions.shape, generator=generator, device=device)
            positions = positions + config.noise_m * noise
        return Batch(positions + root, classes, recordings)


def _uniform(count: int, generator: Generator) -> Float[Tensor, " batch"]:
    """Numbers in [-1, 1)."""
    return 2 * torch.rand(count, generator=generator, device=generator.device) - 1
