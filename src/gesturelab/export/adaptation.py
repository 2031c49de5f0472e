"""A model for one person, from a model of everybody and a few recordings of that person."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch

from gesturelab.datasets.recording import Recording
from gesturelab.errors import ConfigError
from gesturelab.export.contents import Adaptation
from gesturelab.export.model import Model, OnnxModel
from gesturelab.models.adapted_head import add_adapted_head, head_inputs
from gesturelab.preprocessing.augmentation import mirror


def refuse_adaptation(model: Model) -> None:
    """Refuses models that cannot be adapted.

    Raises:
        ConfigError: If the model is an ONNX graph, or adapted already.
    """
    if isinstance(model, OnnxModel):
        raise ConfigError("an ONNX graph cannot be adapted: adapt the model.zip it was made from, then export that")
    if model.contents.adaptation is not None:
        raise ConfigError(
            f"the model is adapted to {model.contents.adaptation.person} already: adapt the model of everybody"
        )


def adapt_to(
    model: Model, recordings: Sequence[Recording], classes: Sequence[str], person: str, *, only: bool = False
) -> Model:
    """The model for one person; the one given stays as it is.

    Args:
        model: Of everybody.
        recordings: Of the person, which `Model.recording` made or could have made; at least one.
        classes: What each of them shows.
        person: The person's id.
        only: Whether the person makes no other gestures than these, so that no other is answered. Otherwise a recording
            that the general model takes for a gesture without calibration gets the general model's answer.

    Raises:
        ConfigError: If the model cannot be adapted.
    """
    refuse_adaptation(model)
    recogniser = copy.deepcopy(model.recogniser)
    parts = [model.windows([recording]) for recording in recordings]
    numbers = torch.tensor([model.classes.index(name) for name in classes])
    shown = numbers.repeat_interleave(torch.tensor([len(part) for part in parts]))
    positions = torch.cat(parts)
    if recogniser.mirrored_classes is not None:  # the mirror image of a window has a say, so it is calibrated too
        positions = torch.cat([positions, mirror(positions, recogniser.features.skeleton)])
        shown = torch.cat([shown, recogniser.mirrored_classes[shown]])
    with torch.no_grad():
        inputs = head_inputs(recogniser.classifier, recogniser.scaled_features(positions))
        add_adapted_head(recogniser.classifier).fit(inputs, shown, only=only)
    counts = {name: list(classes).count(name) for name in model.classes if name in classes}
    return Model(replace(model.contents, adaptation=Adaptation(person, counts, only)), recogniser, model.known)
