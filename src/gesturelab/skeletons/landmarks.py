"""Landmarks of pose trackers, brought onto the 25 joints of the Kinect v2.

Every joint is a weighted mean of landmarks (weights may be negative: a point beyond another), so the rules below are
all there is to it. Both trackers count x to the right of the picture, y downwards and z away from the camera; the
Kinect counts x to its own left, y upwards and z away. That is half a turn about z, so left stays left: a person who
faces the camera has the right shoulder at the larger x. A picture that was mirrored (a selfie) must be turned back
before it is tracked, or left and right change places.

``mediapipe_pose``: the 33 *world* landmarks of MediaPipe Pose, in metres from the middle of the hips, named like
`PoseLandmark` in lower case. Its picture landmarks (0 to 1) are no motion in metres, and will not do.

``openpose_25``: the 25 points of BODY_25 in three dimensions, in metres. Its usual output, two dimensions in pixels,
cannot be used. Points at exactly 0, 0, 0 were not seen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.skeletons.skeleton import KINECT_V2, Skeleton

Rules = Mapping[str, Mapping[str, float]]
"""For each joint the weights of landmarks, or of joints that stand above it in the table."""

AXES = (-1.0, -1.0, 1.0)
"""From a picture's axes to the Kinect's."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What a tracker gives, and which skeleton it becomes.

    Attributes:
        name: As in ``data.skeleton``.
        joints: Names of its landmarks, in its own order.
        skeleton: What the landmarks are brought onto.
        rules: How.
        zero_is_missing: Whether a landmark at exactly 0, 0, 0 was not seen.
    """

    name: str
    joints: tuple[str, ...]
    skeleton: Skeleton
    rules: Rules
    zero_is_missing: bool = False

    @property
    def weights(self) -> Float64[np.ndarray, "joints landmarks"]:
        """Of every landmark for every joint; those of a joint add up to 1."""
        rows = dict(zip(self.joints, np.eye(len(self.joints)), strict=True))
        for joint, parts in self.rules.items():
            rows[joint] = np.sum([share * rows[part] for part, share in parts.items()], axis=0)
        return np.stack([rows[joint] for joint in self.skeleton.joints])

    def onto_skeleton(
        self, points: Float64[np.ndarray, "frames landmarks 3"]
    ) -> Float64[np.ndarray, "frames joints 3"]:
        """Landmarks in the tracker's axes to joints in the skeleton's."""
        return np.einsum("jl,fla->fja", self.weights, points) * np.array(AXES)


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
        return re.sub(r"^L(?=[A-Z])", "R", name.replace("Left", "Right").replace("left", "right"))

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

LANDMARKS = {landmarks.name: landmarks for landmarks in (MEDIAPIPE_POSE, OPENPOSE_25)}
"""The trackers by name."""
