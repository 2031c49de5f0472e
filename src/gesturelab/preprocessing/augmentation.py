"""Random changes to training windows. Every draw comes from the generator that is passed in."""

import math
import random
from collections.abc import Callable
from collections.abc import Generator as Yields
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from gesturelab.config.data import AugmentConfig
from gesturelab.config.options import TARGET, construct, guests_of
from gesturelab.errors import ConfigError
from gesturelab.preprocessing.frame_store import Batch
from gesturelab.preprocessing.geometry import Positions, made_up_motion, pick, rotate_vertical
from gesturelab.skeletons.skeleton import Skeleton

Augmentation = Callable[[Positions, Generator], Positions]
"""Positions (batch, frames, joints, 3) in metres, each window from its root's mean, to changed ones of the same shape.

One of the user's own is an object of a class with ``__call__`` (an ``nn.Module`` with ``forward``), made with its own
keys and, where its signature names it, ``skeleton``. All that is random comes from the generator,
which is on the positions' device: a training that was interrupted draws the same numbers again.
"""


def mirror(positions: Positions, skeleton: Skeleton) -> Positions:
    """The same motion seen in a mirror: x negated, left and right joints swapped."""
    return pick(positions, skeleton.mirrored) * positions.new_tensor([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Rotation:
    """Turns each window about the vertical axis, by so many radians at most."""

    largest: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Each window turned by its own angle."""
        return rotate_vertical(positions, self.largest * _symmetric(generator, len(positions)))


@dataclass(frozen=True)
class Scale:
    """Makes each person larger or smaller, by such a share at most."""

    largest: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Each window at its own size."""
        return positions * (1 + self.largest * _symmetric(generator, len(positions)))[:, None, None, None]


@dataclass(frozen=True)
class JointDropout:
    """Loses joints for a whole window: they stay at the root."""

    probability: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Windows without some of their joints."""
        return positions * (_uniform(generator, len(positions), 1, positions.shape[2], 1) >= self.probability)


@dataclass(frozen=True)
class Noise:
    """Adds to each coordinate noise of such a standard deviation."""

    metres: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Positions with noise."""
        noise = torch.randn(*positions.shape, generator=generator, device=generator.device)
        return positions + self.metres * noise


class Augment:
    """Random changes of a batch, in this order: mirror, rotation, scale; the user's own by key; lost joints and noise.

    The user's own come before what a sensor does to a movement. Speed is drawn before windows are gathered.

    Raises:
        ConfigError: If a change of the user's own does not keep what `Augmentation` asks for.
    """

    def __init__(self, config: AugmentConfig, skeleton: Skeleton, mirrored_classes: tuple[int, ...]) -> None:
        self.config = config
        self.skeleton = skeleton
        self.mirrored_classes = torch.tensor(mirrored_classes)
        self.changes: list[Augmentation] = [
            *([Rotation(math.radians(config.rotation_deg))] if config.rotation_deg else []),
            *([Scale(config.scale)] if config.scale else []),
            *(_make_guest(key, options, skeleton) for key, options in guests_of(config).items()),
            *([JointDropout(config.joint_dropout)] if config.joint_dropout else []),
            *([Noise(config.noise_m)] if config.noise_m else []),
        ]

    def speeds(self, count: int, generator: Generator) -> Float[Tensor, " batch"] | None:
        """How many times as fast each window is played; None when speed is not changed."""
        return 1 + self.config.speed * _symmetric(generator, count) if self.config.speed else None

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        """A changed copy of a batch; the generator must be on the batch's device."""
        positions, classes, recordings = batch
        root = positions[:, :, self.skeleton.root : self.skeleton.root + 1].mean(dim=1, keepdim=True)
        positions = positions - root
        if self.config.mirror_probability:
            images = self.mirrored_classes.to(classes.device)[classes]
            chosen = (_uniform(generator, len(positions)) < self.config.mirror_probability) & (images >= 0)
            positions = torch.where(chosen[:, None, None, None], mirror(positions, self.skeleton), positions)
            classes = torch.where(chosen, images, classes)
        for change in self.changes:
            positions = change(positions, generator)
        return Batch(positions + root, classes, recordings)


def _uniform(generator: Generator, *shape: int) -> Tensor:
    """Numbers in [0, 1)."""
    return torch.rand(*shape, generator=generator, device=generator.device)


def _symmetric(generator: Generator, count: int) -> Float[Tensor, " batch"]:
    """Numbers in [-1, 1)."""
    return 2 * _uniform(generator, count) - 1


def _make_guest(key: str, options: dict[str, Any], skeleton: Skeleton) -> Augmentation:
    target = options.pop(TARGET)
    change = construct(f"augment.{key}", target, options, {"skeleton": skeleton})
    check_augmentation(f"augment.{key} ({target})", change, skeleton)
    return change


def check_augmentation(what: str, change: Any, skeleton: Skeleton) -> None:
    """Tries a change of the user's own on made-up motion.

    Args:
        what: Key and class, for errors.
        change: Perhaps none.
        skeleton: Whose joints move.

    Raises:
        ConfigError: If it does not keep what `Augmentation` asks for.
    """
    if not callable(change):
        raise ConfigError(f"{what}: must be callable with (positions, generator), but {type(change).__name__} is not")
    motion = made_up_motion(skeleton, 16)
    changed: list[Tensor] = []
    for seed in (1, 2):
        try:
            with _global_seed(seed), torch.no_grad():
                positions: Any = change(motion.clone(), Generator().manual_seed(0))
        except Exception as error:  # it is the user's code
            raise ConfigError(f"{what}: fails on positions of shape {tuple(motion.shape)}: {error}") from error
        shape = tuple(positions.shape) if isinstance(positions, Tensor) else type(positions).__name__
        if not isinstance(positions, Tensor) or shape != motion.shape or positions.dtype != motion.dtype:
            raise ConfigError(
                f"{what}: must give back positions of the shape and type that it gets, {tuple(motion.shape)} of "
                f"{motion.dtype}, not {shape}"
            )
        if not bool(positions.isfinite().all()):
            raise ConfigError(f"{what}: some of its positions are NaN or infinite")
        changed.append(positions)
    if not torch.equal(*changed):
        raise ConfigError(
            f"{what}: must draw from the generator that it gets, and from no other (torch.rand(..., "
            "generator=generator)); with equal generators it made two different things, so that no training could be "
            "repeated or resumed"
        )


@contextmanager
def _global_seed(seed: int) -> Yields[None]:
    """Seeds what a program draws from when it is given no generator, and puts it back afterwards."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the global one is meant
    with torch.random.fork_rng(devices=[]):
        try:
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
