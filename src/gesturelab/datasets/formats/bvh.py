"""BVH: a hierarchy of joints with offsets, and for each frame the angles of each; positions follow from them.

The form says neither unit nor which axis points up.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.formats.points import Points, refuse_too_many
from gesturelab.datasets.irds.read import MAX_FRAMES
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout

MAX_JOINTS = 1000
FRAMES_AT_ONCE = 4096
LARGEST = 1e9
"""No offset and no angle is larger."""


@dataclass
class _Joint:
    """A joint; its channels are axis and place in a line of numbers, in order."""

    name: str
    parent: int
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    moves: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    turns: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


def parse_bvh(data: bytes, layout: Layout) -> Points:
    """Positions of all joints; the end of a chain is called like its joint, with ``_End``.

    Raises:
        RecordingError: Naming what is wrong.
    """
    del layout
    text = data.decode("utf-8", "replace")
    head, marker, motion = text.partition("MOTION")
    if not marker:
        raise RecordingError("it has no MOTION: the file looks cut off")
    joints, channels = _read_hierarchy(head.split())
    words = motion.split(maxsplit=5)
    try:
        if (words[0], words[2:4]) != ("Frames:", ["Frame", "Time:"]):
            raise ValueError
        frames, step_s = int(words[1]), float(words[4])
        numbers = np.array(words[5].split() if len(words) > 5 else [], dtype=np.float64)
    except (ValueError, IndexError):
        raise RecordingError("after MOTION must come Frames:, Frame Time: and numbers alone") from None
    if not (1 <= frames <= MAX_FRAMES and 0 < step_s < 10):
        raise RecordingError(f"it says {frames} frames with {step_s:g} s between them")
    refuse_too_many(frames, len(joints))
    if len(numbers) != frames * channels:
        raise RecordingError(
            f"it holds {len(numbers):,} numbers, not {frames:,} frames of {channels} channels; it looks cut off"
        )
    rows = numbers.reshape(frames, channels)
    possible = (np.abs(rows) < LARGEST).all(axis=1)
    if not possible.all():
        raise RecordingError(f"frame {int(np.argmin(possible)) + 1} holds what is no possible number")
    values = np.concatenate([_pose(joints, rows[at : at + FRAMES_AT_ONCE]) for at in range(0, frames, FRAMES_AT_ONCE)])
    return Points("BVH", values, tuple(joint.name for joint in joints), 1000 * step_s * np.arange(frames))


def _read_hierarchy(words: list[str]) -> tuple[list[_Joint], int]:
    """The joints, parents before children, and how many numbers a frame has."""
    joints: list[_Joint] = []
    above = [-1]
    channels, at = 0, 1
    try:
        while at < len(words):
            word = words[at].upper()
            if word in ("ROOT", "JOINT", "END"):
                start = words.index("{", at)
                name = f"{joints[above[-1]].name}_End" if word == "END" else " ".join(words[at + 1 : start])
                joints.append(_Joint(name, above[-1]))
                if len(joints) > MAX_JOINTS:
                    raise RecordingError(f"it has more than {MAX_JOINTS:,} joints")
                above.append(len(joints) - 1)
                at = start + 1
            elif word == "OFFSET":
                joints[above[-1]].offset = offset = np.array(words[at + 1 : at + 4], dtype=np.float64)
                if offset.shape != (3,) or not (np.abs(offset) < LARGEST).all():
                    raise ValueError
                at += 4
            elif word == "CHANNELS":
                count = int(words[at + 1])
                for channel in words[at + 2 : at + 2 + count]:
                    axis, kind = "XYZ".index(channel[0].upper()), channel[1:].lower()
                    {"position": joints[above[-1]].moves, "rotation": joints[above[-1]].turns}[kind].append(
                        (axis, channels)
                    )
                    channels += 1
                at += 2 + max(count, 0)
            elif word == "}":
                above.pop()
                at += 1
            else:
                raise ValueError
        if above != [-1] or not joints:
            raise ValueError
    except (ValueError, IndexError, KeyError):
        near = " ".join(words[at : at + 4])[:60]
        raise RecordingError(f"its HIERARCHY cannot be read near {near!r}") from None
    return joints, channels


def _pose(joints: list[_Joint], rows: Float64[np.ndarray, "frames channels"]) -> Float64[np.ndarray, "frames joints 3"]:
    """Where joints are; channels of position stand in place of the offset, as programs write them."""
    places = np.empty((len(rows), len(joints), 3))
    turns: list[np.ndarray] = []
    for number, joint in enumerate(joints):
        offset = np.tile(joint.offset, (len(rows), 1))
        for axis, place in joint.moves:
            offset[:, axis] = rows[:, place]
        if joint.parent < 0:
            places[:, number], turn = offset, np.eye(3)
        else:
            turn = turns[joint.parent]
            places[:, number] = places[:, joint.parent] + (turn @ offset[..., None])[..., 0]
        for axis, place in joint.turns:
            turn = turn @ _rotations(axis, np.radians(rows[:, place]))
        turns.append(turn)
    return places


def _rotations(axis: int, angles: Float64[np.ndarray, " frames"]) -> Float64[np.ndarray, "frames 3 3"]:
    one, other = (axis + 1) % 3, (axis + 2) % 3
    turns = np.zeros((len(angles), 3, 3))
    turns[:, axis, axis] = 1
    turns[:, one, one] = turns[:, other, other] = np.cos(angles)
    turns[:, other, one] = np.sin(angles)
    turns[:, one, other] = -turns[:, other, one]
    return turns
