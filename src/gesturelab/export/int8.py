"""A graph with weights of eight bits, and what that costs in accuracy."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto
from onnxruntime.quantization import QuantType, quantize_dynamic

from gesturelab.errors import BundleError
from gesturelab.export.evidence import Evidence
from gesturelab.export.model import Model
from gesturelab.export.onnx_file import run_onnx, session, tell


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
    made = quantised(graph)
    said = np.stack([whole for whole, _ in run_onnx(session(made.SerializeToString()), shown.recordings, model)])
    own = np.stack([one.values for one in model.answer(shown.recordings)])
    before, after = own.argmax(axis=1), said.argmax(axis=1)
    cost = Cost(
        what=shown.what,
        before=float((before == shown.truth).mean()),
        after=float((after == shown.truth).mean()),
        changed=float((before != after).mean()),
        difference=float(np.abs(said - own).max()),
    )
    tell(made, "int8", vars(cost))
    tell(made, "difference", [cost.difference, cost.what])
    return made, cost


def quantised(graph: ModelProto) -> ModelProto:
    """A copy whose weights have eight bits; what flows between them is quantised as it comes."""
    logger = logging.getLogger()
    level = logger.level
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "int8.onnx"
        logger.setLevel(logging.ERROR)  # it advises shape inference, which the exporter has done
        try:
            quantize_dynamic(_apart(graph), small, weight_type=QuantType.QInt8)
        finally:
            logger.setLevel(level)
        return onnx.load(small)


def _apart(graph: ModelProto) -> ModelProto:
    """A copy with weights of its own for each LSTM: onnxruntime's quantisation spoils those that two share."""
    made = ModelProto()
    made.CopyFrom(graph)
    weights = {one.name: one for one in made.graph.initializer}
    seen: set[str] = set()
    for number, node in enumerate(node for node in made.graph.node if node.op_type == "LSTM"):
        for place in (1, 2):
            name = node.input[place]
            if name in seen:
                own = TensorProto()
                own.CopyFrom(weights[name])
                own.name = node.input[place] = f"{name}/{number}"
                made.graph.initializer.append(own)
            seen.add(name)
    return made
