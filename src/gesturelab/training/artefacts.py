"""What a run leaves behind: weights, predictions, and the parts of its info file."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from lightning.pytorch import Trainer

from gesturelab.config.data import Target, WindowConfig
from gesturelab.config.options import TARGET, guests_of, provenance, target_of, to_plain
from gesturelab.config.split import FoldsFileConfig, GuestSplitConfig
from gesturelab.config.training import Keep, TrainConfig
from gesturelab.datasets.recording import Dataset
from gesturelab.evaluation.baselines import Baselines, fit_baselines
from gesturelab.evaluation.metrics import CORRECTNESS, Metric, confusion, score, score_labels
from gesturelab.evaluation.predictions import COLUMNS, MORE_COLUMNS
from gesturelab.evaluation.windows import combine_windows, write_windows
from gesturelab.files import atomic_write
from gesturelab.models.known_gestures import KnownGestures
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.preprocessing.windows import cut_live
from gesturelab.progress import show_progress
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import (
    Baseline,
    DataInfo,
    Metrics,
    RefitInfo,
    RejectedInfo,
    Scores,
    SideScores,
    SplitInfo,
    Subset,
    TrainingInfo,
)
from gesturelab.runs.signals import raise_if_received
from gesturelab.skeletons.definition import stored
from gesturelab.splits.split import recording_table, subjects_of_folds
from gesturelab.training.checkpoints import kept_epoch
from gesturelab.training.datamodule import GestureData, evaluation_batch
from gesturelab.training.device import lightning_precision
from gesturelab.training.micro_batching import MicroBatches
from gesturelab.training.module import GestureModule


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
            cells = [dataset.names[number], dataset.subjects[number], dataset.gesture_names[dataset.gestures[number]]]
            cells += [dataset.correctness[number], names[int(row.argmax())], *(f"{share:.6g}" for share in row)]
            if baselines is not None:
                seconds = dataset.seconds[number : number + 1]
                answers = (baselines.by_length(seconds), baselines.by_majority(seconds))
                cells += [f"{seconds[0]:.6g}", *(names[int(answer[0])] for answer in answers)]
            table.writerow(cells)


def write_live(
    path: Path, config: WindowConfig, data: GestureData, recogniser: Recogniser, device: torch.device
) -> None:
    """Writes what the network says of each test recording, moment after moment, knowing only what came before.

    Args:
        path: The windows file.
        config: How windows are cut.
        data: Whose test recordings.
        recogniser: With the best weights.
        device: Where it computes.
    """
    dataset = data.dataset
    live = cut_live(dataset, np.unique(data.windows.recording[data.subsets.test]), config)
    store = FrameStore(dataset, live.windows, device, live.last)
    network = recogniser.to(device).eval()
    micro_batches = MicroBatches()

    def rows() -> Iterator[tuple[str, float, float, list[float]]]:
        each = evaluation_batch(device, config.length_frames, data.batch_size)
        batches = torch.arange(len(live.windows), device=device).split(each)
        for index in show_progress(batches, "answering test recordings moment after moment, batches"):
            raise_if_received()
            with torch.inference_mode():
                answers = micro_batches.evaluate(network.probabilities, store.gather(index).positions).cpu().tolist()
            for window, probabilities in zip(index.tolist(), answers, strict=True):
                number = int(live.windows.recording[window])
                rate = float(dataset.rates_hz[number])
                start, end = float(live.windows.start[window]) / rate, int(live.last[window]) / rate
                yield dataset.names[number], start, end, probabilities

    write_windows(path, dataset.class_names, rows())


@dataclass(frozen=True, eq=False)
class TestedRecordings:
    """The recordings of a subset with what the network says of them: the mean over each one's windows."""

    ids: Int64[np.ndarray, " recordings"]
    truth: Int64[np.ndarray, " recordings"]
    probabilities: Float[np.ndarray, "recordings classes"]

    @property
    def confusion(self) -> list[list[int]]:
        """Counts; rows are the true class, columns the predicted one."""
        return confusion(self.probabilities, self.truth)


def score_subsets(
    data: GestureData, probabilities: list[Float[np.ndarray, "_ classes"]], guests: Sequence[Metric]
) -> tuple[Metrics, TestedRecordings, TestedRecordings]:
    """All scores, and the recordings of validation and test, from the probabilities of each subset's windows."""
    classes, target = data.dataset.classes, data.dataset.target
    scored: list[SideScores] = []
    subsets: list[TestedRecordings] = []
    for subset, rows in zip(
        (data.scored_train, data.subsets.validation, data.subsets.test), probabilities, strict=True
    ):
        recording = data.windows.recording[subset]
        ids, combined = combine_windows(recording, rows)
        of_windows = score(rows, classes[recording], target, guests)
        scored.append(SideScores(window=of_windows, recording=score(combined, classes[ids], target, guests)))
        subsets.append(TestedRecordings(ids, classes[ids], combined))
    return Metrics(train=scored[0], validation=scored[1], test=scored[2]), subsets[1], subsets[2]


def make_baselines(dataset: Dataset, train: Int64[np.ndarray, " recordings"]) -> Baselines | None:
    """What is known without looking at motion, from training recordings; None where gestures are recognised."""
    if dataset.target is not Target.correctness:
        return None
    return fit_baselines(dataset.seconds[train], dataset.classes[train])


