"""The windows that an ONNX graph cuts are those of training, whatever the length and the rate."""

import functools

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import dataset_of, walker
from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.export.onnx_file import cutter
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.windows import cut_windows


@functools.cache
def running(span, rate_hz):
    config = WindowConfig(span=span, length_frames=12, stride_frames=5, rate_hz=rate_hz, short=Short.pad)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return config, onnxruntime.InferenceSession(cutter(config, 25, 30.0).SerializeToString(), options)


@pytest.mark.parametrize(
    ("span", "rate_hz"), [("sliding", 10.0), ("sliding", 12.5), ("sliding", None), ("whole", 10.0)]
)
@settings(max_examples=25)
@given(frames=st.integers(1, 300), own=st.sampled_from([30.0, 25.0, 29.97, 10.0, 7.3, 100.0]))
def test_the_graph_cuts_as_training_does(span, rate_hz, frames, own):
    config, graph = running(Span(span), rate_hz)
    dataset = dataset_of([walker("one", frames, rate_hz=own)])
    windows = cut_windows(dataset, config)
    expected = FrameStore(dataset, windows, torch.device("cpu")).gather(torch.arange(len(windows))).positions.numpy()
    feed = {"positions": dataset.positions[None]}
    if span == "sliding" and rate_hz is not None:
        feed["rate_hz"] = np.array(own)
    (cut,) = graph.run(None, feed)
    assert cut.shape == expected.shape
    assert np.abs(cut - expected).max() < 1e-5


def test_without_a_rate_the_recording_has_the_models():
    _, graph = running(Span.sliding, 10.0)
    positions = walker("one", 90).positions[None]
    (silent,), (told,) = (graph.run(None, feed) for feed in ({"positions": positions},
                          {"positions": positions, "rate_hz": np.array(30.0)}))  # fmt: skip
    assert np.array_equal(silent, told)
    assert silent[0, :3, 0, 0] == pytest.approx([0, 0.03, 0.06]), "every third frame"
    assert silent[1, 0, 0, 0] == pytest.approx(0.15), "five samples later"
