"""UTKinect-Action3D: 10 people, 10 actions, twice each, cut out of continuous recordings.

Xia, Chen, Aggarwal, "View invariant human action recognition using histograms of 3D joints", CVPR workshops 2012. A
file ``joints_sSS_eEE.txt`` has a line a frame: its number (30 a second, every second one kept) and 20 joints x, y, z in
metres. ``actionLabel.txt`` says the first and last frame number of each action; ``actionLabel_modified.txt``, if it is
present, mends six of its lines. Lines that repeat a frame are passed over, and gaps are filled in linearly.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.irds.read import resample
from gesturelab.datasets.kinect_v1 import kinect_v1, read_rows
from gesturelab.datasets.recording import Motion, Recording, Rejected
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.datasets.untrimmed import BACKGROUND, Interval, UntrimmedRecording
from gesturelab.errors import ConfigError, DataError, RecordingError
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
        self._folder, self._rate_hz = Path(root).expanduser(), rate_hz

    def __iter__(self) -> Iterator[Recording | Unread | Rejected]:
        """Every action, unread.

        Raises:
            DataError: If the labels are missing or wrong.
        """
        for label in self._labels():
            name = f"{label.sequence}_{label.action}"
            if label.frames is None:
                yield Rejected(name, "it was not recorded")
                continue
            file, (first, last) = self._file(label.sequence), label.frames
            read = partial(_read_action, file, first, last, self._rate_hz)
            yield Unread(name, label.sequence[:3], label.action, read=read, file=f"{file}, frames {first} to {last}")

    def untrimmed(self) -> Iterator[UntrimmedRecording]:
        """The continuous recordings that the actions are cut out of, frames that are missing filled in linearly.

        Raises:
            DataError: If labels or a recording cannot be read.
        """
        for sequence, labels in groupby(self._labels(), lambda label: label.sequence):
            file = self._file(sequence)
            try:
                rows = _read_frames(file)
                start = rows[0, 0]
                motion = _to_motion(rows, self._rate_hz)
            except RecordingError as error:
                raise DataError(f"{file}: {error}") from error
            intervals = (
                Interval((label.frames[0] - start) / NUMBERS_HZ, (label.frames[1] - start) / NUMBERS_HZ, label.action)
                for label in labels
                if label.frames is not None
            )
            yield UntrimmedRecording(sequence, sequence[:3], motion, SKELETON, tuple(intervals))

    def _file(self, sequence: str) -> Path:
        return self._folder / f"joints_{sequence}.txt"

    def _labels(self) -> Iterator["_Label"]:
        """The labels of each sequence.

        Raises:
            DataError: If they are missing or wrong.
        """
        path = next((self._folder / name for name in LABELS if (self._folder / name).is_file()), None)
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
            frames = None if "NaN" in label.groups() else (int(label[2]), int(label[3]))
            yield _Label(sequence, label[1], frames)


class UTKinectUntrimmed(UTKinect):
    """The continuous recordings cut into windows: of actions, and of the background between them.

    Args:
        root: The folder with the files.
        rate_hz: Frames a second that recordings are brought to.
        window_s: How long a window lasts, in seconds; that of the network (window.length_frames at window.rate_hz).
        every_s: Seconds from window to window.

    Raises:
        ConfigError: If either is not above 0.
    """

    gestures = (*ACTIONS, BACKGROUND)

    def __init__(self, root: str, rate_hz: float, window_s: float, every_s: float) -> None:
        super().__init__(root, rate_hz)
        for key, seconds in (("window_s", window_s), ("every_s", every_s)):
            if not seconds > 0:
                raise ConfigError(f"data.{key}={seconds}: must be above 0")
        self._window_s, self._every_s = window_s, every_s

    def __iter__(self) -> Iterator[Recording]:
        """Every window.

        Raises:
            DataError: If labels or a recording cannot be read.
        """
        for recording in self.untrimmed():
            yield from recording.cut_windows(self._window_s, self._every_s)


@dataclass(frozen=True)
class _Label:
    """A line of the labels: the numbers of an action's first and last frame; None where it was not recorded."""

    sequence: str
    action: str
    frames: tuple[int, int] | None


def _read_action(path: Path, first: int, last: int, rate_hz: float) -> Motion:
    rows = _read_frames(path)
    rows = rows[(rows[:, 0] >= first) & (rows[:, 0] <= last)]
    if len(rows) == 0:
        raise RecordingError("it has no such frames")
    return _to_motion(rows, rate_hz)


def _read_frames(path: Path) -> Float64[np.ndarray, "frames columns"]:
    """Number and positions of each frame, once, in order."""
    rows = read_rows(path, 1 + 3 * len(SKELETON.joints))
    return rows[np.unique(rows[:, 0], return_index=True)[1]]


def _to_motion(rows: Float64[np.ndarray, "frames columns"], rate_hz: float) -> Motion:
    positions = rows[:, 1:].reshape(len(rows), -1, 3).astype(np.float32)
    return Motion(resample(positions, rows[:, 0] * (1000 / NUMBERS_HZ), rate_hz), rate_hz)
