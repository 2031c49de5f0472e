"""A recording: one person doing one gesture once; and a dataset: many of them in one array."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int64

from gesturelab.config.data import Target
from gesturelab.errors import DataError, RecordingError
from gesturelab.progress import show_progress
from gesturelab.runs.info import CORRECTNESS_CLASSES
from gesturelab.skeletons.definition import stored
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

CORRECTNESS = {1: "correct", 2: "incorrect", 3: "poorly executed"}
"""What the published correctness labels mean."""

FRAMES_AT_ONCE = 2**16
"""Frames that are hashed in one piece."""

IMPOSSIBLE_M = 20.0
"""No joint that a depth camera sees is farther from it than this, in metres (Kinect v2 reaches 8 m)."""


@dataclass(frozen=True)
class RecordingLabel:
    """What is known of a recording besides its motion; attributes as those of `Recording`."""

    name: str
    subject: str
    gesture: str
    _: KW_ONLY
    group: str = ""
    correctness: int = 1
    posture: str = ""

    @property
    def columns(self) -> dict[str, Any]:
        """The label's values by name, of which others are made."""
        return {each.name: getattr(self, each.name) for each in fields(RecordingLabel)}


def repetitions_of(labels: Sequence[RecordingLabel]) -> list[int]:
    """The number of each recording among those of its subject and gesture, from 1, in order of name.

    Numbers in names count by their value.

    >>> repetitions_of([RecordingLabel(f"wave_{number}", "Anna", "wave") for number in (10, 9)])
    [2, 1]
    """
    counts: Counter[tuple[str, str]] = Counter()
    numbers = [0] * len(labels)

    def by_value(place: int) -> list[tuple[int, str]]:
        parts = re.split(r"([0-9]+)", labels[place].name)
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    for place in sorted(range(len(labels)), key=by_value):
        label = labels[place]
        counts[label.subject, label.gesture] += 1
        numbers[place] = counts[label.subject, label.gesture]
    return numbers


@dataclass(frozen=True, eq=False)
class Motion:
    """How joints move, frame by frame.

    Attributes:
        positions: Metres, y up, in the skeleton's order of joints.
        rate_hz: Frames a second.
    """

    positions: Float32[np.ndarray, "frames joints 3"]
    rate_hz: float


@dataclass(frozen=True, eq=False)
class Recording:
    """One person doing one gesture once, checked at birth.

    Attributes:
        name: Unique within a dataset; the file's name without its ending.
        positions: Joint positions in metres, y up, z away from the sensor: (frames, joints, 3), kept as float32.
        rate_hz: Frames a second.
        subject: The person's id.
        gesture: The gesture's name.
        group: Which kind of person, such as ``patient`` or ``healthy``; may be empty.
        correctness: 1 correct, 2 incorrect, 3 poorly executed (see `CORRECTNESS`).
        posture: How the person stood or sat, such as ``chair``; may be empty.
        skeleton: Whose joints they are.

    Raises:
        RecordingError: If there is no frame, or a position is not finite or not possible.
    """

    name: str
    positions: np.ndarray
    rate_hz: float
    subject: str
    gesture: str
    group: str = ""
    correctness: int = 1
    posture: str = ""
    skeleton: Skeleton = KINECT_V2

    def __post_init__(self) -> None:
        positions = np.asanyarray(self.positions)
        if (problem := self._problem(positions)) is not None:
            error = RecordingError(problem)
            error.recording = self.name
            raise error
        object.__setattr__(self, "positions", positions.astype(np.float32, copy=False))

    def _problem(self, positions: np.ndarray) -> str | None:
        if positions.ndim != 3 or positions.shape[2] != 3 or positions.dtype.kind not in "fiu":
            return (
                f"its positions are {positions.dtype} of the shape {positions.shape}; they must be numbers of "
                "the shape (frames, joints, 3)"
            )
        if len(positions) == 0:
            return "it holds no frames"
        if not np.isfinite(positions).all():
            frame = int(np.argwhere(~np.isfinite(positions))[0][0])
            return f"frame {frame + 1} holds a value that is not finite"
        if (worst := float(np.abs(positions).max())) > IMPOSSIBLE_M:
            frame = int(np.argwhere(np.abs(positions) > IMPOSSIBLE_M)[0][0])
            return (
                f"frame {frame + 1} has a joint {worst:.4g} m from the sensor (at most {IMPOSSIBLE_M:g} is possible); "
                "positions must be in metres"
            )
        if not self.rate_hz > 0:
            return f"its rate is {self.rate_hz} frames a second"
        if self.correctness not in CORRECTNESS:
            return f"its correctness is {self.correctness}; it must be one of {list(CORRECTNESS)}"
        return None


