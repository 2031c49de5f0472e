"""Untrimmed recordings: several gestures and what lies between them, and windows of both to learn from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gesturelab.datasets.recording import Motion, Recording
from gesturelab.skeletons.skeleton import Skeleton

BACKGROUND = "background"
"""The class of all that is no gesture: rest, and movements between gestures. A model that has it segments streams."""


@dataclass(frozen=True)
class Interval:
    """When a gesture is done.

    Attributes:
        start_s: Seconds from the recording's first frame to its first moment.
        end_s: The same to its last.
        gesture: Its name.
    """

    start_s: float
    end_s: float
    gesture: str


@dataclass(frozen=True, eq=False)
class UntrimmedRecording:
    """One person doing several gestures.

    Attributes:
        name: Unique within a dataset.
        subject: The person's id.
        motion: All frames.
        skeleton: Whose joints they are.
        intervals: The labelled gestures.
    """

    name: str
    subject: str
    motion: Motion
    skeleton: Skeleton
    intervals: tuple[Interval, ...]

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (len(self.motion.positions) - 1) / self.motion.rate_hz

    def cut_windows(self, window_s: float, every_s: float) -> Iterator[Recording]:
        """Windows of equal duration, each as a recording of what its middle shows: a gesture, or `BACKGROUND`.

        None reaches beyond the recording, so that the first and the last half of a window are the middle of none.

        Args:
            window_s: Seconds from a window's first frame to its last.
            every_s: Seconds from window to window.
        """
        rate_hz = self.motion.rate_hz
        frames = round(window_s * rate_hz) + 1
        for start_s in np.arange(0, self.seconds - window_s + 1e-6, every_s).tolist():
            first = round(start_s * rate_hz)
            positions = self.motion.positions[first : first + frames]
            if len(positions) < frames:
                return
            middle_s = (first + (frames - 1) / 2) / rate_hz
            inside = (each.gesture for each in self.intervals if each.start_s <= middle_s <= each.end_s)
            yield Recording(
                name=f"{self.name}_{round(1000 * first / rate_hz):07d}ms",
                positions=positions,
                rate_hz=rate_hz,
                subject=self.subject,
                gesture=next(inside, BACKGROUND),
                skeleton=self.skeleton,
            )
