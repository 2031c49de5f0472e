"""Windows as a live system would see them: of the last seconds, at moment after moment of a recording."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.preprocessing.windows import Windows

EVERY_S = 0.4
"""Seconds from moment to moment."""


@dataclass(frozen=True, eq=False)
class LiveWindows:
    """Windows that know nothing of what comes after their moment.

    Attributes:
        windows: In order of recording and time.
        last: For each the frame of its recording that is the last one known.
    """

    windows: Windows
    last: Int64[np.ndarray, " windows"]


def cut_live(dataset: Dataset, recordings: Int64[np.ndarray, " some"], config: WindowConfig) -> LiveWindows:
    """Windows that end every `EVERY_S` seconds, and at each recording's end.

    Before a whole window has passed, it holds the recording so far and is padded like a short recording; with
    window.short=drop there is none. With window.span=whole it always holds the recording so far.
    """
    found: list[tuple[int, float, float, int]] = []
    length = config.length_frames
    for number in recordings.tolist():
        rate, end = float(dataset.rates_hz[number]), int(dataset.frame_counts[number]) - 1
        moments = np.arange(1, int(end / rate / EVERY_S + 1e-9) + 1) * EVERY_S
        for last in sorted({*np.floor(moments * rate + 1e-6).astype(int).tolist(), end}):
            if config.span is Span.whole:
                found.append((number, 0.0, last / (length - 1), last))
                continue
            step = 1.0 if config.rate_hz is None else rate / config.rate_hz
            start = last - (length - 1) * step
            if start >= -1e-6 or config.short is Short.pad:
                found.append((number, max(0.0, start), step, last))
    columns = list(zip(*found, strict=True)) or [()] * 4
    windows = Windows(
        length,
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.float32),
        np.array(columns[2], dtype=np.float32),
    )
    return LiveWindows(windows, np.array(columns[3], dtype=np.int64))
