"""Live recognition, one core: how long the answer to a new frame takes, by the way that windows are computed."""

import time
from statistics import quantiles

import numpy as np
import torch

from gesturelab.config.composing import compose
from gesturelab.config.data import Target
from gesturelab.datasets.irds.files import GESTURES, MIRRORED_GESTURES
from gesturelab.export.contents import Contents
from gesturelab.export.model import Model, OnnxModel, session
from gesturelab.export.onnx_file import as_onnx, quantised
from gesturelab.models.network import build_network
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import no_scaler
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.stream.live import LiveRecogniser
from suite.row import Row
from suite.settings import SIZES, Form, Settings

LATENCY_GOAL_MS = 5.0
WAYS = ("whole window", "whole window, ONNX", "whole window, ONNX of 8 bits", "open windows")
"""Of the default features, whose windows are computed as a whole, and of ``features=live``, whose can be kept open."""
RATE_HZ = 30.0


def rows(settings: Settings) -> list[Row]:
    """Latencies of some sizes, both ways."""
    sizes = {Form.short: SIZES[:1], Form.normal: ("tiny", "medium"), Form.full: SIZES}[settings.form]
    frames = {Form.short: 100, Form.normal: 300, Form.full: 600}[settings.form]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [row for size in sizes for way in WAYS for row in _rows(size, way, frames)]
    finally:
        torch.set_num_threads(threads)


def _rows(size: str, way: str, frames: int) -> list[Row]:
    model = untrained(size, f"features={'live' if way == 'open windows' else 'body'}")
    live = LiveRecogniser(_graph(model, way) if "ONNX" in way else model.recogniser, model.contents.window)
    motion = wandering(frames + 120)
    answers: list[float] = []
    wholes: list[float] = []
    for number, positions in enumerate(motion):
        began = time.thread_time()
        live.take(number / RATE_HZ, positions)
        live.answer()
        answered = time.thread_time()
        live.settle()
        if number >= 120:  # windows are full
            answers.append(1e3 * (answered - began))
            wholes.append(1e3 * (time.thread_time() - began))
    found: list[Row] = []
    for what, values in (("answer to a new frame", answers), ("all work on a new frame", wholes)):
        cuts = quantiles(values, n=100)
        goal = LATENCY_GOAL_MS if size == "medium" and what == "answer to a new frame" else None
        name = f"{size}, {way}: {what}, p99 in ms of processor time"
        found.append(Row("live", name, cuts[98], goal, note=f"p50 {cuts[49]:.2f} ms, {frames} frames"))
    return found


def _graph(model: Model, way: str) -> OnnxModel:
    graph = as_onnx(model)
    running = session((quantised(graph) if "8 bits" in way else graph).SerializeToString())
    return OnnxModel(model.contents, running)


def untrained(size: str, *overrides: str) -> Model:
    """A model with random weights: how long it takes does not depend on them."""
    config = compose([f"model={size}", *overrides])
    features = Features(config.features, KINECT_V2)
    scaler = no_scaler(features.names)
    mirrored = MIRRORED_GESTURES if config.augment.mirror_at_test else None
    network = build_network(config.model, features, len(GESTURES), config.window.length_frames)
    contents = Contents(
        name="untrained",
        size=size,
        target=Target.gesture,
        classes=GESTURES,
        model=config.model,
        features=config.features,
        window=config.window,
        skeleton=KINECT_V2,
        scaler=scaler,
        mirrored_classes=mirrored,
        rate_hz=RATE_HZ,
        temperature=1.0,
        unsure_below=0.5,
        unsure_fitted=False,
        facts={"warnings": []},
    )
    return Model(contents, Recogniser(config.features, KINECT_V2, scaler, network, mirrored))


def wandering(frames: int) -> np.ndarray:
    """Positions of joints that wander about."""
    draws = np.random.default_rng(0)
    steps = draws.normal(0, 0.01, (frames, 25, 3)).cumsum(axis=0)
    return (steps + draws.normal(0, 0.3, (1, 25, 3)) + [0, 0, 2]).astype(np.float32)