def baseline_info(
    baselines: Baselines, dataset: Dataset, test: Int64[np.ndarray, " recordings"]
) -> dict[str, Baseline]:
    """What the baselines score on test recordings."""
    seconds, truth = dataset.seconds[test], dataset.classes[test]
    rule = f"incorrect if it lasts more than {baselines.threshold_s:.3g} s"
    always = f"always {dataset.class_names[baselines.majority]}"

    def scores(predicted: Int64[np.ndarray, " recordings"], order: Float64[np.ndarray, " recordings"]) -> Scores:
        return score_labels(truth, predicted, np.stack([-order, order], axis=1), CORRECTNESS)

    return {
        "length": {"rule": rule, "threshold_s": baselines.threshold_s, **scores(baselines.by_length(seconds), seconds)},
        "majority": {"rule": always, **scores(baselines.by_majority(seconds), 0 * seconds)},
    }


def write_weights(
    run: RunDir,
    config: TrainConfig,
    dataset: Dataset,
    scaler: Scaler,
    recogniser: Recogniser,
    known: KnownGestures | None,
) -> None:
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
        "state_dict": {name: value.cpu() for name, value in recogniser.classifier.state_dict().items()},
        "known": None if known is None else known.tensors,
    }
    file = io.BytesIO()  # of a full disk torch would say only that a number is not what it expected
    torch.save(contents, file)
    with atomic_write(run.weights) as beside:
        beside.write_bytes(file.getbuffer())


def data_info(config: TrainConfig, data: GestureData) -> DataInfo:
    """What was read; paths of this machine are left out."""
    dataset = data.dataset
    tested = np.unique(data.windows.recording[data.subsets.test]).tolist()
    # paths of this machine are left out, and the skeleton, which is kept below
    left_out = (TARGET, "cache_dir", "root", "skeleton")
    options = {
        key: value
        for key, value in ({"source": config.data.source} | to_plain(config.data)).items()
        if key not in left_out and not (isinstance(value, str) and Path(value).expanduser().is_absolute())
    }
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


def split_info(config: TrainConfig, data: GestureData) -> SplitInfo:
    """Who was in which subset."""

    def subset(index: np.ndarray) -> Subset:
        recordings = np.unique(data.windows.recording[index])
        subjects = sorted({data.dataset.subjects[number] for number in recordings.tolist()})
        return Subset(subjects=subjects, recordings=len(recordings), windows=len(index))

    options = {"kind": config.split.kind} | to_plain(config.split)
    del options[TARGET]
    for name in {"training_people", "training_repetitions"} - config.split.limits.keys():
        del options[name]
    if not config.split.limits:
        del options["draw"]
    options.pop("file", None)  # a path of this machine
    elsewhere = isinstance(config.split, FoldsFileConfig | GuestSplitConfig)  # what makes the folds is not here
    if elsewhere or (config.split.limits and hasattr(config.split, "fold")):  # or some people are in no subset
        options["people"] = subjects_of_folds(recording_table(data.dataset), config.split)
    return SplitInfo(
        kind=config.split.kind,
        leaky=config.split.leaky,
        options=options,
        train=subset(data.subsets.train),
        validation=subset(data.subsets.validation),
        test=subset(data.subsets.test),
    )


def classes_info(config: TrainConfig) -> dict[str, Any]:
    """Which class of which version of which file each option was."""
    classes: dict[str, Any] = {
        key: provenance(target_of(getattr(config, key))) for key in ("data", "split", "model", "loss")
    }
    for group, options in (("features", config.features), ("augment", config.augment)):
        if guests := guests_of(options):
            classes[group] = {key: provenance(target_of(guest)) for key, guest in guests.items()}
    return classes


def training_info(
    config: TrainConfig,
    data: GestureData,
    trainer: Trainer,
    module: GestureModule,
    accelerator: str,
    refit: GestureModule | None,
) -> TrainingInfo:
    """What happened while training."""
    history, most = module.history, trainer.max_epochs or 0
    info = TrainingInfo(
        epochs=len(history),
        max_epochs=most,
        keep=str(config.trainer.keep),
        best_epoch=kept_epoch(history, Keep(config.trainer.keep)),
        stopped_early=len(history) < most,
        seconds=round(module.seconds + (refit.seconds if refit else 0), 3),
        device=torch.cuda.get_device_name() if accelerator == "gpu" else "cpu",
        precision=lightning_precision(config.trainer.precision),
        batch_size=config.trainer.batch_size * trainer.world_size,
        batches_per_epoch=config.trainer.batches_per_epoch,
        gradient_clip_norm=config.trainer.gradient_clip_norm,
        callbacks={name: to_plain(entry) for name, entry in config.callbacks.items()},
        optimizer=to_plain(config.optimizer),
        scheduler=to_plain(config.scheduler),
        history=history,
    )
    if refit is not None:
        info["refit"] = RefitInfo(
            epochs=len(refit.history),
            windows=len(data.subsets.train) + len(data.subsets.validation),
            seconds=round(refit.seconds, 3),
            train_loss=refit.history[-1]["train_loss"],
            train_accuracy=refit.history[-1]["train_accuracy"],
        )
    if len(data.scored_train) < len(data.subsets.train):
        info["scored_training_recordings"] = len(np.unique(data.windows.recording[data.scored_train]))
    if module.micro_batches.size is not None:
        info["micro_batch"] = module.micro_batches.size
    if module.skipped:
        info["skipped"] = module.skipped
    if module.restarts:
        info["restarts"] = module.restarts
    return info
