"""Item 5: windows a second in batches, and how long one window and one new frame take on one core."""

import time
from collections.abc import Callable
from functools import partial
from statistics import quantiles

import numpy as np
import torch

from gesturelab.config.training import TrainConfig
from gesturelab.datasets.load import load
from gesturelab.models.flops import flops_per_window
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.training.build import make_data, make_module, make_scaler
from gesturelab.training.datamodule import WindowLoader
from suite.machine import fastest, matrix_gflops
from suite.row import Row
from suite.settings import SIZES, Form, Settings

LATENCY_GOAL_MS = 5.0
BATCH = 128


def rows(settings: Settings) -> list[Row]:
    """Windows a second of several sizes; latencies of tiny and medium."""
    found: list[Row] = []
    sizes = {Form.short: SIZES[:1], Form.normal: SIZES[:3], Form.full: SIZES}[settings.form]
    for size in sizes:
        recogniser, windows, flops = prepare(settings.config(f"model={size}"))
        with torch.inference_mode():
            seconds = fastest(partial(recogniser.probabilities, windows), 2.0)
        limit = max(matrix_gflops(torch.float32) for _ in range(3))
        rate = len(windows) / seconds
        found.append(
            Row(
                "inference",
                f"{size}, batches of {BATCH}: share of the float32 matrix product",
                rate * flops / limit / 1e9,
                higher=True,
                note=f"{rate:.0f} windows/s with {torch.get_num_threads()} threads",
            )
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for size in ("tiny", "medium"):
            found += _latencies(settings, size)
    finally:
        torch.set_num_threads(threads)
    return found


def prepare(config: TrainConfig) -> tuple[Recogniser, torch.Tensor, int]:
    """An untrained network, a batch of windows, and the operations of one; on the CPU."""
    data = make_data(config, load(config.data))
    scaler = make_scaler(config, data)
    recogniser = make_module(config, data, scaler).recogniser.eval()
    store = FrameStore(data.dataset, data.windows, torch.device("cpu"))
    batch = next(iter(WindowLoader(store, np.resize(data.subsets.train, BATCH), BATCH)))
    flops = flops_per_window(recogniser.classifier, config.window.length_frames, len(scaler.names))
    return recogniser, batch.positions, flops


def _latencies(settings: Settings, size: str) -> list[Row]:
    recogniser, windows, _ = prepare(settings.config(f"model={size}"))
    count = {Form.short: 100, Form.normal: 300, Form.full: 1000}[settings.form]
    stream = windows.flatten(0, 1)  # frames joints 3, one after another
    length = windows.shape[1]
    buffer = windows[:1].clone()

    def new_frame(number: int) -> None:
        buffer[0, :-1] = buffer[0, 1:].clone()
        buffer[0, -1] = stream[number % len(stream)]
        recogniser.probabilities(buffer)

    def one_window(number: int) -> None:
        recogniser.probabilities(windows[number % len(windows)][None])

    found: list[Row] = []
    with torch.inference_mode():
        for what, action in (("one window", one_window), ("one new frame", new_frame)):
            for clock, name in (
                (time.thread_time, "of processor time"),
                (time.perf_counter, "of the clock on the wall"),
            ):
                median, late = percentiles(action, count, clock)
                mine = clock is time.thread_time  # on a shared machine the other one measures the others
                goal = LATENCY_GOAL_MS if size == "medium" and what == "one new frame" and mine else None
                note = f"p50 {median:.2f} ms, one core, window of {length} frames, {count} times"
                found.append(Row("inference", f"{size}: {what}, p99 in ms {name}", late, goal, note=note))
    return found


def percentiles(action: Callable[[int], None], count: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds."""
    for number in range(10):
        action(number)
    taken: list[float] = []
    for number in range(count):
        began = clock()
        action(number)
        taken.append(1e3 * (clock() - began))
    cuts = quantiles(taken, n=100)
    return cuts[49], cuts[98]
