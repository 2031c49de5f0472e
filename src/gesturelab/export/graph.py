"""The part of an ONNX graph around the network: recordings cut into windows, and windows put together again.

The same arithmetic as `gesturelab.preprocessing.windows.cut_windows`,
`gesturelab.preprocessing.frame_store.FrameStore.gather` and
`gesturelab.evaluation.windows.combine_windows`, in ONNX; tests and every export hold it against them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import ModelProto
from onnxscript import GraphBuilder

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.export.onnx_model import has_rate

OPSET, IR_VERSION = 20, 10
FLOAT, INT64, DOUBLE = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.DOUBLE


@dataclass(frozen=True)
class Cut:
    """The windows of recordings, as values of a graph.

    Attributes:
        positions: The recordings: batch, frames, joints, 3.
        windows: Batch x windows, length, joints, 3; recording by recording.
        count: How many windows a recording has.
        too_short: Whether a recording is shorter than a window.
    """

    positions: ir.Value
    windows: ir.Value
    count: ir.Value
    too_short: ir.Value


def cutter(config: WindowConfig, joints: int, rate_hz: float) -> ModelProto:
    """Positions (batch, frames, joints, 3) to windows (batch x windows, length, joints, 3), recording by recording."""
    graph = ir.Graph([], [], nodes=[], opset_imports={"": OPSET}, name="cutter")
    builder = GraphBuilder(graph)
    builder.add_output(_cut(builder, config, joints, rate_hz).windows, "windows")
    return ir.to_proto(ir.Model(graph, ir_version=IR_VERSION))


def around(network: ModelProto, config: WindowConfig, joints: int, classes: int, rate_hz: float) -> ModelProto:
    """The whole graph, from recordings to their probabilities and those of their windows.

    Args:
        network: One input (windows, length, joints, 3) and one output (windows, classes).
        config: How windows are cut.
        joints: How many the skeleton has.
        classes: How many the network tells apart.
        rate_hz: Of recordings where the caller does not say.
    """
    model = ir.from_proto(onnx.compose.add_prefix(network, "network/"))
    graph = model.graph
    graph.name = "recogniser"
    (entry,), (answers,) = graph.inputs, graph.outputs
    graph.inputs.clear()
    graph.outputs.clear()
    builder = GraphBuilder(graph)
    op: Any = builder.op
    cut = _cut(builder, config, joints, rate_hz)
    ir.convenience.replace_all_uses_with(entry, cut.windows)
    batch = op.Shape(cut.positions, start=0, end=1)
    of_windows = op.Reshape(answers, op.Concat(batch, op.Reshape(cut.count, [1]), [classes], axis=0))
    mean = op.ReduceMean(of_windows, [1], keepdims=0)
    if config.short is Short.drop and config.span is Span.sliding:
        none = op.Constant(value_float=float("nan"))
        mean, of_windows = (op.Where(cut.too_short, none, values) for values in (mean, of_windows))
    for value, name, shape in (
        (mean, "probabilities", ["batch", classes]),
        (of_windows, "window_probabilities", ["batch", "windows", classes]),
    ):
        value.shape, value.dtype = ir.Shape(shape), FLOAT
        builder.add_output(value, name)
    graph.sort()
    model.ir_version, model.producer_name = IR_VERSION, "gesturelab"
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto)
    return proto


def _cut(builder: GraphBuilder, config: WindowConfig, joints: int, rate_hz: float) -> Cut:
    op: Any = builder.op
    length = config.length_frames
    positions = builder.input("positions", FLOAT, ["batch", "frames", joints, 3])
    last = op.Sub(op.Squeeze(op.Shape(positions, start=1, end=2)), 1)
    last_double = op.Cast(last, to=DOUBLE)
    if config.span is Span.whole:
        step = op.Div(last_double, float(length - 1))
        count, stride, too_short = op.Constant(value_int=1), 1, op.Constant(value=ir.tensor(np.array(False)))
    else:
        step = op.Constant(value=ir.tensor(np.array(1.0)))
        if has_rate(config):
            default = ir.tensor(np.array(float(rate_hz)), name="rate_hz")
            step = op.Div(builder.input("rate_hz", const_value=default), float(config.rate_hz or 0))
        stride = config.stride_frames
        steps = op.Floor(op.Add(op.Div(last_double, step), 1e-6))
        samples = op.Add(op.Cast(steps, to=INT64), 1)
        count = op.Add(op.Div(op.Max(op.Sub(samples, length), 0), stride), 1)
        too_short = op.Less(samples, length)
    first = op.Mul(op.Range(0, count, 1), stride)
    start = op.Cast(op.Mul(op.Cast(first, to=DOUBLE), step), to=FLOAT)
    within = op.Mul(op.Cast(step, to=FLOAT), op.Cast(op.Range(0, length, 1), to=FLOAT))
    place = op.Min(op.Add(op.Unsqueeze(start, [1]), within), op.Cast(last, to=FLOAT))
    low = op.Cast(place, to=INT64)
    share = op.Unsqueeze(op.Sub(place, op.Cast(low, to=FLOAT)), [2, 3])
    early = op.Gather(positions, low, axis=1)
    later = op.Gather(positions, op.Min(op.Add(low, 1), last), axis=1)
    cut = op.Add(early, op.Mul(share, op.Sub(later, early)))
    return Cut(positions, op.Reshape(cut, [-1, length, joints, 3]), count, too_short)
