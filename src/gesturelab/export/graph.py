"""The part of an ONNX graph around the network: recordings cut into windows, and windows put together again.

The same arithmetic as `gesturelab.preprocessing.windows.cut_windows`,
`gesturelab.preprocessing.frame_store.FrameStore.gather` and
`gesturelab.evaluation.windows.combine_windows`, in ONNX; tests and every export hold it against them.
"""

from typing import Any, cast

import onnx
from onnx import ModelProto, compose, helper, parser

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.export.onnx_model import has_rate

OPSET, IR_VERSION = 20, 10

_COUNTED = """
  frames_1 = Shape <start = 1, end = 2> (positions)
  zero = Constant <value_int = 0> ()
  one = Constant <value_int = 1> ()
  length = Constant <value_int = {length}> ()
  no_axis = Constant <value_ints = [0]> ()
  frames = Squeeze (frames_1, no_axis)
  last = Sub (frames, one)
  last_double = Cast <to = 11> (last)
  number = Range (zero, length, one)
  number_float = Cast <to = 1> (number)
"""

_WHOLE = """
  gaps = Constant <value = double {{{gaps}}}> ()
  step = Div (last_double, gaps)
  count = Constant <value_int = 1> ()
  too_short = Less (length, length)
"""

_SLIDING = """
  stride = Constant <value_int = {stride}> ()
  {step}
  nearly = Constant <value = double {{0.000001}}> ()
  steps = Div (last_double, step)
  steps_up = Add (steps, nearly)
  steps_whole = Floor (steps_up)
  steps_int = Cast <to = 7> (steps_whole)
  samples = Add (steps_int, one)
  beyond = Sub (samples, length)
  beyond_0 = Max (beyond, zero)
  more = Div (beyond_0, stride)
  count = Add (more, one)
  too_short = Less (samples, length)
"""

_OWN_RATE = """step = Constant <value = double {{1.0}}> ()"""
_RATE = """window_rate = Constant <value = double {{{rate}}}> ()
  step = Div (rate_hz, window_rate)"""

_GATHERED = """
  which = Range (zero, count, one)
  {first}
  first_double = Cast <to = 11> (first)
  start_double = Mul (first_double, step)
  start = Cast <to = 1> (start_double)
  axis_1 = Constant <value_ints = [1]> ()
  start_column = Unsqueeze (start, axis_1)
  step_float = Cast <to = 1> (step)
  within = Mul (step_float, number_float)
  at_free = Add (start_column, within)
  last_float = Cast <to = 1> (last)
  at = Min (at_free, last_float)
  low = Cast <to = 7> (at)
  low_float = Cast <to = 1> (low)
  share_flat = Sub (at, low_float)
  axes_23 = Constant <value_ints = [2, 3]> ()
  share = Unsqueeze (share_flat, axes_23)
  next = Add (low, one)
  high = Min (next, last)
  early = Gather <axis = 1> (positions, low)
  later = Gather <axis = 1> (positions, high)
  between = Sub (later, early)
  part = Mul (share, between)
  cut = Add (early, part)
  window_shape = Constant <value_ints = [-1, {length}, {joints}, 3]> ()
  windows = Reshape (cut, window_shape)
"""

_COMBINED = """
  batch_1 = Shape <start = 0, end = 1> (positions)
  count_1 = Unsqueeze (count, no_axis)
  classes_1 = Constant <value_ints = [{classes}]> ()
  answer_shape = Concat <axis = 0> (batch_1, count_1, classes_1)
  window_answers = Reshape (answers, answer_shape)
  mean_axis = Constant <value_ints = [1]> ()
  mean = ReduceMean <keepdims = 0> (window_answers, mean_axis)
"""

_PADDED = """
  probabilities = Identity (mean)
  window_probabilities = Identity (window_answers)
"""

_DROPPED = """
  none = Constant <value_float = nan> ()
  probabilities = Where (too_short, none, mean)
  window_probabilities = Where (too_short, none, window_answers)
"""


def cutter(config: WindowConfig, joints: int, rate_hz: float) -> ModelProto:
    """Positions (batch, frames, joints, 3) to windows (batch x windows, length, joints, 3), recording by recording."""
    text = _header(config, joints, rate_hz, f"float[all, {config.length_frames}, {joints}, 3] windows")
    text += "{" + _cut(config, joints) + "}"
    return _parsed(text)


def around(network: ModelProto, config: WindowConfig, joints: int, classes: int, rate_hz: float) -> ModelProto:
    """The whole graph, from recordings to their probabilities and those of their windows.

    Args:
        network: One input (windows, length, joints, 3) and one output (windows, classes).
        config: How windows are cut.
        joints: How many the skeleton has.
        classes: How many the network tells apart.
        rate_hz: Of recordings where the caller does not say.
    """
    inside = compose.add_prefix(network, "network/")
    (entry,), (answer,) = inside.graph.input, inside.graph.output
    outputs = f"float[batch, {classes}] probabilities, float[batch, windows, {classes}] window_probabilities"
    last = _DROPPED if config.short is Short.drop and config.span is Span.sliding else _PADDED
    nodes = _cut(config, joints) + "answers = Identity (windows)" + _COMBINED.format(classes=classes) + last
    whole = _parsed(_header(config, joints, rate_hz, outputs) + "{" + nodes + "}")
    place = next(at for at, node in enumerate(whole.graph.node) if list(node.output) == ["answers"])
    before, after = list(whole.graph.node[:place]), list(whole.graph.node[place + 1 :])
    joined = [
        helper.make_node("Identity", ["windows"], [entry.name]),
        *inside.graph.node,
        helper.make_node("Identity", [answer.name], ["answers"]),
    ]
    graph = helper.make_graph(
        [*before, *joined, *after],
        "recogniser",
        list(whole.graph.input),
        list(whole.graph.output),
        [*whole.graph.initializer, *inside.graph.initializer],
        value_info=list(inside.graph.value_info),
    )
    made = helper.make_model(graph, opset_imports=list(inside.opset_import), functions=list(inside.functions))
    made.ir_version = IR_VERSION
    made.producer_name = "gesturelab"
    onnx.checker.check_model(made)
    return made


def _header(config: WindowConfig, joints: int, rate_hz: float, outputs: str) -> str:
    positions = f"float[batch, frames, {joints}, 3] positions"
    default = f"<double rate_hz = {{{float(rate_hz)!r}}}>" if has_rate(config) else ""
    inputs = f"{positions}, double rate_hz" if has_rate(config) else positions
    return f'<ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}]>\nrecogniser ({inputs}) => ({outputs})\n{default}'


def _cut(config: WindowConfig, joints: int) -> str:
    length = config.length_frames
    text = _COUNTED.format(length=length)
    if config.span is Span.whole:
        text += _WHOLE.format(gaps=float(length - 1))
        first = "first = Identity (which)"
    else:
        step = _OWN_RATE.format() if config.rate_hz is None else _RATE.format(rate=float(config.rate_hz))
        text += _SLIDING.format(stride=config.stride_frames, step=step)
        first = "first = Mul (which, stride)"
    return text + _GATHERED.format(first=first, length=length, joints=joints)


def _parsed(text: str) -> ModelProto:
    return cast(Any, parser).parse_model(text)
