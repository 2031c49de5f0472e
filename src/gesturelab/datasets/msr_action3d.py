"""MSR-Action3D: 10 people, 20 actions, each up to three times, in front of a depth camera.

Li, Zhang, Liu, "Action Recognition Based on a Bag of 3D Points", CVPR workshops 2010. A file
``aAA_sSS_eEE_skeleton3D.txt`` is of an action, subject and repetition: one line a joint (x, y, z in metres and a
confidence), 20 lines a frame, 15 frames a second. Parts of recordings of subject 09 stand in two or three files
(actions 13 and 14): one subject's, so that no split by subject divides them.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from gesturelab.datasets.kinect_v1 import kinect_v1, read_rows
from gesturelab.datasets.recording import Motion
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.errors import DataError, RecordingError

ACTIONS = (
    *("high_arm_wave", "horizontal_arm_wave", "hammer", "hand_catch", "forward_punch", "high_throw", "draw_x"),
    *("draw_tick", "draw_circle", "hand_clap", "two_hand_wave", "side_boxing", "bend", "forward_kick", "side_kick"),
    *("jogging", "tennis_swing", "tennis_serve", "golf_swing", "pickup_and_throw"),
)
"""Actions 1 to 20."""

SKELETON = kinect_v1(
    "msr_action3d",
    "ShoulderLeft ShoulderRight ShoulderCenter Spine HipLeft HipRight HipCenter ElbowLeft ElbowRight WristLeft "
    "WristRight HandLeft HandRight KneeLeft KneeRight AnkleLeft AnkleRight FootLeft FootRight Head",
)
RATE_HZ = 15.0
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_skeleton3D\.txt")


class MSRAction3D(RecordingSource):
    """The published skeletons.

    Args:
        root: The folder with the files.
    """

    gestures = ACTIONS
    skeleton = SKELETON

    def __init__(self, root: str) -> None:
        self.root = root

    def __iter__(self) -> Iterator[Unread]:
        """Every recording, unread, in order of name.

        Raises:
            DataError: If there are none.
        """
        folder = Path(str(self.root)).expanduser()
        named = [(path, _NAME.fullmatch(path.name)) for path in sorted(folder.glob("a*_skeleton3D.txt"))]
        recordings = [(path, match.groups()) for path, match in named if match and 1 <= int(match[1]) <= len(ACTIONS)]
        if not recordings:
            raise DataError(f"data.root={self.root} holds no recording: looked for {folder}/aAA_sSS_eEE_skeleton3D.txt")
        for path, (action, subject, _) in recordings:
            yield Unread(
                name=path.name.removesuffix("_skeleton3D.txt"),
                subject=f"s{subject}",
                gesture=ACTIONS[int(action) - 1],
                read=partial(_read_motion, path),
                file=str(path),
            )


def _read_motion(path: Path) -> Motion:
    joints = len(SKELETON.joints)
    positions = read_rows(path, 4 * joints).reshape(-1, joints, 4)[:, :, :3].astype(np.float32)
    return Motion(without_lost_frames(positions), RATE_HZ)


def without_lost_frames(
    positions: Float32[np.ndarray, "frames joints 3"],
) -> Float32[np.ndarray, "kept_frames joints 3"]:
    """Positions without the frames at exactly 0, 0, 0, in which the sensor saw nobody (1,113 frames of 20 files).

    Those before the first and after the last seen frame are left out, those between are filled in linearly.

    Raises:
        RecordingError: If more than half of the frames are lost.
    """
    seen = np.flatnonzero((positions != 0).any(axis=(1, 2)))
    if (lost := len(positions) - len(seen)) * 2 > len(positions):
        raise RecordingError(f"the sensor saw nobody in {lost} of {len(positions)} frames")
    frames = np.arange(seen[0], seen[-1] + 1)
    flat = positions.reshape(len(positions), -1)
    filled = np.stack([np.interp(frames, seen, column[seen]) for column in flat.T], axis=1)
    return filled.reshape(len(frames), *positions.shape[1:]).astype(np.float32)
