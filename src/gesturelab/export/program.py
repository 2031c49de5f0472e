"""What every exporter needs: the network as one step, recordings to check it against; and the program of torch.export.

The program takes windows of positions and gives probabilities, without our classes.
"""

import copy
import json
import warnings
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from gesturelab.config.data import Short
from gesturelab.config.options import GuestOptions, to_plain
from gesturelab.config.saved import read_data_config
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Recording
from gesturelab.errors import BundleError, GesturelabError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export.model import Model
from gesturelab.files import atomic_write
from gesturelab.models.recogniser import Recogniser
from gesturelab.models.trust import refuse_untrusted
from gesturelab.runs.folder import RunDir

WITHIN = 1e-4
"""What is exported is not written if its probabilities differ by more from the trained model's."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """Recordings to check an exported model against the one that was trained.

    Attributes:
        what: What they are, in words.
        recordings: At least one.
        truth: The class of each; None where the motion means nothing.
    """

    what: str
    recordings: tuple[Recording, ...]
    truth: Int64[np.ndarray, " recordings"] | None


def evidence(run: RunDir, model: Model, trust: Collection[str] = ()) -> Evidence:
    """The run's test recordings; where its data are gone, motion drawn at random.

    Args:
        run: Where its predictions and configuration are.
        model: What was trained.
        trust: Datasets from outside gesturelab that may be read.
    """
    try:
        config = read_data_config(run.config)
        if isinstance(config, GuestOptions):
            refuse_untrusted(to_plain(config), trust, str(run.config))
        dataset = load(config)
        predictions = read_predictions(run.predictions)
    except GesturelabError:
        return random_motion(model)
    if dataset.fingerprint != model.contents.facts["data"]["fingerprint"]:
        return random_motion(model)
    places = {name: place for place, name in enumerate(dataset.names)}
    recordings = tuple(dataset[places[name]] for name in predictions.names)
    return Evidence(f"{len(recordings)} test recordings of {dataset.source}", recordings, predictions.truth)


def random_motion(model: Model) -> Evidence:
    """Joints that stay about where they are and swing slowly."""
    rng = np.random.default_rng(0)
    joints, window = len(model.skeleton.joints), model.contents.window
    recordings: list[Recording] = []
    least = 1 if window.short is Short.pad else 10 * window.length_frames  # enough at any rate that sensors have
    for frames in (least + more for more in (0, 12, 63, 87, 199)):
        place = rng.normal(0, 0.4, (1, joints, 3)) + np.array([0, 0, 2.5])
        turns = np.linspace(0, 2 * np.pi, frames)[:, None, None] * rng.uniform(0.2, 2, (1, joints, 3))
        motion = place + 0.2 * np.sin(turns + rng.uniform(0, 6, (1, joints, 3)))
        recordings.append(model.recording(motion, model.contents.rate_hz, str(frames)))
    what = "5 recordings of random motion (the run's own recordings are not here)"
    return Evidence(what, tuple(recordings), None)


class WindowNetwork(nn.Module):
    """Windows to probabilities, as one step for an exporter."""

    def __init__(self, recogniser: Recogniser) -> None:
        super().__init__()
        self.recogniser = copy.deepcopy(recogniser)
        self.eval()

    def forward(self, windows: Float[Tensor, "batch frames joints 3"]) -> Float[Tensor, "batch classes"]:
        """Probabilities."""
        return self.recogniser.probabilities(windows)


def example_windows(model: Model) -> Float[Tensor, "3 frames joints 3"]:
    """What an exporter looks at: joints that stand apart, so that no length is zero."""
    joints = len(model.skeleton.joints)
    return torch.zeros(3, model.contents.window.length_frames, joints, 3) + torch.arange(joints)[:, None] / 10


@contextmanager
def exporting(form: str, model: Model) -> Generator[None]:
    """The block exports a network: it is not told what torch's exporters say of torch.

    Raises:
        BundleError: If the block fails; it names the network, and what works instead.
    """
    network = type(model.recogniser.classifier)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # torch and onnxruntime raise whatever a guest's network leads them to
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[0].strip()[:300].rstrip(".")
        raise BundleError(
            f"{network.__module__}.{network.__qualname__} cannot be exported as {form}: {reason}; nothing was written. "
            "(Sizes that Python counts, such as len(features), become constants: take features.shape[0].) "
            "A bundle (gesturelab export without --format) can be made of any network"
        ) from error


def refuse_difference(what: str, difference: float, recordings: str) -> None:
    """Refuses an export whose probabilities differ from the trained model's.

    Raises:
        BundleError: If they differ by more than `WITHIN`, or are not finite.
    """
    if not difference <= WITHIN:
        raise BundleError(
            f"the {what} differs from the trained model by up to {difference:.2g} (at most {WITHIN:g} is allowed), "
            f"over {recordings}; nothing was written"
        )


def write_program(model: Model, path: Path, shown: Evidence) -> float:
    """Writes the network if it answers as the trained model does; ``bundle.json`` is among its extra files.

    Returns:
        The largest difference between probabilities, over the windows of the recordings shown.

    Raises:
        BundleError: If it is above `WITHIN`.
        RunError: If the file cannot be written.
    """
    network, example = WindowNetwork(model.recogniser), example_windows(model)
    with exporting("a program of torch.export", model):
        network(example)  # what is looked up once must be looked up before it is traced
        program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("windows")},))
    windows = model.windows(shown.recordings)
    with torch.no_grad():
        answers = program.module()(windows)
    difference = float((answers - torch.from_numpy(model.probabilities(windows))).abs().max())
    refuse_difference("exported program", difference, f"the windows of {shown.what}")
    contents = replace(model.contents, unknown_above=None)  # a program cannot tell
    description = json.dumps(contents.to_plain(), ensure_ascii=False)
    with atomic_write(path) as beside, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, beside, extra_files={"bundle.json": description})
    return difference
