"""How long a finished size needs for one window on this machine."""

import time
from collections.abc import Collection

import numpy as np
import torch

from gesturelab.evaluation.cost import Latency
from gesturelab.models.saved import read_recogniser
from gesturelab.runs.folder import RunDir
from gesturelab.training.provenance import cpu_name

WARM_UP, LEAST = 10, 50
"""Repeats that are not counted, and how many are at least."""


def measure(run: RunDir, *, seconds: float = 2.0, trust: Collection[str] = ()) -> Latency:
    """Times one window after another on one CPU thread: features, scaler, network, and the mirror image if it is used.

    Args:
        run: A finished run; its weights and scaler are used.
        seconds: How long to repeat, at least.
        trust: Classes from outside gesturelab that it may name.

    Raises:
        GesturelabError: If the run's weights or scaler cannot be read.
    """
    saved = read_recogniser(run, trust)
    draws = torch.Generator().manual_seed(0)
    window = 0.3 * torch.randn(1, saved.length_frames, saved.joints, 3, generator=draws)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(WARM_UP):
                saved.recogniser.probabilities(window)
            walls: list[int] = []
            worked, began = time.thread_time_ns(), time.perf_counter_ns()
            while len(walls) < LEAST or time.perf_counter_ns() - began < seconds * 1e9:
                start = time.perf_counter_ns()
                saved.recogniser.probabilities(window)
                walls.append(time.perf_counter_ns() - start)
            share = (time.thread_time_ns() - worked) / (time.perf_counter_ns() - began)
    finally:
        torch.set_num_threads(threads)
    median, p95 = (np.quantile(walls, (0.5, 0.95)) / 1e6).tolist()
    return Latency(median, p95, len(walls), min(1.0, share), saved.flops_per_window, cpu_name(), torch.__version__)
