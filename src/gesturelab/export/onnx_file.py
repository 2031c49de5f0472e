"""A model as ONNX, checked before it is written: joint positions in metres to probabilities, whole or frame by frame.

The graph for streams (``--stateful``) takes one frame and a state, and gives probabilities and the next state. The
state begins as zeros. After n frames at the window's rate the probabilities are those of a window of these n frames;
networks were trained on windows of `length_frames`, so begin anew after as many. To have an answer about the last
window at every frame, keep as many states as a window has frames, each begun at another frame, as a batch.
"""

import copy
import json
import logging
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnx_ir as ir
import torch
from jaxtyping import Float
from onnx import ModelProto, TensorProto, helper
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, DeduplicateInitializersPass
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxscript import GraphBuilder, optimizer
from torch import Tensor, nn

from gesturelab.config.data import Short, Span, WindowConfig
from gesturelab.errors import BundleError
from gesturelab.export.model import Model, OnnxModel, has_rate, session
from gesturelab.export.model_card import card
from gesturelab.export.program import Evidence, WindowNetwork, example_windows, exporting, refuse_difference
from gesturelab.files import atomic_write
from gesturelab.models.network import Network
from gesturelab.models.recogniser import Recogniser, non_causal_reasons
from gesturelab.preprocessing.augmentation import mirror

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
    """Cuts recordings into windows.

    The same arithmetic as `gesturelab.preprocessing.windows.cut_windows` and
    `gesturelab.preprocessing.frame_store.FrameStore.gather`, in ONNX; tests and every export compare them.
    """
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


MOST_WINDOWS = 256
"""Of the recordings shown, spread evenly: each is run frame by frame."""

_ANY_SIZE = 2**31


def as_onnx(model: Model) -> ModelProto:
    """The whole graph: recordings in, probabilities out; names, skeleton and caveats are in its metadata."""
    contents = model.contents
    windows = torch.export.Dim("windows")
    network = _exported(model, WindowNetwork(model.recogniser), example_windows(model), dynamic_shapes=({0: windows},))
    graph = around(network, contents.window, len(model.skeleton.joints), len(model.classes), contents.rate_hz)
    _describe(graph, model)
    return graph


def _describe(graph: ModelProto, model: Model) -> None:
    """What the graph says of itself, each value as JSON; ``bundle`` is all of it."""
    contents = model.contents
    add_metadata(
        graph,
        classes=list(contents.classes),
        joints=list(contents.skeleton.joints),
        rate_hz=contents.rate_hz,
        temperature=contents.temperature,
        unsure_below=contents.unsure_below,
        warnings=contents.warnings,
        bundle=replace(contents, unknown_above=None).to_plain(),  # a graph cannot tell
    )


