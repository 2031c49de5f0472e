"""A model as ONNX: one graph from joint positions in metres to probabilities, checked before it is written."""

import copy
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from jaxtyping import Float32
from onnx import ModelProto, helper
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, DeduplicateInitializersPass
from onnxscript import optimizer
from torch import Tensor, nn

from gesturelab.datasets.recording import Recording
from gesturelab.errors import BundleError
from gesturelab.export.evidence import Evidence
from gesturelab.export.graph import around, has_rate
from gesturelab.export.model import Model
from gesturelab.export.model_card import card
from gesturelab.export.program import WITHIN, Answers, example_windows, not_exportable
from gesturelab.files import atomic_write
from gesturelab.models.recogniser import Recogniser

_ANY_SIZE = 2**31


def as_onnx(model: Model) -> ModelProto:
    """The whole graph: recordings in, probabilities out; names, skeleton, caveats and the card are in its metadata."""
    made = without_card(model)
    made.doc_string = card(model.contents)
    return made


def without_card(model: Model) -> ModelProto:
    """The whole graph of a model of which it need not be known how it was tested."""
    contents = model.contents
    joints = len(contents.skeleton.joints)
    network = _network(model.recogniser, contents.window.length_frames, joints)
    made = around(network, contents.window, joints, len(contents.classes), contents.rate_hz)
    helper.set_model_props(made, metadata(model))
    return made


def metadata(model: Model) -> dict[str, str]:
    """What the graph says of itself, each value as JSON; ``bundle`` is all of it."""
    contents = model.contents
    values = {
        "classes": list(contents.classes),
        "joints": list(contents.skeleton.joints),
        "rate_hz": contents.rate_hz,
        "temperature": contents.temperature,
        "unsure_below": contents.unsure_below,
        "warnings": contents.warnings,
        "bundle": contents.to_plain(),
    }
    return {f"gesturelab.{key}": json.dumps(value, ensure_ascii=False) for key, value in values.items()}


def _network(recogniser: Recogniser, frames: int, joints: int) -> ModelProto:
    answers = Answers(copy.deepcopy(recogniser)).eval()
    return exported(
        answers, recogniser, (example_windows(frames, joints),), dynamic_shapes=({0: torch.export.Dim("windows")},)
    )


def exported(network: nn.Module, recogniser: Recogniser, example: tuple[Tensor, ...], **options: Any) -> ModelProto:
    """A network as torch's exporter writes it, without what that says on the way.

    Args:
        network: Ready to answer.
        recogniser: What it holds, for an error.
        example: Its inputs.
        options: Of torch.onnx.export.

    Raises:
        BundleError: If torch cannot.
    """
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    registry.setLevel(logging.ERROR)  # it names packages that are not installed, and not needed
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch's exporter says of torch
            network(*example)  # what is looked up once must be looked up before it is traced
            program = torch.onnx.export(network, example, dynamo=True, verbose=False, **options)
    except Exception as error:  # torch raises whatever a guest's network leads it to
        raise not_exportable("ONNX", recogniser, error) from error
    finally:
        registry.setLevel(level)
    assert program is not None, "the new exporter gives a program"
    return _folded(program.model_proto)


def _folded(network: ModelProto) -> ModelProto:
    """Weights as they are needed, each once: torch's order of an LSTM's gates is not ONNX's."""
    made = ir.from_proto(network)
    CommonSubexpressionEliminationPass()(made)
    optimizer.optimize(made, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    DeduplicateInitializersPass(size_limit=_ANY_SIZE)(made)
    return ir.to_proto(made)


def session(graph: bytes | str) -> onnxruntime.InferenceSession:
    """A graph ready to run on as many threads as torch has, saying nothing of an input that has a default."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run_onnx(
    running: onnxruntime.InferenceSession, recordings: Sequence[Recording], model: Model
) -> list[tuple[Float32[np.ndarray, " classes"], Float32[np.ndarray, "windows classes"]]]:
    """The graph's probabilities of each recording and of its windows."""
    found: list[Any] = []
    for one in recordings:  # one by one: they differ in length
        given: dict[str, np.ndarray] = {"positions": one.positions[None]}
        if has_rate(model.contents.window):
            given["rate_hz"] = np.array(one.rate_hz, dtype=np.float64)
        whole, windows = cast(list[np.ndarray], running.run(None, given))
        found.append((whole[0], windows[0]))
    return found


def largest_difference(graph: ModelProto, model: Model, shown: Evidence) -> float:
    """The largest difference between a probability of the graph and of the trained model."""
    answers = model.answer(shown.recordings)
    said = run_onnx(session(graph.SerializeToString()), shown.recordings, model)
    differences = [
        max(float(np.abs(whole - one.values).max()), float(np.abs(windows - one.windows.probabilities).max()))
        for (whole, windows), one in zip(said, answers, strict=True)
    ]
    return float("inf") if np.isnan(differences).any() else max(differences)


def checked(model: Model, shown: Evidence) -> tuple[ModelProto, float]:
    """The graph, and how much its probabilities differ at most from the trained model's over the recordings shown.

    Raises:
        BundleError: If it is more than `WITHIN`, or the graph cannot be run.
    """
    graph = as_onnx(model)
    try:
        difference = largest_difference(graph, model, shown)
    except Exception as error:  # onnxruntime's errors have no class in common
        raise not_exportable("ONNX", model.recogniser, error) from error
    if difference > WITHIN:
        raise BundleError(
            f"the ONNX graph differs from the trained model by up to {difference:.2g} (at most {WITHIN:g} is allowed), "
            f"over {shown.what}; nothing was written"
        )
    tell(graph, "difference", [difference, shown.what])
    return graph, difference


def tell(graph: ModelProto, key: str, value: Any) -> None:
    """Adds to what the graph says of itself."""
    known = {one.key: one.value for one in graph.metadata_props}
    helper.set_model_props(graph, known | {f"gesturelab.{key}": json.dumps(value, ensure_ascii=False)})


def write_graph(graph: ModelProto, path: Path) -> None:
    """Writes the graph whole or not at all.

    Raises:
        RunError: If it cannot be written.
    """
    with atomic_write(path) as beside:
        beside.write_bytes(graph.SerializeToString(deterministic=True))
