"""Why a model answered as it did: ``gesturelab.explain``."""

from collections.abc import Collection

import numpy as np

from gesturelab.datasets.recording import IMPOSSIBLE_M, Dataset, Recording
from gesturelab.errors import RecordingError
from gesturelab.evaluation.explanation import MOMENTS, Explanation, hide_frames, hide_joints, log_odds
from gesturelab.export.load import model_of
from gesturelab.export.model import Model
from gesturelab.progress import show_progress
from gesturelab.runs.folder import RunDir

FRAMES_AT_ONCE = 100_000
"""Of the forms of a recording; more would take memory."""


def explain(model: Model, recording: Recording) -> Explanation:
    """Which joints and which moments carried a model's answer: ``explain(model, model.recording(positions, 30))``.

    By occlusion (M. D. Zeiler, R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014): each joint
    is hidden in turn, then each of `MOMENTS` parts of the recording with all joints, and the model is asked again about
    each. A hidden joint keeps still where it is when the recording begins, measured from the root
    (`gesturelab.evaluation.explanation.hide_joints`); hidden frames are a straight line between those beside them. Any
    model can be asked, a graph of ONNX as well. All hidden forms of a recording go through the model together.

    What one joint shows, another may show too: of joints that move together, as wrist and hand do, hiding either one
    alone costs little.

    Args:
        model: Whose answer is explained.
        recording: Of the model's joints: what `Model.recording` makes, or one of a dataset.

    Raises:
        RecordingError: If the model cannot answer the recording.
    """
    if recording.skeleton.joints != model.skeleton.joints:
        raise RecordingError(
            f"{recording.name} cannot be explained: it has the joints of {recording.skeleton.name}, and the model "
            f"knows those of {model.skeleton.name}"
        )
    recording = model.recording(recording.positions, recording.rate_hz, recording.name)
    positions, joints, frames = recording.positions, len(model.skeleton.joints), len(recording.positions)
    bounds = np.unique(np.linspace(0, frames, MOMENTS + 1).round().astype(int))
    forms = [positions]
    forms += [hide_joints(positions, model.skeleton, [joint]) for joint in range(joints)]
    forms += [hide_frames(positions, *pair) for pair in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]
    asked = [model.recording(np.clip(form, -IMPOSSIBLE_M, IMPOSSIBLE_M), recording.rate_hz) for form in forms]
    at_once = max(FRAMES_AT_ONCE // frames, 1)  # all of them, but for very long recordings
    parts = [asked[first : first + at_once] for first in range(0, len(asked), at_once)]
    values = np.stack([prediction.values for part in parts for prediction in model.answer(part)])
    label = int(values[0].argmax())
    odds, probabilities = log_odds(values, label), values[:, label]
    return Explanation(
        label=model.classes[label],
        probability=float(probabilities[0]),
        joints=model.skeleton.joints,
        joint_importance=odds[0] - odds[1 : 1 + joints],
        without_joint=probabilities[1 : 1 + joints],
        starts=bounds[:-1] / recording.rate_hz,
        ends=bounds[1:] / recording.rate_hz,
        moment_importance=odds[0] - odds[1 + joints :],
        without_moment=probabilities[1 + joints :],
    )


def explain_tested(
    run: RunDir, dataset: Dataset, names: Collection[str], trust: Collection[str] = ()
) -> dict[str, Explanation]:
    """What a finished run's model answers to some recordings of a dataset, explained, by name.

    Args:
        run: Whose model is asked.
        dataset: Where the recordings are; names that it lacks are passed over.
        names: Of the recordings.
        trust: Classes from outside gesturelab that the run may name.

    Raises:
        GesturelabError: If the model cannot be read.
    """
    model = model_of(run, trust)
    places = [place for place, name in enumerate(dataset.names) if name in names]
    return {dataset.names[place]: explain(model, dataset[place]) for place in show_progress(places, "explaining")}
