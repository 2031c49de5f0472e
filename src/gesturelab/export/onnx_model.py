"""A model that is asked by way of its ONNX graph: onnxruntime does the arithmetic, torch none of it."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64

from gesturelab.config.data import Span
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import BundleError, ConfigError
from gesturelab.export.contents import Contents, from_plain
from gesturelab.export.model import Model
from gesturelab.preprocessing.windows import Windows


class OnnxModel(Model):
    """As `Model`, with a graph in place of the network."""

    def __init__(self, contents: Contents, running: Any) -> None:
        self.contents = contents
        self.running = running

    def rows(self, dataset: Dataset, windows: Windows) -> Float64[np.ndarray, "windows classes"]:
        """Probabilities of the windows of each recording, as the graph cuts them."""
        found = [self._run(one.positions[None], one.rate_hz)[0] for one in (dataset[at] for at in range(len(dataset)))]
        rows = np.concatenate(found).astype(np.float64)
        if len(rows) != len(windows) or rows.shape[1] != len(self.classes):
            raise BundleError("the graph does not cut the windows that its description says")
        return rows

    def probabilities(
        self, windows: Float[np.ndarray, "batch frames joints 3"] | Float[torch.Tensor, "batch frames joints 3"]
    ) -> Float32[np.ndarray, "batch classes"]:
        """Probabilities of windows that are cut already: to the graph each is a recording at the window's rate."""
        return self._run(np.asarray(windows, dtype=np.float32), self.contents.window.rate_hz)[:, 0]

    def _run(
        self, positions: Float32[np.ndarray, "batch frames joints 3"], rate_hz: float | None
    ) -> Float32[np.ndarray, "batch windows classes"]:
        given: dict[str, np.ndarray] = {"positions": positions}
        window = self.contents.window
        if window.span is Span.sliding and window.rate_hz is not None:
            given["rate_hz"] = np.array(rate_hz, dtype=np.float64)
        try:
            return self.running.run(["window_probabilities"], given)[0]
        except Exception as error:  # onnxruntime's errors have no class in common
            raise BundleError(f"the graph cannot be run: {str(error)[:200]}") from error


def load_onnx(path: Path) -> OnnxModel:
    """A graph that ``gesturelab export --format onnx`` wrote.

    Raises:
        BundleError: If it is damaged or from elsewhere.
        ConfigError: If onnxruntime is not installed.
    """
    if not path.is_file():
        raise BundleError(f"{path} does not exist")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path} needs the package onnxruntime: pip install 'gesturelab[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # an input with a default is meant; what fails is raised
    try:
        running = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime has an error class for each of its states, all below Exception
        raise BundleError(f"{path} is no ONNX graph that can be run: {str(error)[:200]}") from error
    told = cast(dict[str, str], running.get_modelmeta().custom_metadata_map)
    if "gesturelab.state" in told:
        raise BundleError(f"{path} takes a frame and a state (--stateful), not recordings: export it without")
    said = told.get("gesturelab.bundle")
    if said is None:
        raise BundleError(f"{path} is an ONNX graph, but not one of 'gesturelab export': it has no description")
    try:
        return OnnxModel(from_plain(json.loads(said)), running)
    except (ValueError, RecursionError, BundleError) as error:
        raise BundleError(f"{path}: {error}") from error
