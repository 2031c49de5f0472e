"""What a finished training knows of unknown movements: where known gestures lie, and how one left out is answered."""

import csv
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from gesturelab.config.data import Target
from gesturelab.config.training import TrainConfig
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import ConfigError
from gesturelab.evaluation.calibration import with_temperature
from gesturelab.evaluation.unknown import COLUMNS, KEPT_SHARE, NONE_OF_THESE
from gesturelab.evaluation.windows import combine_windows
from gesturelab.export.model import over_windows
from gesturelab.files import atomic_write
from gesturelab.models.adapted_head import head_values
from gesturelab.models.known_gestures import KnownGestures, fit_known_gestures, score_positions
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.windows import Windows, cut_windows
from gesturelab.runs.folder import RunDir
from gesturelab.training.datamodule import GestureData, evaluation_batch
from gesturelab.training.micro_batching import MicroBatches

log = logging.getLogger(__name__)

MOST_WINDOWS = 20_000
"""So many training windows at most tell where known gestures lie, spread evenly."""


def fit_known(recogniser: Recogniser, data: GestureData, device: torch.device) -> KnownGestures | None:
    """Where the gestures of training people lie; None where correctness is told, or the network has no linear head."""
    recogniser = recogniser.to(device).eval()
    train, classes = data.subsets.train, len(data.dataset.class_names)
    index = train[np.linspace(0, len(train) - 1, min(len(train), MOST_WINDOWS)).astype(np.int64)]
    gestures = data.dataset.classes[data.windows.recording[index]]
    if data.dataset.target is not Target.gesture or len(np.unique(gestures)) < classes:
        return None

    def values(positions: Tensor) -> Tensor:
        inputs, logits, _ = head_values(recogniser.classifier, recogniser.scaled_features(positions))
        return torch.cat([inputs, logits], dim=1)

    try:
        both = torch.from_numpy(_evaluate(values, data, data.dataset, data.windows, index, device))
    except ConfigError as error:
        log.info("no answer will be 'none of these': %s", error)
        return None
    if not both.isfinite().all():  # the training diverged
        return None
    return fit_known_gestures(both[:, :-classes], both[:, -classes:], torch.from_numpy(gestures))


def fit_limit(known: KnownGestures, recogniser: Recogniser, data: GestureData, device: torch.device) -> float:
    """The score that `KEPT_SHARE` of the validation recordings do not exceed."""
    validation = data.subsets.validation
    scores = _score(known, recogniser.to(device).eval(), data, data.dataset, data.windows, validation, device)
    return float(f"{np.quantile(scores, KEPT_SHARE):.6g}")


def _score(
    known: KnownGestures,
    recogniser: Recogniser,
    data: GestureData,
    dataset: Dataset,
    windows: Windows,
    index: Int64[np.ndarray, " windows"],
    device: torch.device,
) -> Float64[np.ndarray, " recordings"]:
    """The scores of the recordings that some windows are of, in order."""
    scores = _evaluate(partial(score_positions, known, recogniser), data, dataset, windows, index, device)
    return combine_windows(windows.recording[index], scores[:, None])[1][:, 0]


def _evaluate(
    compute: Callable[[Tensor], Tensor],
    data: GestureData,
    dataset: Dataset,
    windows: Windows,
    index: Int64[np.ndarray, " windows"],
    device: torch.device,
) -> Float64[np.ndarray, "windows *numbers"]:
    """What is computed of some windows: as many at a time as are scored after a training, or as fit into memory."""
    at_once = evaluation_batch(device, windows.length_frames, data.batch_size)
    return over_windows(partial(MicroBatches().evaluate, compute), dataset, windows, index, device, at_once)


def refuse_unknown_gesture(config: TrainConfig, recogniser: Recogniser) -> None:
    """Refuses ``data.unknown_gesture`` before a training whose model could not be asked.

    Raises:
        ConfigError: If nobody is unseen, or the network has no linear head.
    """
    if config.split.leaky:
        raise ConfigError(
            f"data.unknown_gesture={config.data.unknown_gesture}: {config.split.kind} does not divide people, so that "
            "nobody is unseen; take split=subject_kfold"
        )
    joints = len(recogniser.features.skeleton.joints)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        positions = torch.randn(2, config.window.length_frames, joints, 3)
        head_values(recogniser.classifier, recogniser.scaled_features(positions))


def write_unknown(
    run: RunDir,
    config: TrainConfig,
    data: GestureData,
    recogniser: Recogniser,
    known: KnownGestures,
    limit: float,
    temperature: float,
    device: torch.device,
) -> None:
    """Writes the answers to the test people's recordings, those of ``data.unknown_gesture`` too."""
    unknown = load(replace(config.data, gestures=[str(config.data.unknown_gesture)], unknown_gesture=None))
    people = {data.dataset.subjects[number] for number in data.windows.recording[data.subsets.test].tolist()}
    windows = cut_windows(unknown, config.window)
    chosen = np.flatnonzero([unknown.subjects[number] in people for number in windows.recording.tolist()])
    recogniser = recogniser.to(device).eval()
    with atomic_write(run.unknown) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for dataset, cut, index in ((data.dataset, data.windows, data.subsets.test), (unknown, windows, chosen)):
            if not len(index):  # no test person made it
                continue
            rows = _evaluate(recogniser.probabilities, data, dataset, cut, index, device)
            ids, probabilities = combine_windows(cut.recording[index], rows)
            confidences = with_temperature(probabilities, temperature).max(axis=1)
            scores = _score(known, recogniser, data, dataset, cut, index, device)
            for place, number in enumerate(ids.tolist()):
                label = data.dataset.class_names[int(probabilities[place].argmax())]
                answer = NONE_OF_THESE if scores[place] > limit else label
                gesture = dataset.gesture_names[dataset.gestures[number]]
                name = (dataset.names[number], dataset.subjects[number], gesture, int(dataset is data.dataset))
                table.writerow([*name, f"{confidences[place]:.8g}", f"{scores[place]:.8g}", answer])
