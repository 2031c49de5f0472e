"""The window that ends at a moment, as `gesturelab.preprocessing.windows` cuts it from a recording."""

import numpy as np
from jaxtyping import Float32, Float64

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.stream.buffer import FrameBuffer

TINY_S = 1e-6
"""Times closer than this are the same."""


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
