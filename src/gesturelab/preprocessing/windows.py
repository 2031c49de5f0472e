"""Windows: index triples into the frames of a dataset, never copies of them.

Those of training, and those that a live system would see: of the last seconds, at moment after moment of a recording.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import DataError

EVERY_S = 0.4
"""Seconds from moment to moment of live windows."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Where each window lies. Sample ``k`` of a window is read at frame ``start + k * step`` of its recording.

    A position between two frames is their linear mix; one after the recording's last frame is that frame (padding).

    Attributes:
        length_frames: Samples in each window.
        recording: Index of the recording in the dataset.
        start: First sample, in frames of the recording.
        step: Distance from sample to sample, in frames of the recording.
    """

    length_frames: int
    recording: Int64[np.ndarray, " windows"]
    start: Float32[np.ndarray, " windows"]
    step: Float32[np.ndarray, " windows"]

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.recording)


def cut_windows(dataset: Dataset, config: WindowConfig) -> Windows:
    """Windows of every recording, in order of recording and time; none crosses a recording.

    Raises:
        DataError: If no recording is long enough for a window.
    """
    counts = dataset.frame_counts
    length = config.length_frames
    if config.span is Span.whole:
        step = np.maximum(counts - 1, 0) / (length - 1)
        samples = np.full(len(dataset), length)
    else:
        step = np.ones(len(dataset)) if config.rate_hz is None else dataset.rates_hz / config.rate_hz
        samples = np.floor((counts - 1) / step + 1e-6).astype(np.int64) + 1
    windows = np.maximum(samples - length, 0) // config.stride_frames + 1
    if config.short is Short.drop:
        windows[samples < length] = 0
    if not windows.any():
        longest = int(samples.max())
        raise DataError(
            f"window.length_frames={length}: no recording is that long (the longest has {longest} frames at the "
            "window's rate); choose shorter windows, or window.short=pad"
        )
    recording = np.repeat(np.arange(len(dataset)), windows)
    first = np.repeat(np.cumsum(windows) - windows, windows)
    start = (np.arange(len(recording)) - first) * config.stride_frames * step[recording]
    return Windows(length, recording, start.astype(np.float32), step[recording].astype(np.float32))


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
    rows: list[tuple[int, float, float, int]] = []
    length = config.length_frames
    for number in recordings.tolist():
        rate, end = float(dataset.rates_hz[number]), int(dataset.frame_counts[number]) - 1
        moments = np.arange(1, int(end / rate / EVERY_S + 1e-9) + 1) * EVERY_S
        for last in sorted({*np.floor(moments * rate + 1e-6).astype(int).tolist(), end}):
            if config.span is Span.whole:
                rows.append((number, 0.0, last / (length - 1), last))
                continue
            step = 1.0 if config.rate_hz is None else rate / config.rate_hz
            start = last - (length - 1) * step
            if start >= -1e-6 or config.short is Short.pad:
                rows.append((number, max(0.0, start), step, last))
    columns = list(zip(*rows, strict=True)) or [()] * 4
    windows = Windows(
        length,
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.float32),
        np.array(columns[2], dtype=np.float32),
    )
    return LiveWindows(windows, np.array(columns[3], dtype=np.int64))
