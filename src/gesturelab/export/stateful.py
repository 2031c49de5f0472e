"""A model for streams as ONNX: one frame and a state in, probabilities and the next state out.

The state begins as zeros. After n frames at the window's rate the probabilities are those of a window of these n
frames; networks were trained on windows of `length_frames`, so begin anew after as many. To have an answer about the
last window at every frame, keep as many states as a window has frames, each begun at another frame, as a batch.
"""

import copy
import json
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from onnx import ModelProto, helper
from torch import Tensor, nn

from gesturelab.errors import BundleError
from gesturelab.export.evidence import Evidence
from gesturelab.export.model import Model
from gesturelab.export.model_card import card
from gesturelab.export.onnx_file import exported, metadata, session, tell
from gesturelab.export.program import WITHIN
from gesturelab.models.network import Network
from gesturelab.models.recogniser import Recogniser, non_causal_reasons
from gesturelab.preprocessing.augmentation import mirror

MOST_WINDOWS = 256
"""Of the recordings shown, spread evenly: each is run frame by frame."""


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
        self.shapes = [each.shape[1:] for each in self.network.initial_state(1)]
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
        features = (self.recogniser.features(pair)[:, 1] - self.recogniser.mean) / self.recogniser.deviation
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
        rows = torch.cat([each.flatten(1) for each in remembered], dim=1)
        batch = frame.shape[0]
        if self.recogniser.mirrored_classes is not None:
            own, image = probabilities[:batch], probabilities[batch:]
            probabilities = (own + image[:, self.recogniser.mirrored_classes]) / 2
        rest = rows.reshape(self.images, batch, sum(self.parts)).transpose(0, 1).flatten(1)
        return probabilities, torch.cat([seen + 1, frame.flatten(1), rest], dim=1)


def as_steps(model: Model) -> ModelProto:
    """The graph: inputs ``frame`` and ``state``, outputs ``probabilities`` and ``next_state``.

    Raises:
        BundleError: If the network looks beyond a frame and the one before; each key is named.
    """
    if keys := non_causal_reasons(model.recogniser):
        raise BundleError(
            f"a network with {', '.join(keys)} needs its whole window, so that it has no state; train one with "
            "features=live and a network that reads forwards"
        )
    steps = Steps(copy.deepcopy(model.recogniser)).eval()
    frame = torch.zeros(3, steps.joints, 3) + torch.arange(steps.joints)[:, None] / 10
    batch = torch.export.Dim("batch")
    made = exported(
        steps,
        model.recogniser,
        (frame, torch.zeros(3, steps.state_size)),
        dynamic_shapes=({0: batch}, {0: batch}),
        input_names=["frame", "state"],
        output_names=["probabilities", "next_state"],
    )
    made.doc_string = card(model.contents)
    about = {"state": steps.state_size, "frames": model.contents.window.length_frames}
    rate = model.contents.window.rate_hz or model.contents.rate_hz
    told = metadata(model) | {f"gesturelab.{key}": json.dumps(value) for key, value in about.items()}
    helper.set_model_props(made, told | {"gesturelab.rate_hz": json.dumps(rate)})
    return made


def checked_steps(model: Model, shown: Evidence) -> tuple[ModelProto, float]:
    """The graph, and how much its probabilities differ at most from the trained model's when windows have gone through.

    Raises:
        BundleError: If it is more than `WITHIN`, or the network has no state.
    """
    graph = as_steps(model)
    windows = model.windows(shown.recordings).numpy()
    windows = windows[np.unique(np.linspace(0, len(windows) - 1, min(MOST_WINDOWS, len(windows))).astype(np.int64))]
    running = session(graph.SerializeToString())
    size = json.loads({one.key: one.value for one in graph.metadata_props}["gesturelab.state"])
    state = np.zeros((len(windows), size), dtype=np.float32)
    said: Any = None
    for at in range(windows.shape[1]):
        said, state = cast(list[Any], running.run(None, {"frame": windows[:, at], "state": state}))
    difference = float(np.abs(said - model.probabilities(windows)).max())
    if not difference <= WITHIN:
        raise BundleError(
            f"the ONNX graph differs from the trained model by up to {difference:.2g} (at most {WITHIN:g} is allowed), "
            f"over windows of {shown.what}; nothing was written"
        )
    tell(graph, "difference", [difference, shown.what])
    return graph, difference
