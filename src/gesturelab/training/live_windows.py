"""How the answer of a trained network evolves over each test recording."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from gesturelab.config.data import WindowConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.evaluation.windows import write_windows
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.windows import LiveWindows, cut_live
from gesturelab.runs.signals import raise_if_received
from gesturelab.training.datamodule import EVALUATION_FRAMES, GestureData
from gesturelab.training.micro_batching import MicroBatches


def write_live(
    path: Path, config: WindowConfig, data: GestureData, recogniser: Recogniser, device: torch.device
) -> None:
    """Writes what the network says of each test recording, moment after moment, knowing only what came before.

    Args:
        path: The windows file.
        config: How windows are cut.
        data: Whose test recordings.
        recogniser: With the best weights.
        device: Where it computes.
    """
    dataset = data.dataset
    live = cut_live(dataset, np.unique(data.windows.recording[data.sides.test]), config)
    store = FrameStore(dataset, live.windows, device, live.last)
    network = recogniser.to(device).eval()
    micro_batches = MicroBatches()

    def rows() -> Iterator[tuple[str, float, float, list[float]]]:
        batches = torch.arange(len(live.windows), device=device).split(
            max(EVALUATION_FRAMES // 2 // config.length_frames, 1)
        )
        for index in batches:
            raise_if_received()
            with torch.inference_mode():
                said = micro_batches.evaluate(network.probabilities, store.gather(index).positions).cpu().tolist()
            for at, probabilities in zip(index.tolist(), said, strict=True):
                yield *_place(dataset, live, at), probabilities

    write_windows(path, dataset.class_names, rows())


def _place(dataset: Dataset, live: LiveWindows, at: int) -> tuple[str, float, float]:
    """Recording, first and last second."""
    number = int(live.windows.recording[at])
    rate = float(dataset.rates_hz[number])
    return dataset.names[number], float(live.windows.start[at]) / rate, int(live.last[at]) / rate