def add_metadata(graph: ModelProto, **values: Any) -> None:
    """Adds to what the graph says of itself, or changes it."""
    known = {entry.key: entry.value for entry in graph.metadata_props}
    added = {f"gesturelab.{key}": json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    helper.set_model_props(graph, known | added)


@contextmanager
def _silenced(logger: logging.Logger) -> Generator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _exported(model: Model, network: nn.Module, *example: Tensor, **options: Any) -> ModelProto:
    """A network as torch's exporter writes it, without what that says on the way.

    Args:
        model: Whose network it is, for an error.
        network: Ready to answer.
        example: Its inputs.
        options: Of torch.onnx.export.

    Raises:
        BundleError: If torch cannot.
    """
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    with _silenced(registry), exporting("ONNX", model):  # it names packages that are not installed, and not needed
        network(*example)  # what is looked up once must be looked up before it is traced
        program = torch.onnx.export(network, example, dynamo=True, verbose=False, **options)
    assert program is not None, "the new exporter gives a program"
    # weights as they are needed, each once: torch's order of an LSTM's gates is not ONNX's
    folded = ir.from_proto(program.model_proto)
    CommonSubexpressionEliminationPass()(folded)
    optimizer.optimize(folded, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    DeduplicateInitializersPass(size_limit=_ANY_SIZE)(folded)
    return ir.to_proto(folded)


def largest_difference(graph: ModelProto, model: Model, shown: Evidence) -> float:
    """The largest difference between a probability of the graph and of the trained model; NaN if one is not finite."""
    onnx_model = OnnxModel(model.contents, session(graph.SerializeToString()))
    differences: list[float] = []
    for recording, answer in zip(shown.recordings, model.answer(shown.recordings), strict=True):
        (whole,), (windows,) = onnx_model.run(recording.positions[None], recording.rate_hz)
        differences += [np.abs(whole - answer.values).max(), np.abs(windows - answer.windows.probabilities).max()]
    return float(np.max(differences))


def checked(model: Model, shown: Evidence) -> tuple[ModelProto, float]:
    """The graph, and how much its probabilities differ at most from the trained model's over the recordings shown.

    Raises:
        BundleError: If it is too much, or the graph cannot be run.
    """
    graph = as_onnx(model)
    with exporting("ONNX", model):
        difference = largest_difference(graph, model, shown)
    refuse_difference("ONNX graph", difference, shown.what)
    _add_card(graph, model, difference, shown)
    return graph, difference


def _add_card(graph: ModelProto, model: Model, difference: float, shown: Evidence) -> None:
    graph.doc_string = card(model.contents)
    add_metadata(graph, difference=[difference, shown.what])


def write_graph(graph: ModelProto, path: Path) -> None:
    """Writes the graph whole or not at all.

    Raises:
        RunError: If it cannot be written.
    """
    with atomic_write(path) as beside:
        beside.write_bytes(graph.SerializeToString(deterministic=True))


class Steps(nn.Module):
    """A causal recogniser, a frame at a time.

    A state holds how many frames it has seen, the last one's positions, and for the frame and (where it has a say) its
    mirror image what the network remembers.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        assert isinstance(recogniser.classifier, Network)
        self.recogniser = recogniser
        self.network = recogniser.classifier
        self.joints = len(recogniser.features.skeleton.joints)
        self.images = 1 if recogniser.mirrored_classes is None else 2
        self.shapes = [part.shape[1:] for part in self.network.initial_state(1)]
        self.parts = [shape.numel() for shape in self.shapes]

    @property
    def state_size(self) -> int:
        """Numbers in a state."""
        return 1 + 3 * self.joints + self.images * sum(self.parts)

    def forward(
        self, frame: Float[Tensor, "batch joints 3"], state: Float[Tensor, "batch numbers"]
    ) -> tuple[Float[Tensor, "batch classes"], Float[Tensor, "batch numbers"]]:
        """Probabilities of the window so far, and the next state."""
        seen, last, rest = state.split([1, 3 * self.joints, self.images * sum(self.parts)], dim=1)
        begins = seen == 0  # batch 1
        before = torch.where(begins[:, :, None], frame, last.unflatten(1, (self.joints, 3)))
        pair = torch.stack([before, frame], dim=1)  # batch 2 joints 3
        if self.images == 2:
            pair = torch.cat([pair, mirror(pair, self.recogniser.features.skeleton)])
            begins = torch.cat([begins, begins])
        features = self.recogniser.scaled_features(pair)[:, 1]
        rows = rest.unflatten(1, (self.images, sum(self.parts))).transpose(0, 1).flatten(0, 1)  # images x batch
        remembered = [
            torch.where(
                begins.unflatten(1, [1] * len(shape)) if len(shape) > 1 else begins, new, part.unflatten(1, shape)
            )
            for new, part, shape in zip(
                self.network.initial_state(1), rows.split(self.parts, dim=1), self.shapes, strict=True
            )
        ]
        logits, remembered = self.network.step(features, tuple(remembered))
        probabilities = logits.softmax(dim=1)  # images x batch, classes
        rows = torch.cat([part.flatten(1) for part in remembered], dim=1)
        batch = frame.shape[0]
        if self.recogniser.mirrored_classes is not None:
            own, image = probabilities[:batch], probabilities[batch:]
            probabilities = (own + image[:, self.recogniser.mirrored_classes]) / 2
        rest = rows.reshape(self.images, batch, sum(self.parts)).transpose(0, 1).flatten(1)
        return probabilities, torch.cat([seen + 1, frame.flatten(1), rest], dim=1)


def checked_steps(model: Model, shown: Evidence) -> tuple[ModelProto, float]:
    """The graph for streams, and how much its probabilities differ at most from the trained model's after a window.

    Its inputs are ``frame`` and ``state``, its outputs ``probabilities`` and ``next_state``.

    Raises:
        BundleError: If they differ too much, or the network has no state: it looks beyond a frame and the one before.
    """
    if keys := non_causal_reasons(model.recogniser):
        raise BundleError(
            f"a network with {', '.join(keys)} needs its whole window, so that it has no state; train one with "
            "experiment=live features=live"
        )
    steps = Steps(copy.deepcopy(model.recogniser)).eval()
    batch = {0: torch.export.Dim("batch")}
    graph = _exported(
        model,
        steps,
        example_windows(model)[:, 0].contiguous(),
        torch.zeros(3, steps.state_size),
        dynamic_shapes=(batch, batch),
        input_names=["frame", "state"],
        output_names=["probabilities", "next_state"],
    )
    window = model.contents.window
    _describe(graph, model)
    rate_hz = window.rate_hz or model.contents.rate_hz
    add_metadata(graph, state=steps.state_size, frames=window.length_frames, rate_hz=rate_hz)
    windows = model.windows(shown.recordings).numpy()
    windows = windows[np.unique(np.linspace(0, len(windows) - 1, min(MOST_WINDOWS, len(windows))).astype(np.int64))]
    running = session(graph.SerializeToString())
    state = np.zeros((len(windows), steps.state_size), dtype=np.float32)
    answers: Any = None
    for frame in windows.swapaxes(0, 1):
        answers, state = cast(list[Any], running.run(None, {"frame": frame, "state": state}))
    difference = float(np.abs(answers - model.probabilities(windows)).max())
    refuse_difference("ONNX graph", difference, f"windows of {shown.what}")
    _add_card(graph, model, difference, shown)
    return graph, difference


@dataclass(frozen=True)
class Cost:
    """What eight bits cost.

    Attributes:
        what: The recordings that it was measured on.
        before: Accuracy of the trained model.
        after: Accuracy of the graph with eight bits.
        changed: Share of recordings that get another answer.
        difference: The largest difference between probabilities.
    """

    what: str
    before: float
    after: float
    changed: float
    difference: float


def eight_bits(graph: ModelProto, model: Model, shown: Evidence) -> tuple[ModelProto, Cost]:
    """A checked graph with weights of eight bits (what flows between them is quantised as it comes), and its cost.

    Raises:
        BundleError: If the run's recordings are not here, so that the cost cannot be measured.
    """
    if shown.truth is None:
        raise BundleError(f"--int8: {shown.what}, so what it costs in accuracy cannot be measured; nothing was written")
    small = quantised(graph)
    small_model = OnnxModel(model.contents, session(small.SerializeToString()))
    answers = np.concatenate([small_model.run(each.positions[None], each.rate_hz)[0] for each in shown.recordings])
    own = np.stack([prediction.values for prediction in model.answer(shown.recordings)])
    before, after = own.argmax(axis=1), answers.argmax(axis=1)
    cost = Cost(
        what=shown.what,
        before=float((before == shown.truth).mean()),
        after=float((after == shown.truth).mean()),
        changed=float((before != after).mean()),
        difference=float(np.abs(answers - own).max()),
    )
    add_metadata(small, int8=vars(cost), difference=[cost.difference, cost.what])
    return small, cost


def quantised(graph: ModelProto) -> ModelProto:
    """A copy whose weights have eight bits; what flows between them is quantised as it comes."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        with _silenced(logging.getLogger()):  # it advises shape inference, which the exporter has done
            quantize_dynamic(_with_own_weights(graph), small, weight_type=QuantType.QInt8)
        return onnx.load(small)


def _with_own_weights(graph: ModelProto) -> ModelProto:
    """A copy with weights of its own for each LSTM: onnxruntime's quantisation spoils those that two share."""
    copied = ModelProto()
    copied.CopyFrom(graph)
    weights = {tensor.name: tensor for tensor in copied.graph.initializer}
    seen: set[str] = set()
    for number, node in enumerate(node for node in copied.graph.node if node.op_type == "LSTM"):
        for place in (1, 2):
            name = node.input[place]
            if name in seen:
                own = TensorProto()
                own.CopyFrom(weights[name])
                own.name = node.input[place] = f"{name}/{number}"
                copied.graph.initializer.append(own)
            seen.add(name)
    return copied
