"""What the network sees: features of a window, computed from its positions alone.

Nothing here looks outside the window, so that training, a test recording and a live stream cannot differ.
"""

from functools import cache

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.data import Centre, FeaturesConfig
from gesturelab.errors import ConfigError
from gesturelab.preprocessing.summary import summarise, summary_names
from gesturelab.skeletons.skeleton import Skeleton

SMALLEST_MOTION = 0.15
"""A largest displacement below this is taken for this (in spine lengths with body_scale, in metres without)."""

START_FRACTION = 15
"""The first 15th of a window, at least one frame, is where a movement starts from."""

Positions = Float[Tensor, "batch frames joints 3"]

SMALLEST_BODY_M = 0.1
"""Spines shorter than this are a sensor's mistake; dividing by them would blow positions up."""


@cache
def _index(joints: tuple[int, ...], device: torch.device) -> Int64[Tensor, " chosen"]:
    with torch.inference_mode(False):  # it outlives whatever mode it was first needed in
        return torch.tensor(joints, device=device)


def pick(positions: Positions, joints: tuple[int, ...]) -> Float[Tensor, "batch frames chosen 3"]:
    """Some joints, in the order given: what ``positions[:, :, list(joints)]`` is, in a third of the time."""
    return positions.index_select(2, _index(joints, positions.device))


def centre_on_root(positions: Positions, skeleton: Skeleton, centre: Centre) -> Positions:
    """Positions measured from the root joint of each frame, or from its mean over the window."""
    root = positions[:, :, skeleton.root : skeleton.root + 1]
    if centre is Centre.window:
        root = root.mean(dim=1, keepdim=True)
    return positions if centre is Centre.none else positions - root


def body_scale(positions: Positions, skeleton: Skeleton) -> Float[Tensor, "batch 1 1 1"]:
    """The mean length of the scale bone over the window, in metres, at least `SMALLEST_BODY_M`."""
    child, parent = skeleton.scale_bone
    lengths = (positions[:, :, child] - positions[:, :, parent]).norm(dim=-1)  # batch frames
    return lengths.mean(dim=1).clamp(min=SMALLEST_BODY_M)[:, None, None, None]


def face_sensor(positions: Positions, skeleton: Skeleton) -> Positions:
    """Turns each window about the vertical (y) axis until its mean shoulder line is parallel to the sensor's x axis."""
    left, right = skeleton.shoulders
    line = (positions[:, :, right] - positions[:, :, left]).mean(dim=1)  # batch 3
    angle = torch.atan2(line[:, 2], line[:, 0])
    return rotate_vertical(positions, angle)


def rotate_vertical(positions: Positions, angle: Float[Tensor, " batch"]) -> Positions:
    """Turns x and z by an angle in radians about the origin: a point at that angle from x comes to z = 0."""
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    x, y, z = positions.unbind(dim=-1)
    return torch.stack([cosine * x + sine * z, y, cosine * z - sine * x], dim=-1)


def velocities(positions: Positions) -> Positions:
    """The change of each position since the frame before; zero in the first frame of the window."""
    return torch.diff(positions, dim=1, prepend=positions[:, :1])


def displacements(positions: Positions) -> Positions:
    """Displacement from the window's first frames, divided by the largest displacement of any joint in the window.

    The largest displacement counts as at least `SMALLEST_MOTION`, so that noise on a person at rest stays small.
    """
    start = positions[:, : max(positions.shape[1] // START_FRACTION, 1)].mean(dim=1, keepdim=True)
    moved = positions - start
    reach = moved.norm(dim=-1).flatten(1).amax(dim=1)  # batch
    return moved / reach.clamp(min=SMALLEST_MOTION)[:, None, None, None]


def bones(positions: Positions, skeleton: Skeleton) -> Positions:
    """The vector from each joint's parent to the joint; zero for the root."""
    return positions - pick(positions, skeleton.parents)


def bend_cosines(positions: Positions, skeleton: Skeleton) -> Float[Tensor, "batch frames bends"]:
    """Cosine of the angle at each bend: -1 is straight, 1 is folded; 0 where a bone has no length."""
    one, vertex, other = (pick(positions, joints) for joints in zip(*skeleton.bends, strict=True))
    return functional.cosine_similarity(one - vertex, other - vertex, dim=-1)


class Features(nn.Module):
    """Positions in metres to features, one row a frame.

    In order: positions, velocities, displacements, bones (those that are on), within each by joint, then x, y, z; then
    angles; then the summary, the same in each frame of a window.

    Raises:
        ConfigError: If a joint to feed is not one of the skeleton's, or the skeleton lacks what a feature needs.
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
            ("angles", config.angles, "bends"),
            ("summary", config.summary, "arms"),
            ("summary", config.summary, "legs"),
        ):
            if on and not getattr(skeleton, part):
                raise ConfigError(
                    f"features.{key}=true needs {part}, which skeleton {skeleton.name} does not name: add {part} to "
                    f"its definition, or set features.{key}=false"
                )
        self.joints = tuple(skeleton.index(joint) for joint in wanted)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each feature, such as ``position:Head:x``."""
        kinds = (
            ("position", self.config.positions),
            ("velocity", self.config.velocities),
            ("displacement", self.config.displacements),
            ("bone", self.config.bones),
        )
        joints = self.skeleton.joints
        angles = tuple(f"angle:{':'.join(joints[joint] for joint in bend)}" for bend in self.skeleton.bends)
        return (
            tuple(
                f"{kind}:{joints[joint]}:{axis}" for kind, on in kinds if on for joint in self.joints for axis in "xyz"
            )
            + (angles if self.config.angles else ())
            + (summary_names(self.skeleton) if self.config.summary else ())
        )

    @property
    def summaries(self) -> int:
        """How many of the features, the last ones, are about the whole window."""
        return len(summary_names(self.skeleton)) if self.config.summary else 0

    def forward(self, positions: Positions) -> Float[Tensor, "batch frames features"]:
        """Features, before any scaler."""
        config, skeleton = self.config, self.skeleton
        if config.body_scale:
            positions = positions / body_scale(positions, skeleton)
        if config.face_sensor:
            positions = face_sensor(positions, skeleton)
        positions = centre_on_root(positions, skeleton, Centre(config.centre))
        parts: list[Tensor] = []
        if config.positions:
            parts.append(positions)
        if config.velocities:
            parts.append(velocities(positions))
        if config.displacements:
            parts.append(displacements(positions))
        if config.bones:
            parts.append(bones(positions, skeleton))
        if self.joints != tuple(range(len(skeleton.joints))):
            parts = [pick(part, self.joints) for part in parts]
        features = [part.flatten(2) for part in parts]
        if config.angles:
            features.append(bend_cosines(positions, skeleton))
        if config.summary:
            features.append(summarise(positions, skeleton)[:, None].expand(-1, positions.shape[1], -1))
        return torch.cat(features, dim=2)
