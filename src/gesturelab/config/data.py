"""Schemas of what is read: recordings, windows, features and augmentation."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar

from gesturelab.config.options import GuestOptions, is_guest, target_of, to_plain
from gesturelab.config.rules import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, Checked, Rule, key
from gesturelab.errors import ConfigError


class Form(StrEnum):
    """The two published forms of IntelliRehabDS."""

    simplified = "simplified"
    raw = "raw"


class Unit(StrEnum):
    """What positions in a file are measured in."""

    m = "m"
    cm = "cm"
    mm = "mm"
    inch = "inch"


class Up(StrEnum):
    """Which axis of a file points up; ``y_down``: y points down, as in a picture."""

    x = "x"
    y = "y"
    z = "z"
    x_down = "x_down"
    y_down = "y_down"
    z_down = "z_down"


class Target(StrEnum):
    """What is to be recognised."""

    gesture = "gesture"
    correctness = "correctness"


@dataclass
class DataConfig(Checked):
    """Which recordings to use; every dataset has these keys."""

    GROUP: ClassVar[str] = "data"
    NAME: ClassVar[str] = ""

    _target_: str = ""
    """The dataset's class or function, which gives its recordings."""
    rate_hz: float = key(30.0, POSITIVE)
    """Frames a second: what files without times (such as Simplified ones) are taken to have, what files with times
    (such as Raw ones) are resampled to, what synthetic motion is made at."""
    target: Target = Target.gesture
    """What is to be recognised. gesture: which movement it is. correctness: whether the movement, whichever it is, was
    done correctly (label 1) or incorrectly (2; and 3, where data.correctness keeps it); the network is not told which
    movement was asked for."""
    gestures: list[str] | None = None
    """Gestures to keep, by name or number (elbow_flexion_left or 0); null keeps all."""
    unknown_gesture: str | None = None
    """A gesture, by name or number, that is left out of training and is no class; the test people's recordings of it
    are put to the finished model, which should answer "none of these" (unknown_<size>.csv)."""
    correctness: list[int] = field(default_factory=lambda: [1, 2])
    """Correctness labels to keep: 1 correct, 2 incorrect, 3 poorly executed."""
    subjects: list[str] | None = None
    """People to keep; null keeps all."""
    postures: list[str] | None = None
    """Postures to keep, such as stand, chair, wheelchair, sit, stand-frame; null keeps all."""
    max_files: int | None = key(None, COUNT)
    """Read at most this many recordings, spread evenly over people and gestures, for a quick try; null reads all."""
    strict: bool = False
    """Stop at the first recording that cannot be used; otherwise it is left out and reported by name."""
    cache_dir: str | None = None
    """Where parsed recordings are kept; null is the user's cache folder."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.correctness or not set(self.correctness) <= {1, 2, 3}:
            raise ConfigError(f"data.correctness={list(self.correctness)}: must be one or more of [1, 2, 3]")
        if self.target is Target.correctness and not (1 in self.correctness and {2, 3} & set(self.correctness)):
            raise ConfigError(
                f"data.correctness={self.correctness}: data.target=correctness needs correct movements (1) and "
                "incorrect ones (2) to tell apart; take [1,2]"
            )
        if self.target is Target.correctness and self.unknown_gesture is not None:
            raise ConfigError(
                f"data.unknown_gesture={self.unknown_gesture}: data.target=correctness does not tell gestures apart"
            )
        for name in ("subjects", "postures", "gestures"):
            if getattr(self, name) == []:
                raise ConfigError(f"data.{name}=[]: name at least one, or null for all")

    @property
    def source(self) -> str:
        """The dataset's name, as info files and tables have it."""
        return self.NAME or target_of(self).rpartition(".")[2]

    def move(self, root: str) -> None:
        """Lets it read its files in another place, if it reads files."""
        if isinstance(self, GuestOptions):
            if "root" in self.arguments:
                self.arguments["root"] = root
        elif hasattr(self, "root"):
            setattr(self, "root", root)  # noqa: B010 - of some schemas only


@dataclass
class GuestDataConfig(GuestOptions, DataConfig):
    """A dataset from outside gesturelab."""


