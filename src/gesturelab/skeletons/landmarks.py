"""Landmarks of pose trackers, brought onto the 25 joints of the Kinect v2.

Every joint is a weighted mean of landmarks (weights may be negative: a point beyond another), so the rules below are
all there is to it. All trackers count x to the right of the picture, y downwards and z away from the camera; the
Kinect counts x to its own left, y upwards and z away. That is half a turn about z, so left stays left: a person who
faces the camera has the right shoulder at the larger x. A picture that was mirrored (a selfie) must be turned back
before it is tracked, or left and right change places.

``mediapipe_pose``: the 33 *world* landmarks of MediaPipe Pose, in metres from the middle of the hips, named like
`PoseLandmark` in lower case. Its picture landmarks (0 to 1) are no motion in metres, and will not do.

``openpose_25``: the 25 points of BODY_25 in three dimensions, in metres. Its usual output, two dimensions in pixels,
cannot be used. Points at exactly 0, 0, 0 were not seen.

``azure_kinect``: the 32 joints of Azure Kinect's body tracking.

A marker set of one's own becomes joints in the same way: see `gesturelab.skeletons.definition`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.config.data import Up
from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

Rules = Mapping[str, Mapping[str, float]]
"""For each joint the weights of landmarks, or of joints that stand above it in the table."""

_AXES = {
    Up.x: (-2, 1, 3),
    Up.y: (1, 2, 3),
    Up.z: (1, 3, -2),
    Up.x_down: (2, -1, 3),
    Up.y_down: (-1, -2, 3),
    Up.z_down: (1, -3, 2),
}
"""Which axis, counted from 1, becomes x, y and z, when that which points up becomes y; a turn, never a mirror."""


def turn_up(points: Float64[np.ndarray, "frames points 3"], up: Up) -> Float64[np.ndarray, "frames points 3"]:
    """Positions in axes whose y points up."""
    axes = np.array(_AXES[up])
    return points[..., np.abs(axes) - 1] * np.sign(axes)


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What a tracker gives, and which skeleton it becomes.

    Attributes:
        name: As in ``data.skeleton``.
        joints: Names of its landmarks, in its own order.
        skeleton: What the landmarks are brought onto.
        rules: How.
        zero_is_missing: Whether a landmark at exactly 0, 0, 0 was not seen.
        up: Which of its axes points up.
    """

    name: str
    joints: tuple[str, ...]
    skeleton: Skeleton
    rules: Rules
    zero_is_missing: bool = False
    up: Up = Up.y_down

    @property
    def weights(self) -> Float64[np.ndarray, "joints landmarks"]:
        """Of every landmark for every joint; those of a joint add up to 1."""
        landmarks = dict(zip(self.joints, np.eye(len(self.joints)), strict=True))
        rows: dict[str, np.ndarray] = {}
        for joint, parts in self.rules.items():
            rows[joint] = np.sum(
                [share * (landmarks[part] if part in landmarks else rows[part]) for part, share in parts.items()],
                axis=0,
            )
        return np.stack([rows[joint] if joint in rows else landmarks[joint] for joint in self.skeleton.joints])

    def to_joints(self, points: Float64[np.ndarray, "frames landmarks 3"]) -> Float64[np.ndarray, "frames joints 3"]:
        """Landmarks to joints, in the axes that landmarks are in."""
        return np.einsum("jl,fla->fja", self.weights, points)

    def onto_skeleton(
        self, points: Float64[np.ndarray, "frames landmarks 3"]
    ) -> Float64[np.ndarray, "frames joints 3"]:
        """Landmarks in the tracker's axes to joints in the skeleton's."""
        return self.to_joints(turn_up(points, self.up))


Layout = Skeleton | Landmarks
"""Whose joints a file names: a skeleton's own, or a tracker's."""


def skeleton_of(layout: Layout) -> Skeleton:
    """The skeleton that recordings have in the end."""
    return layout if isinstance(layout, Skeleton) else layout.skeleton


def _middle(first: str, second: str) -> dict[str, float]:
    return {first: 0.5, second: 0.5}


def _both(rule: Rules) -> Rules:
    """A rule for the left side, and the same for the right."""

    def turned(name: str) -> str:
        sides = (("Left", "Right"), ("left", "right"), ("LEFT", "RIGHT"))
        for left, right in sides:
            name = name.replace(left, right)
        return re.sub(r"^L(?=[A-Z])", "R", name)

    right = {turned(joint): {turned(part): share for part, share in parts.items()} for joint, parts in rule.items()}
    return {**rule, **right}


_TRUNK: dict[str, dict[str, float]] = {
    "SpineShoulder": _middle("ShoulderLeft", "ShoulderRight"),
    "SpineBase": _middle("HipLeft", "HipRight"),
    "SpineMid": _middle("SpineBase", "SpineShoulder"),
    "Neck": {"SpineShoulder": 2 / 3, "Head": 1 / 3},  # a third of the way up
}

