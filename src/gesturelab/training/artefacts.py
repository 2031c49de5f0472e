"""What a run leaves behind: weights, predictions, and the parts of its info file."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from lightning.pytorch import Trainer

from gesturelab.config.data import Target
from gesturelab.config.options import TARGET, to_plain
from gesturelab.config.split import FoldsFileConfig, GuestSplitConfig
from gesturelab.config.training import Keep, TrainConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.evaluation.baselines import Baselines, fit_baselines
from gesturelab.evaluation.metrics import CORRECTNESS, score_labels
from gesturelab.evaluation.predictions import COLUMNS, MORE_COLUMNS
from gesturelab.files import atomic_write
from gesturelab.models.flops import flops_to_answer
from gesturelab.models.network import count_parameters
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import (
    Baseline,
    CostInfo,
    DataInfo,
    ModelInfo,
    RejectedInfo,
    Scores,
    Side,
    SplitInfo,
    TrainingInfo,
)
from gesturelab.skeletons.definition import stored
from gesturelab.splits.split import recording_table, subjects_of_folds
from gesturelab.training.build import as_options, device_name
from gesturelab.training.checkpoints import kept_epoch
from gesturelab.training.datamodule import GestureData
from gesturelab.training.device import lightning_precision
from gesturelab.training.module import GestureModule
from gesturelab.training.provenance import cores, cpu_name


def write_predictions(
    path: Path,
    dataset: Dataset,
    ids: Int64[np.ndarray, " recordings"],
    rows: Float[np.ndarray, "recordings classes"],
    baselines: Baselines | None,
) -> None:
    """Writes one row a test recording: who, what, the probability of each class, and what the baselines say."""
    names = dataset.class_names
    with atomic_write(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow([*COLUMNS, *(f"p_{name}" for name in names), *(MORE_COLUMNS if baselines else ())])
        for number, row in zip(ids.tolist(), rows, strict=True):
            table.writerow(
                [
                    dataset.names[number],
                    dataset.subjects[number],
                    dataset.gesture_names[dataset.gestures[number]],
                    dataset.correctness[number],
                    names[int(row.argmax())],
                    *(f"{probability:.6g}" for probability in row),
                    *(_trivial(baselines, dataset.seconds[number : number + 1], names) if baselines else ()),
                ]
            )


def _trivial(baselines: Baselines, seconds: Float64[np.ndarray, " one"], names: tuple[str, ...]) -> list[object]:
    said = (baselines.by_length(seconds), baselines.by_majority(seconds))
    return [f"{seconds[0]:.6g}", *(names[int(one[0])] for one in said)]


def make_baselines(dataset: Dataset, train: Int64[np.ndarray, " recordings"]) -> Baselines | None:
    """What is known without looking at motion, from training recordings; None where gestures are recognised."""
    if dataset.target is not Target.correctness:
        return None
    return fit_baselines(dataset.seconds[train], dataset.classes[train])


def baseline_info(
    baselines: Baselines | None, dataset: Dataset, test: Int64[np.ndarray, " recordings"]
) -> dict[str, Baseline]:
    """What the baselines score on test recordings; nothing where gestures are recognised."""
    if baselines is None:
        return {}
    seconds, truth = dataset.seconds[test], dataset.classes[test]
    by_length, by_majority = baselines.by_length(seconds), baselines.by_majority(seconds)
    rule = f"incorrect if it lasts more than {baselines.threshold_s:.3g} s"
    always = f"always {dataset.class_names[baselines.majority]}"
    nothing = np.zeros(len(truth))

    def scores(predicted: Int64[np.ndarray, " recordings"], order: Float64[np.ndarray, " recordings"]) -> Scores:
        return score_labels(truth, predicted, np.stack([-order, order], axis=1), CORRECTNESS)

    return {
        "length": {"rule": rule, "threshold_s": baselines.threshold_s, **scores(by_length, seconds)},
        "majority": {"rule": always, **scores(by_majority, nothing)},
    }


def write_weights(run: RunDir, config: TrainConfig, dataset: Dataset, scaler: Scaler, module: GestureModule) -> None:
    """Writes the classifier's weights and what rebuilds it: plain values that load with weights_only=True."""
    contents = {
        "schema": 1,
        "model": to_plain(config.model),
        "features": to_plain(config.features),
        "feature_names": list(scaler.names),
        "window": to_plain(config.window),
        "target": str(dataset.target),
        "gestures": list(dataset.class_names),
        "mirror_at_test": config.augment.mirror_at_test,
        "mirrored_gestures": list(dataset.mirrored_classes),
        "skeleton": stored(dataset.skeleton),
        "state_dict": {name: value.cpu() for name, value in module.recogniser.classifier.state_dict().items()},
    }
    file = io.BytesIO()  # of a full disk torch would say only that a number is not what it expected
    torch.save(contents, file)
    with atomic_write(run.weights) as beside:
        beside.write_bytes(file.getbuffer())