@dataclass(frozen=True)
class Rejected:
    """A recording that was left out, and why."""

    recording: str
    reason: str
    file: str = field(default="", compare=False)
    """What errors call it; its name if empty."""

    def __str__(self) -> str:
        """Which file or recording cannot be used, and why."""
        return f"{self.file or self.recording}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Many recordings, their frames end to end in one array (which may be a memory map).

    Recording ``i`` owns the frames ``offsets[i]:offsets[i + 1]``. Columns have one value a recording.

    Attributes:
        source: The dataset's name, such as ``irds``.
        synthetic: True when no real person moved.
        gesture_names: What the gesture indices mean.
        mirrored_gestures: For each gesture the index of the one it becomes when left and right are swapped; -1 where
            that gesture is not kept or not known, -2 where there is none.
        fingerprint: Hash of everything that a result can depend on; equal only for equal recordings.
        rejected: Recordings that were left out, with reasons.
        mirror_key: Where a user can say what a gesture becomes in a mirror; empty where that is known for certain.
        target: What is to be recognised: it says what the classes are.
    """

    source: str
    synthetic: bool
    skeleton: Skeleton
    gesture_names: tuple[str, ...]
    mirrored_gestures: tuple[int, ...]
    positions: Float32[np.ndarray, "frames joints 3"]
    offsets: Int64[np.ndarray, " recordings_plus_1"]
    rates_hz: Float64[np.ndarray, " recordings"]
    names: tuple[str, ...]
    subjects: tuple[str, ...]
    groups: tuple[str, ...]
    gestures: Int64[np.ndarray, " recordings"]
    correctness: Int64[np.ndarray, " recordings"]
    postures: tuple[str, ...]
    fingerprint: str
    rejected: tuple[Rejected, ...] = field(default=())
    mirror_key: str = ""
    target: Target = Target.gesture

    def __len__(self) -> int:
        """How many recordings there are."""
        return len(self.names)

    def __getitem__(self, index: int) -> Recording:
        """One recording; its positions are a view."""
        return Recording(
            name=self.names[index],
            positions=self.positions[self.offsets[index] : self.offsets[index + 1]],
            rate_hz=float(self.rates_hz[index]),
            subject=self.subjects[index],
            group=self.groups[index],
            gesture=self.gesture_names[self.gestures[index]],
            correctness=int(self.correctness[index]),
            posture=self.postures[index],
            skeleton=self.skeleton,
        )

    @property
    def frame_counts(self) -> Int64[np.ndarray, " recordings"]:
        """Frames in each recording."""
        return np.diff(self.offsets)

    @property
    def seconds(self) -> Float64[np.ndarray, " recordings"]:
        """How long each recording lasts."""
        return self.frame_counts / self.rates_hz

    @property
    def class_names(self) -> tuple[str, ...]:
        """What a network tells apart."""
        return CORRECTNESS_CLASSES if self.target is Target.correctness else self.gesture_names

    @property
    def classes(self) -> Int64[np.ndarray, " recordings"]:
        """The class of each recording: its gesture, or 0 for a correct movement and 1 for any other."""
        return (self.correctness != 1).astype(np.int64) if self.target is Target.correctness else self.gestures

    @property
    def mirrored_classes(self) -> tuple[int, ...]:
        """For each class the one it becomes when left and right are swapped; -1 where that is not in the dataset.

        A mirrored movement is as correct as it was, but it is another gesture.
        """
        return (0, 1) if self.target is Target.correctness else self.mirrored_gestures

    @property
    def people(self) -> dict[str, str]:
        """Each person's group, in order of id."""
        return dict(sorted(zip(self.subjects, self.groups, strict=True)))