_MEDIAPIPE_NAMES = """
nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear mouth_left
mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky right_pinky left_index
right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel
left_foot_index right_foot_index
"""

_MEDIAPIPE_JOINTS = ("Shoulder", "Elbow", "Wrist", "Thumb", "Hip", "Knee", "Ankle")
"""Joints that are landmarks too, on both sides."""

MEDIAPIPE_POSE = Landmarks(
    name="mediapipe_pose",
    joints=tuple(_MEDIAPIPE_NAMES.split()),
    skeleton=KINECT_V2,
    rules={
        **_both({f"{joint}Left": {f"left_{joint.lower()}": 1.0} for joint in _MEDIAPIPE_JOINTS}),
        **_both({"FootLeft": {"left_foot_index": 1.0}}),  # the tip of the foot
        "Head": _middle("left_ear", "right_ear"),
        **_TRUNK,
        **_both(
            {
                # index and pinky are knuckles: the palm lies between them and the wrist, the finger tips beyond
                "HandLeft": {"left_wrist": 1 / 3, "left_index": 1 / 3, "left_pinky": 1 / 3},
                "HandTipLeft": {"left_wrist": -0.5, "left_index": 0.75, "left_pinky": 0.75},
            }
        ),
    },
)
"""MediaPipe Pose (BlazePose): developers.google.com/mediapipe, Pose landmark detection."""

_OPENPOSE_NAMES = """
Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle REye LEye REar LEar
LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel
"""

_OPENPOSE_JOINTS = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")

OPENPOSE_25 = Landmarks(
    name="openpose_25",
    joints=tuple(_OPENPOSE_NAMES.split()),
    skeleton=KINECT_V2,
    rules={
        **_both({f"{joint}Left": {f"L{joint}": 1.0} for joint in _OPENPOSE_JOINTS}),
        "Head": _middle("LEar", "REar"),
        **_TRUNK,  # its own Neck is the middle of the shoulders, which the Kinect calls SpineShoulder
        **_both(
            {
                "FootLeft": _middle("LBigToe", "LSmallToe"),
                # it has no hands: they go on as the forearm does
                "HandLeft": {"WristLeft": 1.3, "ElbowLeft": -0.3},
                "HandTipLeft": {"WristLeft": 1.6, "ElbowLeft": -0.6},
                "ThumbLeft": {"WristLeft": 1.3, "ElbowLeft": -0.3},
            }
        ),
    },
    zero_is_missing=True,
)
"""OpenPose's BODY_25: Cao et al., IEEE TPAMI 43(1), 2021; its documentation, "Output format"."""

_AZURE_NAMES = """
PELVIS SPINE_NAVEL SPINE_CHEST NECK CLAVICLE_LEFT SHOULDER_LEFT ELBOW_LEFT WRIST_LEFT HAND_LEFT HANDTIP_LEFT THUMB_LEFT
CLAVICLE_RIGHT SHOULDER_RIGHT ELBOW_RIGHT WRIST_RIGHT HAND_RIGHT HANDTIP_RIGHT THUMB_RIGHT HIP_LEFT KNEE_LEFT ANKLE_LEFT
FOOT_LEFT HIP_RIGHT KNEE_RIGHT ANKLE_RIGHT FOOT_RIGHT HEAD NOSE EYE_LEFT EAR_LEFT EYE_RIGHT EAR_RIGHT
"""

_AZURE_JOINTS = ("Shoulder", "Elbow", "Wrist", "Hand", "HandTip", "Thumb", "Hip", "Knee", "Ankle", "Foot")

AZURE_KINECT = Landmarks(
    name="azure_kinect",
    joints=tuple(_AZURE_NAMES.split()),
    skeleton=KINECT_V2,
    rules={
        "SpineBase": {"PELVIS": 1.0},
        "SpineMid": {"SPINE_NAVEL": 1.0},
        "SpineShoulder": {"NECK": 1.0},  # its neck is where the collarbones meet the spine
        "Head": _middle("EAR_LEFT", "EAR_RIGHT"),
        "Neck": {"SpineShoulder": 2 / 3, "Head": 1 / 3},
        **_both({f"{joint}Left": {f"{joint.upper()}_LEFT": 1.0} for joint in _AZURE_JOINTS}),
    },
)
"""Azure Kinect's body tracking: learn.microsoft.com, "Azure Kinect body tracking joints"."""

LANDMARKS = {landmarks.name: landmarks for landmarks in (MEDIAPIPE_POSE, OPENPOSE_25, AZURE_KINECT)}
"""The trackers by name."""
