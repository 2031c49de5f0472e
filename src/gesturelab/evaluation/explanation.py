"""Why an answer: how much less probable it is when a joint or a moment of the recording is hidden."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

from gesturelab.skeletons.skeleton import Skeleton

MOMENTS = 8
"""Parts of a recording, of equal length, that are hidden one after another."""

TOP = 3
"""So many joints are named."""

REST_SHARE = 15
"""The first 15th of a recording, at least one frame, is where a movement starts from."""

VISIBLE = 0.01
"""What lowers the answer's probability by less is not named in words."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Which joints and which moments carried the answer to one recording.

    Importance is by how much the log-odds of the answer fall (natural logarithm of its probability over that of all
    other answers together) when a joint or moment is hidden: it orders them as the fall of the probability does, and
    still tells them apart where the model is so sure that the probability hardly falls. Below zero, hiding it makes the
    answer more probable.

    Attributes:
        label: The answer that is explained, the most probable class.
        probability: Its probability with nothing hidden; not calibrated, as those that follow.
        joints: The model's joints.
        joint_importance: Of each joint, hidden in the whole recording.
        without_joint: The answer's probability with that joint hidden.
        starts: Where each moment begins, in seconds.
        ends: Where it ends, in seconds.
        moment_importance: Of each moment, with all joints hidden.
        without_moment: The answer's probability with that moment hidden.
    """

    label: str
    probability: float
    joints: tuple[str, ...]
    joint_importance: Float64[np.ndarray, " joints"]
    without_joint: Float64[np.ndarray, " joints"]
    starts: Float64[np.ndarray, " moments"]
    ends: Float64[np.ndarray, " moments"]
    moment_importance: Float64[np.ndarray, " moments"]
    without_moment: Float64[np.ndarray, " moments"]

    @property
    def top_joints(self) -> list[int]:
        """Indices of the most important joints, the first one most; only those whose hiding costs something."""
        best = np.argsort(-self.joint_importance, kind="stable")[:TOP]
        return best[self.joint_importance[best] > 0].tolist()

    @property
    def top_moment(self) -> int | None:
        """Index of the most important moment; None where hiding any costs nothing."""
        best = int(self.moment_importance.argmax())
        return best if self.moment_importance[best] > 0 else None

    @property
    def sentence(self) -> str:
        """The most important joints and the most important moment in words, if hiding them is seen in the answer."""
        joints = [
            f"{self.joints[joint]} ({self.without_joint[joint]:.2f})"
            for joint in self.top_joints
            if self.probability - self.without_joint[joint] >= VISIBLE
        ]
        parts = [", ".join(joints)] if joints else []
        moment = self.top_moment
        if moment is not None and self.probability - self.without_moment[moment] >= VISIBLE:
            seconds = f"{self.starts[moment]:.1f} to {self.ends[moment]:.1f} s"
            parts.append(f"{seconds} ({self.without_moment[moment]:.2f})")
        answer = f"{self.label} ({self.probability:.2f})"
        if not parts:
            least = min(self.probability, self.without_joint.min(), self.without_moment.min())
            return f"{answer} rests on no one joint or moment: without any of them it is at least {least:.2f}"
        return f"{answer} is less probable without {'; without '.join(parts)}"


def log_odds(probabilities: Float64[np.ndarray, "answers classes"], label: int) -> Float64[np.ndarray, " answers"]:
    """Natural logarithm of a class's probability over that of all others together.

    >>> log_odds(np.array([[0.2, 0.4, 0.4]]), 0).round(3).tolist()
    [-1.386]
    """
    least = np.finfo(np.float32).tiny  # networks answer in float32
    others = np.delete(probabilities, label, axis=1).sum(axis=1)
    return np.log(np.maximum(probabilities[:, label], least)) - np.log(np.maximum(others, least))


def hide_joints(
    positions: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton, joints: Sequence[int]
) -> Float32[np.ndarray, "frames joints 3"]:
    """The recording as if some joints had kept still: where they are, measured from the root, when it begins.

    The root itself keeps still measured from the joints that hang on it. Nothing moves to where a joint never is, such
    as the root or zero: networks answer such bodies at random.
    """
    hidden = positions.astype(np.float32)
    rest = max(len(positions) // REST_SHARE, 1)
    attached = [joint for joint, parent in enumerate(skeleton.parents) if parent == skeleton.root != joint]
    for joint in joints:
        anchors = attached or [joint] if joint == skeleton.root else [skeleton.root]
        anchor = positions[:, anchors].mean(axis=1)
        hidden[:, joint] = anchor + (positions[:rest, joint] - anchor[:rest]).mean(axis=0)
    return hidden


def hide_frames(
    positions: Float[np.ndarray, "frames joints 3"], first: int, end: int
) -> Float32[np.ndarray, "frames joints 3"]:
    """The recording without the frames from `first` to before `end`: a straight line between those beside them.

    So are the joints filled in that a sensor loses; at the beginning and at the end the nearest frame stands still.

    >>> hide_frames(np.array([[[0.0] * 3], [[9.0] * 3], [[2.0] * 3]]), 1, 2)[:, 0, 0].tolist()
    [0.0, 1.0, 2.0]
    """
    hidden = positions.astype(np.float32)
    last = len(positions) - 1
    before = first - 1 if first else min(end, last)
    after = end if end <= last else max(first - 1, 0)
    share = np.arange(1, end - first + 1)[:, None, None] / (end - first + 1)
    hidden[first:end] = positions[before] * (1 - share) + positions[after] * share
    return hidden
