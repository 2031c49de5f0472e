"""Recordings to hold an exported model against the one that was trained."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from gesturelab.config.data import Short
from gesturelab.config.options import GuestOptions, to_plain
from gesturelab.config.saved import read_data_config
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Recording
from gesturelab.errors import GesturelabError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export.model import Model
from gesturelab.models.trust import refuse_untrusted
from gesturelab.runs.folder import RunDir


@dataclass(frozen=True, eq=False)
class Evidence:
    """Recordings, and what they are.

    Attributes:
        what: In words.
        recordings: At least one.
        truth: The class of each; None where the motion means nothing.
    """

    what: str
    recordings: tuple[Recording, ...]
    truth: Int64[np.ndarray, " recordings"] | None


def evidence(run: RunDir, model: Model, most: int | None = None, trust: Collection[str] = ()) -> Evidence:
    """The run's test recordings; where its data are gone, motion drawn at random.

    Args:
        run: Where its predictions and configuration are.
        model: What was trained.
        most: Take at most so many recordings, spread evenly; None takes all.
        trust: Datasets from outside gesturelab that may be read.
    """
    try:
        config = read_data_config(run.config)
        if isinstance(config, GuestOptions):
            refuse_untrusted(to_plain(config), trust, str(run.config))
        dataset = load(config)
        said = read_predictions(run.predictions)
    except GesturelabError:
        return _at_random(model)
    if dataset.fingerprint != model.contents.facts["data"]["fingerprint"]:
        return _at_random(model)
    place = {name: at for at, name in enumerate(dataset.names)}
    count = len(said) if most is None else min(most, len(said))
    chosen = np.unique(np.linspace(0, len(said) - 1, count).round().astype(np.int64))
    those = tuple(dataset[place[said.names[at]]] for at in chosen.tolist())
    return Evidence(f"{len(those)} test recordings of {dataset.source}", those, said.truth[chosen])


def _at_random(model: Model) -> Evidence:
    """Joints that stay about where they are and swing slowly."""
    rng = np.random.default_rng(0)
    joints = len(model.skeleton.joints)
    found: list[Recording] = []
    window = model.contents.window
    least = 1 if window.short is Short.pad else 10 * window.length_frames  # enough at any rate that sensors have
    for frames in (least + more for more in (0, 12, 63, 87, 199)):
        place = rng.normal(0, 0.4, (1, joints, 3)) + np.array([0, 0, 2.5])
        turns = np.linspace(0, 2 * np.pi, frames)[:, None, None] * rng.uniform(0.2, 2, (1, joints, 3))
        motion = place + 0.2 * np.sin(turns + rng.uniform(0, 6, (1, joints, 3)))
        found.append(model.recording(motion, model.contents.rate_hz, str(frames)))
    what = "5 recordings of random motion (the run's own recordings are not here)"
    return Evidence(what, tuple(found), None)
