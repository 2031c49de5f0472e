"""The network as a program of torch.export: windows of positions in, probabilities out, without our classes."""

import copy
import json
import warnings
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesturelab.errors import BundleError
from gesturelab.export.evidence import Evidence
from gesturelab.export.model import Model
from gesturelab.files import atomic_write
from gesturelab.models.recogniser import Recogniser

WITHIN = 1e-4
"""What is exported is not written if its probabilities differ by more from the trained model's."""


class Answers(nn.Module):
    """Windows to probabilities, as one step for an exporter."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = recogniser

    def forward(self, windows: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """Probabilities."""
        return self.recogniser.probabilities(windows)


def example_windows(frames: int, joints: int) -> Float[Tensor, "3 frames joints 3"]:
    """What an exporter looks at: joints that stand apart, so that no length is zero."""
    return torch.zeros(3, frames, joints, 3) + torch.arange(joints)[:, None] / 10


def not_exportable(form: str, recogniser: Recogniser, error: Exception) -> BundleError:
    """Why torch cannot export a network, as an error that says what works instead."""
    network = type(recogniser.classifier)
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[0].strip()[:300].rstrip(".")
    return BundleError(
        f"{network.__module__}.{network.__qualname__} cannot be exported as {form}: {reason}; nothing was written. "
        "(Sizes that Python counts, such as len(features), become constants: take features.shape[0].) "
        "A bundle (gesturelab export without --format) can be made of any network"
    )


def write_program(model: Model, path: Path, shown: Evidence) -> float:
    """Writes the network if it answers as the trained model does; ``bundle.json`` is among its extra files.

    Returns:
        The largest difference between probabilities, over the windows of the recordings shown.

    Raises:
        BundleError: If it is above `WITHIN`.
        RunError: If the file cannot be written.
    """
    answers = Answers(copy.deepcopy(model.recogniser)).eval()
    example = example_windows(model.contents.window.length_frames, len(model.skeleton.joints))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch's exporter says of torch
        answers(example)  # what is looked up once must be looked up before it is traced
        try:
            program = torch.export.export(answers, (example,), dynamic_shapes=({0: torch.export.Dim("windows")},))
        except Exception as error:  # torch raises whatever a guest's network leads it to
            raise not_exportable("a program of torch.export", model.recogniser, error) from error
        windows = model.windows(shown.recordings)
        said = program.module()(windows)
    difference = float((said - torch.from_numpy(model.probabilities(windows))).abs().max())
    if not difference <= WITHIN:
        raise BundleError(
            f"the exported program differs from the trained model by up to {difference:.2g} (at most {WITHIN:g} is "
            f"allowed), over the windows of {shown.what}; nothing was written"
        )
    described = json.dumps(model.contents.to_plain(), ensure_ascii=False)
    with atomic_write(path) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, beside, extra_files={"bundle.json": described})
    return difference
