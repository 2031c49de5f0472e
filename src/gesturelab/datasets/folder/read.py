"""A folder of a user's own recordings as a dataset."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from gesturelab.config.data import Unit, Up
from gesturelab.datasets.folder.labels import FILE, LabelRow, read_labels
from gesturelab.datasets.formats.files import read_frames, timed, to_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.datasets.recording import Motion
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.skeletons.definition import layout, stored_layout
from gesturelab.skeletons.landmarks import skeleton_of

log = logging.getLogger(__name__)

MADE_UP = "MADE_UP.txt"
"""A folder with this file holds motion that nobody made; every result from it says so."""


class Folder(RecordingSource):
    """The recordings that the folder's table names; those of a tracker come onto its skeleton.

    Args:
        root: The folder.
        skeleton: Whose joints the files name, as `gesturelab.skeletons.definition.layout` takes it.
        rate_hz: What files with times are brought to, and files without are taken to have.
        fill_frames: As for `gesturelab.datasets.formats.points.Reading`, as the others.
        zero_is_missing: As there.
        unit: As there.
        up: As there.
    """

    mirror_key = f"the column mirrored of {FILE}"

    def __init__(
        self,
        root: str,
        skeleton: str,
        rate_hz: float,
        fill_frames: int = 0,
        zero_is_missing: bool = True,
        unit: str | None = None,
        up: str | None = None,
    ) -> None:
        self.root = root
        self._folder = Path(root).expanduser()
        self._reading = Reading(
            layout(skeleton),
            rate_hz,
            fill_frames,
            zero_is_missing,
            Unit(unit) if unit else None,
            Up(up) if up else None,
        )
        self.skeleton = skeleton_of(self._reading.layout)
        self.synthetic = (self._folder / MADE_UP).exists()
        self._rate_said = False

    @cached_property
    def labels(self) -> tuple[LabelRow, ...]:
        """The table."""
        return read_labels(self._folder, one_person=not self.refuses_lone_subjects)

    def __iter__(self) -> Iterator[Unread]:
        """Every recording that the table names, unread."""
        self.mirrored = images(self.labels)
        for label in self.labels:
            yield Unread(**label.columns, read=partial(self._motion, label), file=str(self._folder / label.file))

    def _motion(self, label: LabelRow) -> Motion:
        track = read_frames(self._folder / label.file, self._reading)
        if track.times_ms is None and label.rate_hz is not None:
            track = timed(track, label.rate_hz)
        elif track.times_ms is None and not self._rate_said:
            self._rate_said = True
            rate_hz = self._reading.rate_hz
            log.info("%s and the like say no times: taken as %g frames a second (data.rate_hz)", label.file, rate_hz)
        return to_motion(track, self._reading.rate_hz)

    def where(self, gesture: str) -> str:
        """The table's first line with a gesture."""
        return f"{self._folder / FILE}, line {next(label.line for label in self.labels if label.gesture == gesture)}"

    def stamp(self) -> list[Any]:
        """What changes when the table, a recording or the skeleton does."""
        files = [(self._folder / label.file).stat() for label in self.labels]
        return [
            [astuple(label) for label in self.labels],
            [[each.st_size, each.st_mtime_ns, each.st_ctime_ns] for each in files],
            self.synthetic,
            stored_layout(self._reading.layout),
        ]


def images(labels: Sequence[LabelRow]) -> dict[str, str]:
    """What the table says that gestures become in a mirror."""
    return {label.gesture: label.mirrored for label in labels if label.mirrored}
