"""IntelliRehabDS as a dataset: real people, patients and healthy, nine rehabilitation gestures."""

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from gesturelab.config.data import Form
from gesturelab.datasets.irds.files import GESTURES, IrdsFile, irds_files, recording_label
from gesturelab.datasets.irds.parse import MAX_FRAMES, Track, fill_untracked, impossible_values, parse
from gesturelab.datasets.recording import Dataset, Motion, Rejected, fingerprint
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.errors import RecordingError
from gesturelab.skeletons.skeleton import KINECT_V2


class Irds(RecordingSource):
    """The published recordings, with the published gestures and subjects.

    Args:
        root: As for `irds_files`.
        form: Which of the two published forms.
        rate_hz: What Simplified recordings are taken to have, and Raw ones are brought to.
    """

    gestures = GESTURES
    mirror_key = ""
    refuses_lone_subjects = False  # some of the published files may be here only; whom they lack, the split says
    skeleton = KINECT_V2

    def __init__(self, root: str, form: Form, rate_hz: float) -> None:
        self.root = root
        self._form = Form(form)
        self._rate_hz = rate_hz

    @cached_property
    def _files(self) -> tuple[IrdsFile, ...]:
        return irds_files(Path(str(self.root)), self._form)

    def __iter__(self) -> Iterator[Unread | Rejected]:
        """Every recording, unread; and the files whose names mean nothing."""
        for file in self._files:
            try:
                label = recording_label(file.name)
            except RecordingError as error:
                yield Rejected(file.name, str(error), f"{file.name}.txt")
                continue
            yield Unread(**label.columns, read=partial(self._motion, file), file=f"{file.name}.txt")

    def _motion(self, file: IrdsFile) -> Motion:
        return to_uniform_motion(parse(file.read(), self._form), self._rate_hz)

    def stamp(self) -> list[Any]:
        """Name, size and times of each recording's file, or its checksum in an archive."""
        return [[file.name, file.size, file.stamp] for file in self._files]

    def fingerprint(self, dataset: Dataset, options: Mapping[str, Any]) -> str:
        """Of the recordings used; what gestures become in a mirror is not the user's to say."""
        del options
        return fingerprint(dataset)


def to_uniform_motion(track: Track, rate_hz: float) -> Motion:
    """Positions at a uniform rate: values checked, untracked joints filled in, Raw resampled.

    Raises:
        RecordingError: If the recording cannot be used.
    """
    if (problem := impossible_values(track)) is not None:
        raise RecordingError(problem)
    positions = fill_untracked(track)
    if track.times_ms is not None:
        positions = resample(positions, track.times_ms, rate_hz)
    return Motion(positions, rate_hz)


def resample(
    positions: Float32[np.ndarray, "frames joints 3"], times_ms: Float64[np.ndarray, " frames"], rate_hz: float
) -> Float32[np.ndarray, "resampled joints 3"]:
    """Brings frames at any times to a uniform rate, linearly; a frame no later than one before it is passed over.

    Raises:
        RecordingError: If more than a tenth of the frames would be passed over, or the times span hours.
    """
    later = np.ones(len(times_ms), dtype=np.bool_)
    later[1:] = times_ms[1:] > np.maximum.accumulate(times_ms)[:-1]
    if later.mean() < 0.9:
        raise RecordingError("its timestamps do not run forward")
    times, positions = times_ms[later], positions[later]
    count = np.floor((times[-1] - times[0]) * rate_hz / 1000 + 1e-6) + 1
    if count > MAX_FRAMES:
        raise RecordingError(f"its timestamps span {(times[-1] - times[0]) / 3.6e6:.3g} hours")
    if len(times) == 1:
        return positions
    wanted = times[0] + np.arange(int(count)) * (1000 / rate_hz)
    left = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, len(times) - 2)
    share = ((wanted - times[left]) / np.diff(times)[left]).clip(0, 1)[:, None, None]
    return (positions[left] * (1 - share) + positions[left + 1] * share).astype(np.float32)
