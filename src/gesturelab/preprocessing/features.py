"""What the network sees: features of a window, computed from its positions alone.

Nothing here looks outside the window, so that training, a test recording and a live stream cannot differ. A feature is
one class, here or in a package of the user's; it says how many frames it looks back, so that streams are right or
refused.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.data import Centre, FeaturesConfig
from gesturelab.config.options import TARGET, accepted, construct, is_guest, locate
from gesturelab.errors import ConfigError
from gesturelab.preprocessing.geometry import Positions, body_scale, centre_on_root, face_sensor, made_up_motion, pick
from gesturelab.skeletons.skeleton import Skeleton

KEPT_FRAMES = 1
"""Frames before the newest that a stream keeps; where a feature looks back further, it computes whole windows anew."""


class Feature(nn.Module):
    """A feature: from the positions of a window to channels of each frame. The base class for features of your own.

    It is made with the keys that stand beside its ``_target_``, and with as much as its ``__init__`` names of
    ``skeleton`` (a `gesturelab.skeletons.skeleton.Skeleton`) and ``joints`` (indices of the joints to feed). It holds
    no learned weights, depends on nothing but the window, and takes windows of any length from one frame on.
    """

    names: tuple[str, ...]
    """Name of each channel, such as ``position:Head:x``; no other feature may have the same ones."""
    looks_back: int | None = None
    """Frames before a frame that its channels depend on: 0 for the frame alone. A window's first frames have fewer
    before them. None: on the whole window, so that a stream computes each window anew."""
    per_window: bool = False
    """Whether the values are the same in each frame; they go past the LSTM, straight to the head."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Parts that the skeleton must name: ``scale_bone``, ``shoulders``, ``bends``, ``arms``, ``legs``."""

    def forward(self, positions: Positions) -> Float[Tensor, "batch frames channels"]:
        """Channels of positions that are centred, scaled and turned already, as the other keys of features say."""
        raise NotImplementedError


class _OfJoints(Feature):
    """Vectors of the joints to feed: by joint, then x, y, z."""

    kind: ClassVar[str]
    """First part of the channels' names."""

    def __init__(self, skeleton: Skeleton, joints: tuple[int, ...]) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.joints = joints
        self.names = tuple(f"{self.kind}:{skeleton.joints[joint]}:{axis}" for joint in joints for axis in "xyz")

    def forward(self, positions: Positions) -> Float[Tensor, "batch frames channels"]:
        """Three channels a joint."""
        vectors = self.vectors(positions)
        if self.joints != tuple(range(len(self.skeleton.joints))):
            vectors = pick(vectors, self.joints)
        return vectors.flatten(2)

    def vectors(self, positions: Positions) -> Positions:
        """Of all joints."""
        raise NotImplementedError


class JointPositions(_OfJoints):
    """The positions themselves."""

    kind = "position"
    looks_back = 0

    def vectors(self, positions: Positions) -> Positions:
        """Of all joints, as they are."""
        return positions


class Velocities(_OfJoints):
    """The change of each position since the frame before; zero in the first frame of the window."""

    kind = "velocity"
    looks_back = 1

    def vectors(self, positions: Positions) -> Positions:
        """Of all joints."""
        return torch.diff(positions, dim=1, prepend=positions[:, :1])


class Acceleration(_OfJoints):
    """The change of each velocity since the frame before; zero in the first two frames of the window."""

    kind = "acceleration"
    looks_back = 2

    def vectors(self, positions: Positions) -> Positions:
        """Of all joints."""
        return torch.cat([torch.zeros_like(positions[:, :2]), torch.diff(positions, n=2, dim=1)], dim=1)


