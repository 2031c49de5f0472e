"""UTKinect-Action3D: 10 people, 10 actions, twice each, cut out of continuous recordings.

Xia, Chen, Aggarwal, "View invariant human action recognition using histograms of 3D joints", CVPR workshops 2012. A
file ``joints_sSS_eEE.txt`` has a line a frame: its number (30 a second, every second one kept) and 20 joints x, y, z in
metres. ``actionLabel.txt`` says the first and last frame number of each action; ``actionLabel_modified.txt``, if it is
present, mends six of its lines. Lines that repeat a frame are passed over, and gaps are filled in linearly.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from gesturelab.datasets.irds.read import resample
from gesturelab.datasets.kinect_v1 import kinect_v1, read_rows
from gesturelab.datasets.recording import Motion, Rejected
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.errors import DataError, RecordingError
from gesturelab.files import read_text

ACTIONS = ("walk", "sitDown", "standUp", "pickUp", "carry", "throw", "push", "pull", "waveHands", "clapHands")

SKELETON = kinect_v1(
    "utkinect",
    "HipCenter Spine ShoulderCenter Head ShoulderLeft ElbowLeft WristLeft HandLeft ShoulderRight ElbowRight WristRight "
    "HandRight HipLeft KneeLeft AnkleLeft FootLeft HipRight KneeRight AnkleRight FootRight",
)
NUMBERS_HZ = 30.0
"""Frame numbers a second."""
LABELS = ("actionLabel_modified.txt", "actionLabel.txt")
_LABEL = re.compile(r"(\w+): *(\d+|NaN) +(\d+|NaN)")


class UTKinect(RecordingSource):
    """The published skeletons, a recording for each action.

    Args:
        root: The folder with the files.
        rate_hz: Frames a second that recordings are brought to.
    """

    gestures = ACTIONS
    skeleton = SKELETON

    def __init__(self, root: str, rate_hz: float) -> None:
        self.root = root
        self._rate_hz = rate_hz

    def __iter__(self) -> Iterator[Unread | Rejected]:
        """Every action, unread.

        Raises:
            DataError: If the labels are missing or wrong.
        """
        folder = Path(str(self.root)).expanduser()
        path = next((folder / name for name in LABELS if (folder / name).is_file()), None)
        if path is None:
            raise DataError(f"data.root={self.root} holds no {' or '.join(LABELS)}")
        sequence = ""
        for number, line in enumerate(read_text(path).splitlines(), 1):
            text = line.strip()
            if re.fullmatch(r"s\d\d_e\d\d", text):
                sequence = text
                continue
            label = _LABEL.fullmatch(text)
            if not text:
                continue
            if label is None or not sequence or label[1] not in ACTIONS:
                raise DataError(f"{path}, line {number}: {text[:40]!r} is no action with its first and last frame")
            name = f"{sequence}_{label[1]}"
            if "NaN" in label.groups():
                yield Rejected(name, "it was not recorded")
                continue
            file = folder / f"joints_{sequence}.txt"
            first, last = int(label[2]), int(label[3])
            read = partial(_read_action, file, first, last, self._rate_hz)
            yield Unread(name, sequence[:3], label[1], read=read, file=f"{file}, frames {first} to {last}")


def _read_action(path: Path, first: int, last: int, rate_hz: float) -> Motion:
    rows = read_rows(path, 1 + 3 * len(SKELETON.joints))
    rows = rows[(rows[:, 0] >= first) & (rows[:, 0] <= last)]
    rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
    if len(rows) == 0:
        raise RecordingError("it has no such frames")
    positions = rows[:, 1:].reshape(len(rows), -1, 3).astype(np.float32)
    return Motion(resample(positions, rows[:, 0] * (1000 / NUMBERS_HZ), rate_hz), rate_hz)