@dataclass
class IrdsConfig(DataConfig):
    """IntelliRehabDS: real people, 9 gestures."""

    NAME = "irds"

    _target_: str = "gesturelab.datasets.irds.read.Irds"
    root: str = "data/irds"
    """The folder SkeletonData, the folder above it, one with the files directly, or the published zip."""
    form: Form = Form.simplified
    """Which of the two published forms to read."""


@dataclass
class SyntheticConfig(DataConfig):
    """Made-up people from a kinematic model: for trying things out, never for claims."""

    NAME = "synthetic"

    _target_: str = "gesturelab.datasets.synthetic.generate.Synthetic"
    people: int = key(16, COUNT)
    """How many people to make up; half of them patients."""
    repetitions: int = key(6, COUNT)
    """How often each person repeats each gesture."""
    seed: int = key(0, NOT_NEGATIVE)
    """Which made-up world: same seed, same recordings."""


@dataclass
class FolderConfig(DataConfig):
    """A user's own recordings."""

    NAME = "folder"

    _target_: str = "gesturelab.datasets.folder.read.Folder"
    root: str = "my_recordings"
    """The folder that holds labels.csv."""
    skeleton: str = "kinect_v2"
    """Whose joints the files name: kinect_v2; mediapipe_pose, openpose_25 or azure_kinect (they are brought onto the
    Kinect's); or a YAML file with a skeleton of your own, or with your markers."""
    unit: Unit | None = None
    """What the files' positions are in: m, cm, mm or inch; null: as each file says, and CSV and NPY in metres."""
    up: Up | None = None
    """Which axis of the files points up: x, y, z, x_down, y_down or z_down; null: as each file says, and CSV and NPY as
    the skeleton has it (y; y_down for mediapipe_pose and openpose_25)."""
    fill_frames: int = key(0, NOT_NEGATIVE)
    """A joint that is missing for at most so many frames is put between the frames where it is seen; a recording with
    a longer gap is not used."""
    zero_is_missing: bool = True
    """A joint at exactly 0, 0, 0 was lost by its sensor, and is put between the frames where it is seen; false: it is
    where it says."""


class Span(StrEnum):
    """What a window covers."""

    sliding = "sliding"
    whole = "whole"


class Short(StrEnum):
    """What happens to a recording that is shorter than a window."""

    pad = "pad"
    drop = "drop"


@dataclass
class WindowConfig(Checked):
    """How windows are cut from recordings; a window never crosses a recording."""

    GROUP: ClassVar[str] = "window"

    span: Span = Span.whole
    """sliding: windows of length_frames at rate_hz, every stride_frames. whole: one window a recording, its whole
    duration brought to length_frames (rate_hz and stride_frames are then not used)."""
    length_frames: int = key(64, Rule(minimum=2))
    """Frames in a window."""
    stride_frames: int = key(8, COUNT)
    """Frames from the start of one window to the start of the next."""
    rate_hz: float | None = key(10.0, POSITIVE)
    """Frames a second within a window (linear interpolation); null keeps each recording's own frames."""
    short: Short = Short.pad
    """A recording shorter than a window: pad repeats its last frame, drop leaves it out."""


class Centre(StrEnum):
    """What positions are measured from."""

    none = "none"
    frame = "frame"
    window = "window"


_FED = {
    "positions": True,
    "velocities": True,
    "displacements": False,
    "bones": False,
    "angles": False,
    "summary": False,
}
"""What is fed by default; those that are off are named in files as well, as version 0.1 did."""


