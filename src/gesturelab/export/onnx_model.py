"""A model that is asked by way of its ONNX graph: onnxruntime does the arithmetic, torch none of it."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64

from gesturelab.config.data import Span, WindowConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import BundleError, ConfigError
from gesturelab.export.contents import Contents, from_plain
from gesturelab.export.model import Model
from gesturelab.preprocessing.windows import Windows


def has_rate(config: WindowConfig) -> bool:
    """Whether the frames a second of a recording matter."""
    return config.span is Span.sliding and config.rate_hz is not None


class OnnxModel(Model):
    """As `Model`, with a graph in place of the network."""

    def __init__(self, contents: Contents, running: Any) -> None:
        self.contents = contents
        self.running = running

    def rows(self, dataset: Dataset, windows: Windows) -> Float64[np.ndarray, "windows classes"]:
        """Probabilities of the windows of each recording, as the graph cuts them."""
        recordings = (dataset[number] for number in range(len(dataset)))
        answers = [self.run(recording.positions[None], recording.rate_hz)[1][0] for recording in recordings]
        rows = np.concatenate(answers).astype(np.float64)
        if len(rows) != len(windows) or rows.shape[1] != len(self.classes):
            raise BundleError("the graph does not cut the windows that its description says")
        return rows

    def probabilities(
        self, windows: Float[np.ndarray, "batch frames joints 3"] | Float[torch.Tensor, "batch frames joints 3"]
    ) -> Float32[np.ndarray, "batch classes"]:
        """Probabilities of windows that are cut already: to the graph each is a recording at the window's rate."""
        return self.run(np.asarray(windows, dtype=np.float32), self.contents.window.rate_hz)[1][:, 0]

    def run(
        self, positions: Float32[np.ndarray, "batch frames joints 3"], rate_hz: float | None
    ) -> tuple[Float32[np.ndarray, "batch classes"], Float32[np.ndarray, "batch windows classes"]]:
        """Probabilities of recordings of one length, and of their windows, as the graph gives them."""
        inputs: dict[str, np.ndarray] = {"positions": positions}
        if has_rate(self.contents.window):
            inputs["rate_hz"] = np.array(rate_hz, dtype=np.float64)
        try:
            return tuple(self.running.run(["probabilities", "window_probabilities"], inputs))
        except Exception as error:  # onnxruntime's errors have no class in common
            raise BundleError(f"the graph cannot be run: {str(error)[:200]}") from error


def session(graph: bytes | str) -> Any:
    """A graph, or the file of one, ready to run on as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # an input with a default is meant; what fails is raised
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def load_onnx(path: Path) -> OnnxModel:
    """A graph that ``gesturelab export --format onnx`` wrote.

    Raises:
        BundleError: If it is damaged or from elsewhere.
        ConfigError: If onnxruntime is not installed.
    """
    if not path.is_file():
        raise BundleError(f"{path} does not exist")
    try:
        running = session(str(path))
    except ModuleNotFoundError as error:
        raise ConfigError(f"{path} needs the package onnxruntime: pip install 'gesturelab[export]'") from error
    except Exception as error:
        # onnxruntime has an error class for each of its states, all below Exception
        raise BundleError(f"{path} is no ONNX graph that can be run: {str(error)[:200]}") from error
    metadata = cast(dict[str, str], running.get_modelmeta().custom_metadata_map)
    if "gesturelab.state" in metadata:
        raise BundleError(f"{path} takes a frame and a state (--stateful), not recordings: export it without")
    if "gesturelab.bundle" not in metadata:
        raise BundleError(f"{path} is an ONNX graph, but not one of 'gesturelab export': it has no description")
    try:
        return OnnxModel(from_plain(json.loads(metadata["gesturelab.bundle"])), running)
    except (ValueError, RecursionError, BundleError) as error:
        raise BundleError(f"{path}: {error}") from error
