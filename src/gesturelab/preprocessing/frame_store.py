"""Batches of windows, gathered from one tensor of frames."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from gesturelab.datasets.recording import Dataset
from gesturelab.preprocessing.windows import Windows


class Batch(NamedTuple):
    """Windows and what they show."""

    positions: Float[Tensor, "batch frames joints 3"]
    """Metres."""
    classes: Int[Tensor, " batch"]
    """Index of the class."""
    recordings: Int[Tensor, " batch"]
    """Index of the recording in the dataset."""


class FrameStore:
    """All frames on one device, and the windows over them; a frame is held once, however many windows show it.

    Args:
        dataset: The recordings.
        windows: Over them.
        device: Where frames and batches are.
        last: For each window the last frame of its recording that it may show; None: the recording's last.
    """

    def __init__(
        self,
        dataset: Dataset,
        windows: Windows,
        device: torch.device,
        last: Int64[np.ndarray, " windows"] | None = None,
    ) -> None:
        with warnings.catch_warnings():
            # the memory map is read-only, and nothing here writes to it
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            frames = torch.from_numpy(dataset.positions)
        self.joints = frames.shape[1]
        self.frames = frames.flatten(1).to(device)
        recording = windows.recording
        self.first = torch.from_numpy(dataset.offsets[recording]).to(device)
        self.last = torch.from_numpy(dataset.frame_counts[recording] - 1 if last is None else last).to(device)
        self.start = torch.from_numpy(windows.start).to(device)
        self.step = torch.from_numpy(windows.step).to(device)
        self.recordings = torch.from_numpy(recording).to(device)
        self.classes = torch.from_numpy(dataset.classes[recording]).to(device)
        self.samples = torch.arange(windows.length_frames, device=device)
        self.between_frames = bool((windows.step % 1).any() or (windows.start % 1).any())

    @property
    def device(self) -> torch.device:
        """Where frames and batches are."""
        return self.frames.device

    def gather(self, index: Int[Tensor, " batch"], speed: Float[Tensor, " batch"] | None = None) -> Batch:
        """Some windows.

        Args:
            index: Which windows.
            speed: Plays each window this many times as fast, about its middle; it stays inside its recording.
        """
        last = self.last[index, None]
        at = self.start[index, None] + self.step[index, None] * self.samples
        if speed is not None:
            middle = at.mean(dim=1, keepdim=True)
            at = middle + (at - middle) * speed[:, None]
        at = at.clamp(min=0).minimum(last)
        low = at.long()
        early = self.first[index, None] + low
        positions = self._read(early)
        if self.between_frames or speed is not None:
            later = self.first[index, None] + (low + 1).minimum(last)
            positions = torch.lerp(positions, self._read(later), (at - low)[..., None])
        return Batch(positions.unflatten(2, (self.joints, 3)), self.classes[index], self.recordings[index])

    def _read(self, at: Int[Tensor, "batch frames"]) -> Float[Tensor, "batch frames coordinates"]:
        """What ``self.frames[at]`` is, in less time."""
        return self.frames.index_select(0, at.flatten()).unflatten(0, at.shape)