@dataclass
class FeaturesConfig:
    """What the network sees of each frame; everything is computed from the window alone."""

    FREE: ClassVar[str] = "channels"

    centre: Centre = Centre.window
    """none: the sensor's coordinates. frame: from the skeleton's root in the same frame. window: from the root's mean
    over the window."""
    body_scale: bool = True
    """Divide by the length of the person's spine, so that tall and short people look alike."""
    face_sensor: bool = False
    """Turn the person about the vertical axis until the shoulders face the sensor."""
    joints: list[str] | None = None
    """Joints to feed, by the skeleton's names; null feeds all. Centre, scale, angles and summary use the whole
    skeleton."""
    scaler: bool = True
    """Bring each feature to mean 0 and deviation 1, fitted on training windows only."""
    channels: dict[str, Any] = field(default_factory=dict[str, Any])
    """Features by name: true or false for one that comes with gesturelab, {_target_: mypackage.MyFeature} with its own
    keys for one of your own (null leaves it out). In a file they stand beside the other keys."""

    def __post_init__(self) -> None:
        self.channels = _FED | self.channels
        for name, value in self.channels.items():
            if not (value is None or isinstance(value, bool) or is_guest(value)):
                raise ConfigError(
                    f"features.{name}={value}: must be true or false, or for a feature of your own "
                    "{_target_: mypackage.MyFeature} with its keys"
                )
        if not any(self.channels.values()):
            raise ConfigError("features: switch on one at least, such as features.positions=true")
        if self.joints is not None and not self.joints:
            raise ConfigError("features.joints=[]: name at least one joint, or null for all")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeaturesConfig) and to_plain(self) == to_plain(other)

    @property
    def free(self) -> dict[str, Any]:
        """The features that are on, and those that version 0.1 had: one that came later and is off changes no run."""
        return {name: value for name, value in self.channels.items() if value or name in _FED}


@dataclass
class AugmentConfig(Checked):
    """Random changes to training windows; others are mirrored by mirror_at_test, and else stay as they are."""

    GROUP: ClassVar[str] = "augment"
    FREE: ClassVar[str] = "guests"

    mirror_probability: float = key(0.0, Rule(minimum=0, maximum=1))
    """How often a window is mirrored left to right, with its label swapped."""
    rotation_deg: float = key(30.0, NOT_NEGATIVE)
    """Largest random turn about the vertical axis, in degrees."""
    noise_m: float = key(0.006, NOT_NEGATIVE)
    """Standard deviation of noise added to each joint, in metres."""
    speed: float = key(0.2, FRACTION)
    """Largest relative change of speed: 0.2 plays a window at 0.8 to 1.2 times its speed."""
    scale: float = key(0.0, FRACTION)
    """Largest relative change of body size: 0.1 makes people 0.9 to 1.1 times as large."""
    tilt_deg: float = key(10.0, NOT_NEGATIVE)
    """Largest random lean about each horizontal axis, in degrees, as of a sensor that hangs askew."""
    stretch: float = key(0.1, FRACTION)
    """Largest relative change of width, height and depth, each for itself: people of other proportions."""
    crop: float = key(0.1, Rule(minimum=0, maximum=0.4))
    """Largest share of a window that is left out at its start, and at its end; the rest is stretched to its length."""
    time_warp: float = key(0.3, FRACTION)
    """Largest relative change of speed within a window, whose start and end stay."""
    joint_offset_m: float = key(0.006, NOT_NEGATIVE)
    """Standard deviation of how far each joint is from where it should be during a whole window, in metres."""
    joint_dropout: float = key(0.05, FRACTION)
    """Chance that a joint is lost for a whole window (it then stays at the root)."""
    mirror_at_test: bool = False
    """Answer for a window with the mean of its probabilities and of its mirror image's, labels swapped back. Twice
    the work; validation does the same, so that the best epoch is chosen by what the test will see."""
    guests: dict[str, Any] = field(default_factory=dict[str, Any])
    """Changes of your own by name, each {_target_: mypackage.TimeWarp} with its own keys (null leaves it out). In a
    file they stand beside the other keys."""

    def __post_init__(self) -> None:
        for name, value in self.guests.items():
            if value is not None and not is_guest(value):
                raise ConfigError(
                    f"augment.{name}={value}: there is no such key; augment has "
                    f"{', '.join(each.name for each in fields(self) if each.name != self.FREE)}, and changes of your "
                    "own as {_target_: mypackage.TimeWarp} with their keys"
                )
        super().__post_init__()

    @property
    def free(self) -> dict[str, Any]:
        """The changes of the user's own that are on."""
        return {name: value for name, value in self.guests.items() if value}


DATASETS: tuple[type[DataConfig], ...] = (IrdsConfig, SyntheticConfig, FolderConfig)
"""The datasets that come with a schema."""