class Displacements(_OfJoints):
    """Displacement from the window's first frames, divided by the largest displacement of any joint in the window.

    The largest displacement counts as at least `SMALLEST_MOTION`, so that noise on a person at rest stays small.
    """

    kind = "displacement"

    SMALLEST_MOTION = 0.15
    """A largest displacement below this is taken for this (in spine lengths with body_scale, in metres without)."""
    START_FRACTION = 15
    """The first 15th of a window, at least one frame, is where a movement starts from."""

    def vectors(self, positions: Positions) -> Positions:
        """Of all joints."""
        start = positions[:, : max(positions.shape[1] // self.START_FRACTION, 1)].mean(dim=1, keepdim=True)
        moved = positions - start
        reach = moved.norm(dim=-1).flatten(1).amax(dim=1)  # batch
        return moved / reach.clamp(min=self.SMALLEST_MOTION)[:, None, None, None]


class Bones(_OfJoints):
    """The vector from each joint's parent to the joint; zero for the root."""

    kind = "bone"
    looks_back = 0

    def vectors(self, positions: Positions) -> Positions:
        """Of all joints."""
        return positions - pick(positions, self.skeleton.parents)


class Angles(Feature):
    """Cosine of the angle at each bend: -1 is straight, 1 is folded; 0 where a bone has no length."""

    looks_back = 0
    requires = ("bends",)

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self.bends = skeleton.bends
        self.names = tuple(f"angle:{':'.join(skeleton.joints[joint] for joint in bend)}" for bend in skeleton.bends)

    def forward(self, positions: Positions) -> Float[Tensor, "batch frames channels"]:
        """One cosine a bend."""
        start, vertex, end = (pick(positions, joints) for joints in zip(*self.bends, strict=True))
        return functional.cosine_similarity(start - vertex, end - vertex, dim=-1)


class Summary(Feature):
    """Numbers about whole windows of positions, with y pointing up.

    An incorrect movement is often a small, slow or crooked one of the right kind. These few numbers keep what tells the
    gestures apart when the course over time does not look like anything seen before.

    - How far elbows, wrists, knees and ankles travel along each axis.
    - Of each arm the rise of the upper arm and the reach of the wrist (angles at the shoulder between straight down and
      elbow or wrist) and the bend of the elbow, in radians: range, largest, smallest, mean.
    - The distance between the wrists: smallest, largest, mean.
    """

    per_window = True
    requires = ("arms", "legs")

    SMOOTHED_FRAMES = 3
    """Positions are averaged over so many frames, so that one jump of a joint is not taken for its reach."""

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__()
        self.arms = skeleton.arms
        self.limbs = [joint for limb in (*skeleton.arms, *skeleton.legs) for joint in limb[1:]]
        names = skeleton.joints
        travel = [f"travel:{names[joint]}:{axis}" for joint in self.limbs for axis in "xyz"]
        angles = [
            f"{angle}:{names[elbow]}:{statistic}"
            for statistic in ("range", "max", "min", "mean")
            for _, elbow, _ in self.arms
            for angle in ("rise", "bend", "reach")
        ]
        hands = [f"hands:{statistic}" for statistic in ("min", "max", "mean")]
        self.names = tuple(f"summary:{name}" for name in (*travel, *angles, *hands))

    def forward(self, positions: Positions) -> Float[Tensor, "batch frames channels"]:
        """The window's numbers in each of its frames."""
        frames, positions = positions.shape[1], self._smooth(positions)
        limbs = positions[:, :, self.limbs]
        travel = limbs.amax(dim=1) - limbs.amin(dim=1)  # batch limbs 3
        angles = torch.stack([angle for arm in self.arms for angle in _arm_angles(positions, *arm)], dim=2)
        largest, smallest = angles.amax(dim=1), angles.amin(dim=1)  # batch angles
        left, right = (wrist for _, _, wrist in self.arms)
        apart = (positions[:, :, left] - positions[:, :, right]).norm(dim=-1)  # batch frames
        hands = torch.stack([apart.amin(dim=1), apart.amax(dim=1), apart.mean(dim=1)], dim=1)
        numbers = torch.cat(
            [travel.flatten(1), largest - smallest, largest, smallest, angles.mean(dim=1), hands], dim=1
        )
        return numbers[:, None].expand(-1, frames, -1)

    def _smooth(self, positions: Positions) -> Positions:
        """A moving average over `SMOOTHED_FRAMES`; the first and last frame count as if they went on."""
        frames = self.SMOOTHED_FRAMES
        rows = positions.flatten(2).transpose(1, 2)  # batch coordinates frames
        smooth = functional.avg_pool1d(functional.pad(rows, (frames // 2,) * 2, mode="replicate"), frames, stride=1)
        return smooth.transpose(1, 2).unflatten(2, positions.shape[2:])


def _arm_angles(positions: Positions, shoulder: int, elbow: int, wrist: int) -> tuple[Tensor, Tensor, Tensor]:
    upper = positions[:, :, elbow] - positions[:, :, shoulder]
    whole = positions[:, :, wrist] - positions[:, :, shoulder]
    down = positions.new_tensor([0.0, -1.0, 0.0]).expand_as(upper)
    return _angle(upper, down), _angle(upper, positions[:, :, wrist] - positions[:, :, elbow]), _angle(whole, down)


def _angle(
    vector: Float[Tensor, "batch frames 3"], other: Float[Tensor, "batch frames 3"]
) -> Float[Tensor, "batch frames"]:
    """In radians; a right angle where one of them has no length."""
    return functional.cosine_similarity(vector, other, dim=-1, eps=1e-4).clamp(-1, 1).acos()


BUILT_IN: dict[str, type[Feature]] = {
    "positions": JointPositions,
    "velocities": Velocities,
    "displacements": Displacements,
    "bones": Bones,
    "angles": Angles,
    "acceleration": Acceleration,
    "summary": Summary,
}
"""The features that come with gesturelab, by key; their channels are in this order."""


class Features(nn.Module):
    """Positions in metres to channels, one row a frame.

    In order: the built-in features that are on, as `BUILT_IN` has them, then the user's own by key; features of the
    whole window are the last channels, the same in each frame.

    Raises:
        ConfigError: If a joint to feed is not one of the skeleton's, the skeleton lacks what a feature needs, there is
            no such feature, or one of the user's own does not keep what `Feature` asks for.
    """

    def __init__(self, config: FeaturesConfig, skeleton: Skeleton) -> None:
        super().__init__()
        self.config = config
        self.skeleton = skeleton
        wanted = skeleton.joints if config.joints is None else tuple(config.joints)
        if unknown := sorted(set(wanted) - set(skeleton.joints)):
            raise ConfigError(
                f"features.joints: {skeleton.name} has no {', '.join(unknown)}, but {', '.join(skeleton.joints)}"
            )
        for key, on, part in (
            ("body_scale", config.body_scale, "scale_bone"),
            ("face_sensor", config.face_sensor, "shoulders"),
        ):
            if on:
                _check_skeleton(f"features.{key}=true", (part,), skeleton, f"features.{key}=false")
        self.joints = tuple(skeleton.index(joint) for joint in wanted)
        features = _make_features(config.channels, skeleton, self.joints)
        features = dict(sorted(features.items(), key=lambda item: item[1].per_window))
        if all(feature.per_window for feature in features.values()):
            raise ConfigError(
                f"features: {', '.join(features)} is about the whole window; switch on a feature of each frame as "
                "well, such as features.positions=true"
            )
        self.keys = tuple(features)
        self.channels = nn.ModuleList(features.values())
        self.names = tuple(name for feature in features.values() for name in feature.names)
        """Name of each channel, such as ``position:Head:x``."""
        self.summaries = sum(len(feature.names) for feature in features.values() if feature.per_window)
        """How many of the channels, the last ones, are about the whole window."""

    @property
    def non_causal(self) -> tuple[str, ...]:
        """The keys because of which a frame's channels depend on more than it and the `KEPT_FRAMES` before it."""
        config = self.config
        whole = {
            "features.centre=window": Centre(config.centre) is Centre.window,
            "features.body_scale=true": config.body_scale,
            "features.face_sensor=true": config.face_sensor,
        }
        whole |= {
            f"features.{key}" + ("" if is_guest(config.channels[key]) else "=true"): _looks_further(feature)
            for key, feature in zip(self.keys, self.channels, strict=True)
        }
        return tuple(key for key, applies in whole.items() if applies)

    def forward(self, positions: Positions) -> Float[Tensor, "batch frames features"]:
        """Channels, before any scaler."""
        config, skeleton = self.config, self.skeleton
        if config.body_scale:
            positions = positions / body_scale(positions, skeleton)
        if config.face_sensor:
            positions = face_sensor(positions, skeleton)
        positions = centre_on_root(positions, skeleton, Centre(config.centre))
        return torch.cat([feature(positions) for feature in self.channels], dim=2)


def _looks_further(feature: nn.Module) -> bool:
    assert isinstance(feature, Feature)
    return feature.per_window or feature.looks_back is None or feature.looks_back > KEPT_FRAMES


def _make_features(channels: Mapping[str, Any], skeleton: Skeleton, joints: tuple[int, ...]) -> dict[str, Feature]:
    """The features that are on, by key: built-in ones first."""
    for key, value in channels.items():
        if isinstance(value, bool) and key not in BUILT_IN:
            raise ConfigError(
                f"features.{key}={str(value).lower()}: there is no such feature; there are {', '.join(BUILT_IN)}, and "
                "features of your own as {_target_: mypackage.MyFeature} (null leaves one out)"
            )
    context = {"skeleton": skeleton, "joints": joints}
    features: dict[str, Feature] = {}
    for key, cls in BUILT_IN.items():
        if channels.get(key) is True:
            _check_skeleton(f"features.{key}=true", cls.requires, skeleton, f"features.{key}=false")
            features[key] = cls(**accepted(cls, context))
    for key in sorted(key for key, value in channels.items() if is_guest(value)):
        arguments = dict(channels[key])
        target = arguments.pop(TARGET)
        requires = getattr(locate(f"features.{key}", target), "requires", ())
        _check_skeleton(f"features.{key}", requires, skeleton, f"features.{key}=null")
        feature = construct(f"features.{key}", target, arguments, context)
        check_feature(f"features.{key} ({target})", feature, skeleton)
        taken = {name for other in features.values() for name in other.names}
        if again := [name for name in feature.names if name in taken]:
            raise ConfigError(f"features.{key} ({target}): another feature has a channel {again[0]} already")
        features[key] = feature
    return features


def _check_skeleton(key: str, requires: tuple[str, ...], skeleton: Skeleton, remedy: str) -> None:
    for part in requires:
        if not getattr(skeleton, part, None):
            raise ConfigError(
                f"{key} needs {part}, which skeleton {skeleton.name} does not name: add {part} to its definition, or "
                f"set {remedy}"
            )


def check_feature(what: str, feature: Any, skeleton: Skeleton) -> None:
    """Tries a feature on made-up motion.

    Args:
        what: Key and class, for errors.
        feature: Of the user's own, perhaps none.
        skeleton: Whose joints move.

    Raises:
        ConfigError: If it does not keep what `Feature` asks for.
    """
    if not isinstance(feature, Feature):
        raise ConfigError(
            f"{what}: must be a gesturelab.preprocessing.features.Feature, but is {type(feature).__name__}"
        )
    names: Any = getattr(feature, "names", None)
    if not isinstance(names, tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{what}: names must be a tuple with the name of each channel, not {names!r:.80}")
    if len(set(names)) < len(names):
        raise ConfigError(f"{what}: names has a channel twice")
    back: Any = feature.looks_back
    if back is not None and (not isinstance(back, int) or isinstance(back, bool) or back < 0):
        raise ConfigError(f"{what}: looks_back must be a whole number of frames, at least 0, or None, not {back!r:.80}")
    if any(parameter.requires_grad for parameter in feature.parameters()):
        raise ConfigError(f"{what}: must hold no weights that are learned; those belong into the network (model)")
    frames = max(16, 2 * (back or 0) + 2)
    motion = made_up_motion(skeleton, frames)
    whole = _channels(what, feature, motion)
    alone = torch.cat([_channels(what, feature, window[None]) for window in motion])
    if not _same(alone, whole):
        raise ConfigError(
            f"{what}: must depend on the window alone; asked again, without another window beside it, its values differ"
        )
    if feature.per_window and not _same(whole, whole[:, :1].expand_as(whole)):
        raise ConfigError(f"{what}: per_window=True, but its values differ from frame to frame")
    if back is None:
        _channels(what, feature, motion[:, :1])
        return
    for last in sorted({0, 1, back - 1, back, back + 1, frames // 2, frames - 2, frames - 1} & set(range(frames))):
        part = motion[:, max(last - back, 0) : last + 1]
        if not _same(_channels(what, feature, part)[:, -1], whole[:, last]):
            raise ConfigError(
                f"{what}: looks_back={back} is not true: its values in frame {last} of a window differ from those of "
                f"that frame and the {back} before it alone; say how many it needs, or None for the whole window"
            )


def _channels(what: str, feature: Feature, motion: Positions) -> Tensor:
    """The channels of made-up motion, if they are of the right shape and finite."""
    shape, before = (*motion.shape[:2], len(feature.names)), motion.clone()
    try:
        with torch.no_grad():
            channels: Any = feature(motion)
    except Exception as error:  # it is the user's code
        raise ConfigError(f"{what}: fails on positions of shape {tuple(motion.shape)}: {error}") from error
    got = tuple(channels.shape) if isinstance(channels, Tensor) else type(channels).__name__
    if not isinstance(channels, Tensor) or got[:2] != shape[:2] or len(got) != len(shape):
        raise ConfigError(
            f"{what}: must turn positions (batch, frames, joints, 3) into channels (batch, frames, channels); of shape "
            f"{tuple(motion.shape)} it makes {got}"
        )
    if channels.shape[2] != shape[2]:
        raise ConfigError(f"{what}: makes {channels.shape[2]} channels, but has {shape[2]} names")
    if channels.dtype != motion.dtype or not bool(channels.isfinite().all()):
        raise ConfigError(
            f"{what}: its values must be finite numbers of the type of positions (float32); on moving people "
            + (f"they are {channels.dtype}" if channels.dtype != motion.dtype else "some are NaN or infinite")
        )
    if not torch.equal(motion, before):
        raise ConfigError(f"{what}: must leave the positions that it is given as they are")
    return channels


def _same(values: Tensor, others: Tensor) -> bool:
    return torch.allclose(values, others, rtol=1e-3, atol=1e-4)
