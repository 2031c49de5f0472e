"""``.skeleton`` of NTU RGB+D: for each frame the bodies of a Kinect v2, 25 joints each, in metres, y up, no times."""

import numpy as np

from gesturelab.config.data import Unit, Up
from gesturelab.datasets.formats.points import Points, choose_body
from gesturelab.datasets.irds.read import JOINTS, MAX_FRAMES
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout
from gesturelab.skeletons.skeleton import KINECT_V2

BODY_WORDS, JOINT_WORDS = 10, 12
"""Of a body's line (its id is the first), and of a joint's (x, y and z are the first, the last is 0 if untracked)."""


def parse_ntu(data: bytes, layout: Layout) -> Points:
    """The joints of the body that moves most.

    Raises:
        RecordingError: Naming the frame.
    """
    del layout
    words = data.split()
    size = BODY_WORDS + 1 + JOINTS * JOINT_WORDS
    bodies: dict[str, dict[int, np.ndarray]] = {}
    at, frame = 1, -1
    try:
        frames = int(words[0])
        if not 1 <= frames <= MAX_FRAMES:
            raise RecordingError(f"it says that it has {frames:,} frames; 1 to {MAX_FRAMES:,} are read")
        for frame in range(frames):
            count = int(words[at])
            at += 1
            for _ in range(count):
                body = words[at : at + size]
                if len(body) < size or int(body[BODY_WORDS]) != JOINTS:
                    raise ValueError
                joints = np.array(body[BODY_WORDS + 1 :], dtype=np.float64).reshape(JOINTS, JOINT_WORDS)
                seen = np.where(joints[:, -1:] == 0, np.nan, joints[:, :3])
                bodies.setdefault(f"body {body[0][:20].decode('ascii', 'replace')}", {})[frame] = seen
                at += size
    except (ValueError, IndexError):
        where = f"frame {frame + 1}" if frame >= 0 else "line 1"
        raise RecordingError(f"{where}: this is not a body of {JOINTS} joints; the file looks cut off") from None
    if at < len(words):
        raise RecordingError(f"more follows after frame {frames}, the last")
    return choose_body("NTU RGB+D", bodies, KINECT_V2.joints, unit=Unit.m, up=Up.y)
