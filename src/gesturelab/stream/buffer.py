"""The last frames of a body, in memory that does not grow."""

import numpy as np
from jaxtyping import Float, Float32, Float64

SLACK = 4
"""A source may be so many times faster than it said before the buffer holds less than was asked for."""


class FrameBuffer:
    """A ring of frames in order of time, read as if the body moved straight from frame to frame.

    Args:
        seconds: How much of the past it holds, at least.
        rate_hz: Frames a second that are expected.
        joints: How many the skeleton has.
    """

    def __init__(self, seconds: float, rate_hz: float, joints: int) -> None:
        self.capacity = int(np.ceil(SLACK * seconds * rate_hz)) + 2
        # twice the room: what is held always lies in one piece, and is moved once in `capacity` frames
        self._times = np.zeros(2 * self.capacity, dtype=np.float64)
        self._positions = np.zeros((2 * self.capacity, joints, 3), dtype=np.float32)
        self._end = 0
        self._count = 0

    def __len__(self) -> int:
        """How many frames it holds."""
        return self._count

    def clear(self) -> None:
        """Forgets all."""
        self._end = self._count = 0

    def append(self, time_s: float, positions: Float[np.ndarray, "joints 3"]) -> None:
        """Takes in a frame that is later than the last one; the oldest one may fall out."""
        assert not self._count or time_s > self.times[-1], "frames come in order of time"
        if self._end == len(self._times):
            kept = self.capacity - 1
            self._times[:kept] = self._times[-kept:]
            self._positions[:kept] = self._positions[-kept:]
            self._end = kept
        self._times[self._end] = time_s
        self._positions[self._end] = positions
        self._end += 1
        self._count = min(self._count + 1, self.capacity)

    @property
    def times(self) -> Float64[np.ndarray, " frames"]:
        """Seconds, ascending: a view."""
        return self._times[self._end - self._count : self._end]

    @property
    def positions(self) -> Float32[np.ndarray, "frames joints 3"]:
        """Metres: a view."""
        return self._positions[self._end - self._count : self._end]

    def at(self, times: Float64[np.ndarray, " samples"]) -> Float32[np.ndarray, "samples joints 3"]:
        """Positions at any times; before the first frame the first one, after the last the last."""
        held, positions = self.times, self.positions
        if len(held) == 1:
            return np.repeat(positions, len(times), axis=0)
        low = np.clip(np.searchsorted(held, times, side="right") - 1, 0, len(held) - 2)
        share = np.clip((times - held[low]) / (held[low + 1] - held[low]), 0, 1).astype(np.float32)[:, None, None]
        return positions[low] * (1 - share) + positions[low + 1] * share