def pack(
    recordings: Iterable[Recording],
    *,
    source: str,
    synthetic: bool,
    gesture_names: Sequence[str],
    mirrored_gestures: Sequence[int],
    fingerprint: str,
    skeleton: Skeleton = KINECT_V2,
    mirror_key: str = "",
    file: Path | None = None,
) -> Dataset:
    """Lays recordings end to end, in order of name.

    Args:
        recordings: In order of name, if there is a file; then they are taken one after another.
        source: See `Dataset`, as what follows.
        synthetic: As there.
        gesture_names: As there.
        mirrored_gestures: As there.
        fingerprint: As there.
        skeleton: As there.
        mirror_key: As there.
        file: Where positions are written to, in numpy's form, so that memory holds one recording at a time; the
            dataset's are then a memory map of it. None: memory holds all.

    Raises:
        RecordingError: If two share a name, or one has another number of joints than the skeleton.
        DataError: If there are none.
        OSError: If the file cannot be written.
    """
    numbers = {name: number for number, name in enumerate(gesture_names)}
    rows: list[tuple[str, str, str, int, int, str, float, int]] = []

    def take_positions() -> Iterator[Float32[np.ndarray, "_ joints 3"]]:
        for each in recordings if file is not None else sorted(recordings, key=lambda recording: recording.name):
            if rows and rows[-1][0] == each.name:
                raise RecordingError(f"two recordings are called {each.name!r}; names must be unique")
            if (joints := each.positions.shape[1]) != len(skeleton.joints):
                raise RecordingError(
                    f"recording {each.name!r} has {joints} joints, but its skeleton {skeleton.name} has "
                    f"{len(skeleton.joints)}"
                )
            number, frames = numbers[each.gesture], len(each.positions)
            label = (each.name, each.subject, each.group, number, each.correctness, each.posture)
            rows.append((*label, each.rate_hz, frames))
            yield each.positions

    if file is None:
        parts = list(take_positions())
        positions = np.concatenate(parts) if parts else np.zeros((0, len(skeleton.joints), 3), np.float32)
    else:
        positions = _write_positions(file, len(skeleton.joints), take_positions())
    if not rows:
        raise DataError(f"dataset {source!r} holds no usable recording")
    names, subjects, groups, gestures, correctness, postures, rates_hz, frames = zip(*rows, strict=True)
    return Dataset(
        source=source,
        synthetic=synthetic,
        skeleton=skeleton,
        gesture_names=tuple(gesture_names),
        mirrored_gestures=tuple(mirrored_gestures),
        positions=positions,
        offsets=np.cumsum([0, *frames], dtype=np.int64),
        rates_hz=np.array(rates_hz, dtype=np.float64),
        names=names,
        subjects=subjects,
        groups=groups,
        gestures=np.array(gestures, dtype=np.int64),
        correctness=np.array(correctness, dtype=np.int64),
        postures=postures,
        fingerprint=fingerprint,
        mirror_key=mirror_key,
    )


def _write_positions(
    path: Path, joints: int, parts: Iterable[Float32[np.ndarray, "_ joints 3"]]
) -> Float32[np.ndarray, "frames joints 3"]:
    """Writes frames end to end as ``np.save`` writes an array of all; returns a read-only memory map of them."""
    header = {"descr": "<f4", "fortran_order": False}
    frames = 0
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header | {"shape": (0, joints, 3)})
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype="<f4").data)
            frames += len(part)
        file.seek(0)  # numpy leaves room in a header for any number of frames
        np.lib.format.write_array_header_1_0(file, header | {"shape": (frames, joints, 3)})
    if frames == 0:
        return np.zeros((0, joints, 3), np.float32)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 of the recordings used, to the bit, and their labels; it does not depend on where the files lie."""
    columns = [
        dataset.source,
        stored(dataset.skeleton),
        dataset.gesture_names,
        dataset.names,
        dataset.subjects,
        dataset.groups,
        dataset.postures,
        dataset.gestures.tolist(),
        dataset.correctness.tolist(),
        dataset.rates_hz.tolist(),
        dataset.offsets.tolist(),
    ]
    digest = hashlib.sha256(json.dumps(columns).encode())
    hash_positions(digest.update, dataset.positions)
    return digest.hexdigest()


def hash_positions(update: Callable[[Any], None], positions: Float32[np.ndarray, "frames joints 3"]) -> None:
    """Gives all positions to a hash's ``update``, piece by piece: gigabytes take a while."""
    starts = range(0, len(positions), FRAMES_AT_ONCE)
    for start in show_progress(starts, "computing the checksum of positions"):
        update(np.ascontiguousarray(positions[start : start + FRAMES_AT_ONCE], dtype="<f4").data)


def frame_marks(dataset: Dataset) -> Int64[np.ndarray, " frames"]:
    """A number for each frame: equal for equal frames, and different (but for a chance of 1 in 10**9) for others."""
    bits = np.ascontiguousarray(dataset.positions).reshape(len(dataset.positions), -1).view(np.uint32)
    factors = np.random.default_rng(0).integers(1, 2**63, size=bits.shape[1], dtype=np.uint64) | np.uint64(1)
    marks = np.zeros(len(bits), dtype=np.uint64)
    for column, factor in enumerate(factors):
        marks += bits[:, column].astype(np.uint64) * factor  # modulo 2**64
    return marks.view(np.int64)
