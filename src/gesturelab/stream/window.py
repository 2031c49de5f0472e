"""The last frames of a body, in memory that does not grow, and the window of them that ends at a moment.

Windows are those that `gesturelab.preprocessing.windows` cuts from a recording.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64

from gesturelab.config.data import Short, Span, WindowConfig

TINY_S = 1e-6
"""Times closer than this are the same."""

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


def window_seconds(config: WindowConfig, rate_hz: float) -> float:
    """How long a sliding window lasts, at a source of so many frames a second."""
    return (config.length_frames - 1) / (config.rate_hz or rate_hz)


def window_until(
    buffer: FrameBuffer, config: WindowConfig, end_s: float, since_s: float
) -> Float32[np.ndarray, "frames joints 3"] | None:
    """Positions of the window whose last sample is at a moment; None where window.short=drop has none yet.

    Before a whole window has passed it holds what there is, and its last frame again and again; with window.span=whole
    it holds all from ``since_s`` on. Without window.rate_hz it holds the frames as they came.

    Args:
        buffer: Not empty; nothing in it after the moment is read.
        config: How windows are cut.
        end_s: The moment.
        since_s: Nothing before is read.
    """
    length = config.length_frames
    first = max(since_s, float(buffer.times[0]))
    if config.span is Span.whole:
        return buffer.at(np.linspace(min(first, end_s), end_s, length))
    if config.rate_hz is None:
        return _own_frames(buffer, config, end_s, first)
    steps = np.arange(length) / config.rate_hz
    if end_s - first >= steps[-1] - TINY_S:
        return buffer.at(end_s - steps[::-1])
    return buffer.at(np.minimum(first + steps, end_s)) if config.short is Short.pad else None


def _own_frames(
    buffer: FrameBuffer, config: WindowConfig, end_s: float, first_s: float
) -> Float32[np.ndarray, "frames joints 3"] | None:
    times: Float64[np.ndarray, " frames"] = buffer.times
    low, high = np.searchsorted(times, [first_s - TINY_S, end_s + TINY_S])
    held = buffer.positions[max(low, high - config.length_frames) : high]
    missing = config.length_frames - len(held)
    if missing and config.short is Short.drop:
        return None
    return np.concatenate([held, np.repeat(held[-1:], missing, axis=0)]) if missing else held.copy()
