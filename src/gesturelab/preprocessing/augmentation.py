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
class Tilt:
    """Leans each window about the two horizontal axes, by so many radians at most."""

    largest: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Each window leant by its own angles, about x and then about z."""
        for order in ((1, 0, 2), (0, 2, 1)):  # brings the axis to the place of the vertical one, and back
            angle = self.largest * _symmetric(generator, len(positions))
            positions = rotate_vertical(positions[..., order], angle)[..., order]
        return positions


@dataclass(frozen=True)
class Stretch:
    """Changes width, height and depth of each window, each by such a share at most."""

    largest: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Each window in its own proportions."""
        shares = 2 * _uniform(generator, len(positions), 1, 1, 3) - 1
        return positions * (1 + self.largest * shares)


@dataclass(frozen=True)
class TimeWarp:
    """Leaves out the beginning and the end of a window, and plays the rest now faster, now slower.

    Attributes:
        crop: Largest share left out at either end.
        warp: Largest relative change of speed from one half to the other, and between the middle and the ends.
    """

    crop: float
    warp: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Each window at its own pace, in as many frames as before."""
        count, frames = positions.shape[:2]
        left, right, half, middle = _uniform(generator, 4, count, 1)
        time = torch.linspace(0, 1, frames, device=positions.device)
        warped = time + self.warp * (
            (2 * half - 1) * torch.sin(math.pi * time) / math.pi
            + (2 * middle - 1) * torch.sin(2 * math.pi * time) / (2 * math.pi)
        )
        start, end = self.crop * left, 1 - self.crop * right
        sample = ((start + (end - start) * warped) * (frames - 1)).clamp(0, frames - 1)  # batch frames
        before = sample.floor().long().clamp(max=max(frames - 2, 0))
        after = (before + 1).clamp(max=frames - 1)
        row = torch.arange(count, device=positions.device)[:, None]
        return positions[row, before].lerp(positions[row, after], (sample - before)[..., None, None])


@dataclass(frozen=True)
class JointOffset:
    """Puts each joint of a window beside where it is, by offsets of such a standard deviation."""

    metres: float

    def __call__(self, positions: Positions, generator: Generator) -> Positions:
        """Windows in which joints are a little off, the same way in each frame."""
        offset = torch.randn(len(positions), 1, *positions.shape[2:], generator=generator, device=generator.device)
        return positions + self.metres * offset


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
    """Random changes of a batch, in this order: mirror, pace, turns, size; the user's own by key; what a sensor does.

    The user's own come before what a sensor does to a movement. Speed is drawn before windows are gathered.

    Raises:
        ConfigError: If a change of the user's own does not keep what `Augmentation` asks for.
    """

    def __init__(self, config: AugmentConfig, skeleton: Skeleton, mirrored_classes: tuple[int, ...]) -> None:
        self.config = config
        self.skeleton = skeleton
        self.mirrored_classes = torch.tensor(mirrored_classes)
        self.changes: list[Augmentation] = [
            *([TimeWarp(config.crop, config.time_warp)] if config.crop or config.time_warp else []),
            *([Rotation(math.radians(config.rotation_deg))] if config.rotation_deg else []),
            *([Tilt(math.radians(config.tilt_deg))] if config.tilt_deg else []),
            *([Scale(config.scale)] if config.scale else []),
            *([Stretch(config.stretch)] if config.stretch else []),
            *(_make_guest(key, options, skeleton) for key, options in guests_of(config).items()),
            *([JointOffset(config.joint_offset_m)] if config.joint_offset_m else []),
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