def data_info(config: TrainConfig, data: GestureData) -> DataInfo:
    """What was read; paths of this machine are left out."""
    dataset = data.dataset
    tested = np.unique(data.windows.recording[data.sides.test]).tolist()
    options = {"source": config.data.source} | to_plain(config.data)
    del options[TARGET], options["cache_dir"]
    for key in ("root", "skeleton"):  # paths of this machine; the skeleton itself is kept below
        options.pop(key, None)
    options = {key: value for key, value in options.items() if not _is_path(value)}
    return DataInfo(
        source=dataset.source,
        synthetic=dataset.synthetic,
        fingerprint=dataset.fingerprint,
        recordings=len(dataset),
        frames=len(dataset.positions),
        subjects=len(dataset.people),
        groups={person: group for person, group in dataset.people.items() if group},
        skeleton=stored(dataset.skeleton),
        postures={dataset.names[number]: dataset.postures[number] for number in tested if dataset.postures[number]},
        options=options,
        rejected=[RejectedInfo(recording=left.recording, reason=left.reason) for left in dataset.rejected],
    )


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and Path(value).expanduser().is_absolute()


def split_info(config: TrainConfig, data: GestureData) -> SplitInfo:
    """Who was on which side."""

    def side(index: np.ndarray) -> Side:
        recordings = np.unique(data.windows.recording[index])
        subjects = sorted({data.dataset.subjects[number] for number in recordings.tolist()})
        return Side(subjects=subjects, recordings=len(recordings), windows=len(index))

    options = {"kind": config.split.kind} | to_plain(config.split)
    del options[TARGET]
    options.pop("file", None)  # a path of this machine
    if isinstance(config.split, FoldsFileConfig | GuestSplitConfig):  # what makes the folds is not here
        options["people"] = subjects_of_folds(recording_table(data.dataset), config.split)
    return SplitInfo(
        kind=config.split.kind,
        leaky=config.split.leaky,
        options=options,
        train=side(data.sides.train),
        validation=side(data.sides.validation),
        test=side(data.sides.test),
    )


def model_info(config: TrainConfig, module: GestureModule) -> ModelInfo:
    """The network and what it was trained with."""
    hyperparameters: dict[str, Any] = {
        **to_plain(config.model),
        "loss": to_plain(config.loss),
        "augment": to_plain(config.augment),
    }
    return ModelInfo(
        size=config.model.name,
        parameters=count_parameters(module.recogniser.classifier),
        hyperparameters=hyperparameters,
    )


def cost_info(recogniser: Recogniser, frames: int, load: float) -> CostInfo:
    """Operations of a window of so many frames, and what the training ran on.

    Args:
        recogniser: What was trained.
        frames: In a window.
        load: Of the machine when the training ended.
    """
    return CostInfo(
        flops_per_window=flops_to_answer(recogniser, frames),
        cpu=cpu_name(),
        cores=cores(),
        threads=torch.get_num_threads(),
        load=round(load, 2),
    )


def training_info(config: TrainConfig, trainer: Trainer, module: GestureModule, accelerator: str) -> TrainingInfo:
    """What happened while training."""
    history = module.history
    info = TrainingInfo(
        epochs=len(history),
        max_epochs=config.trainer.max_epochs,
        keep=str(config.trainer.keep),
        best_epoch=kept_epoch(history, Keep(config.trainer.keep)),
        stopped_early=len(history) < config.trainer.max_epochs,
        seconds=round(module.seconds, 3),
        device=device_name(accelerator),
        precision=lightning_precision(config.trainer.precision, accelerator),
        batch_size=config.trainer.batch_size * trainer.world_size,
        batches_per_epoch=config.trainer.batches_per_epoch,
        gradient_clip_norm=config.trainer.gradient_clip_norm,
        callbacks={name: as_options(entry) for name, entry in config.callbacks.items()},
        optimizer=as_options(config.optimizer),
        scheduler=to_plain(config.scheduler),
        history=history,
    )
    if module.micro_batches.size is not None:
        info["micro_batch"] = module.micro_batches.size
    if module.skipped:
        info["skipped"] = module.skipped
    if module.restarts:
        info["restarts"] = module.restarts
    return info
