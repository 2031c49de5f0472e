"""A dataset of one's own: a folder of NPZ files, one a recording.

Each file holds ``positions`` (frames, joints, 3) in metres, ``rate_hz``, ``subject`` and ``gesture``. All else is done
by gesturelab: selection, cache, fingerprint, checks, splits by subject.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from gesturelab.datasets.recording import Motion, Rejected
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.skeletons.skeleton import KINECT_V2


class NpzFolder(RecordingSource):
    """Recordings in the 25 joints of the Kinect v2.

    Args:
        root: The folder with the files.
    """

    skeleton = KINECT_V2

    def __init__(self, root: str) -> None:
        self.root = root
        self.mirrored = {"wave": "none"}  # of one hand, and no gesture is that of the other

    def __iter__(self) -> Iterator[Unread | Rejected]:
        """Every file: who and what at once, positions when they are needed."""
        for path in sorted(Path(str(self.root)).glob("*.npz")):
            with np.load(path) as file:
                if "subject" not in file:
                    yield Rejected(path.stem, "it does not say who moved")
                    continue
                subject, gesture = str(file["subject"]), str(file["gesture"])
            yield Unread(path.stem, subject, gesture, read=partial(read, path), file=str(path))


def read(path: Path) -> Motion:
    """One recording's positions."""
    with np.load(path) as file:
        return Motion(file["positions"].astype(np.float32), float(file["rate_hz"]))
