"""From configuration to objects."""

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ProgressBar, RichProgressBar
from lightning.pytorch.profilers import AdvancedProfiler, SimpleProfiler
from torch import Tensor

from gesturelab.config.options import TARGET, construct, construct_nested, to_plain
from gesturelab.config.training import Keep, OnNotFinite, TrainConfig, TrainerConfig
from gesturelab.datasets.mirror_names import NO_PARTNER, UNKNOWN
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import ConfigError
from gesturelab.models.network import FittedNetwork, build_network
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.augmentation import Augment
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.scaler import Scaler, fit_scaler, no_scaler
from gesturelab.preprocessing.windows import Windows, cut_windows
from gesturelab.progress import show_progress
from gesturelab.runs.signals import raise_if_received
from gesturelab.splits.split import split_windows
from gesturelab.training.callbacks import KeepCheckpoints, LeaveOnSignal, StopOnRequest
from gesturelab.training.checkpoints import VerifiedCheckpoints
from gesturelab.training.datamodule import GestureData
from gesturelab.training.device import lightning_precision
from gesturelab.training.fitted import FittedModule
from gesturelab.training.module import GestureModule
from gesturelab.training.optimizers import make_loss
from gesturelab.training.trackers.guard import Guarded


def make_data(config: TrainConfig, dataset: Dataset) -> GestureData:
    """Windows of a dataset, divided into subsets.

    Raises:
        DataError: If there is no window.
        SplitError: If people cannot be divided as configured.
        ConfigError: If mirroring would make gestures that are not kept.
    """
    _check_mirror(config, dataset)
    windows = cut_windows(dataset, config.window)
    return GestureData(
        dataset,
        windows,
        split_windows(dataset, windows, config.split),
        augment=Augment(config.augment, dataset.skeleton, dataset.mirrored_classes),
        batch_size=config.trainer.batch_size,
        seed=config.seed,
        scored_training_recordings=config.trainer.scored_training_recordings,
    )


def _check_mirror(config: TrainConfig, dataset: Dataset) -> None:
    images = list(zip(dataset.gesture_names, dataset.mirrored_gestures, strict=True))
    if config.augment.mirror_at_test and (single := [name for name, image in images if image == NO_PARTNER]):
        raise ConfigError(
            f"augment.mirror_at_test=true: {', '.join(single)} is the mirror image of no gesture, as "
            f"{dataset.mirror_key} says; set augment.mirror_at_test=false"
        )
    alone = [name for name, image in images if image == UNKNOWN]
    if alone and (config.augment.mirror_probability or config.augment.mirror_at_test):
        say = f"; or say in {dataset.mirror_key} what it becomes" if dataset.mirror_key else ""
        raise ConfigError(
            f"data.gestures: mirrored, {', '.join(alone)} becomes a gesture that is not kept (and a movement with the "
            "wrong limb a right one): keep its other side too, or set augment.mirror_probability=0 and "
            f"augment.mirror_at_test=false{say}"
        )


def make_scaler(config: TrainConfig, data: GestureData) -> Scaler:
    """The scaler, fitted on the training windows as they are, augmentation off."""
    features = Features(config.features, data.dataset.skeleton)
    if not config.features.scaler:
        return no_scaler(features.names)
    store = FrameStore(data.dataset, data.windows, torch.device("cpu"))
    training = torch.from_numpy(_side_by_side(data.windows, data.subsets.train, config.window.stride_frames))

    def rows() -> Iterator[Float[np.ndarray, "_ features"]]:
        for chosen in show_progress(training.split(1024), "fitting the scaler, batches"):
            raise_if_received()
            yield features(store.gather(chosen).positions).flatten(0, 1).numpy()

    return fit_scaler(features.names, rows())


def _side_by_side(
    windows: Windows, index: Int64[np.ndarray, " windows"], stride_frames: int
) -> Int64[np.ndarray, " some_windows"]:
    """Of overlapping windows, those that hardly overlap, from each recording's first on: no frame counts many times."""
    stride = np.maximum(windows.step[index] * stride_frames, 1e-6)  # a recording of one frame has no step
    number = np.rint(windows.start[index] / stride).astype(np.int64)
    return index[number % max(windows.length_frames // stride_frames, 1) == 0]


def make_module(config: TrainConfig, data: GestureData, scaler: Scaler) -> GestureModule:
    """The network and how it learns."""
    dataset = data.dataset
    features = Features(config.features, dataset.skeleton)
    classifier = build_network(config.model, features, len(dataset.class_names), data.windows.length_frames)
    weights = class_weights(data) if config.loss.class_weights else None
    kind = FittedModule if isinstance(classifier, FittedNetwork) else GestureModule
    return kind(
        Recogniser(
            config.features,
            dataset.skeleton,
            scaler,
            classifier,
            dataset.mirrored_classes if config.augment.mirror_at_test else None,
        ),
        data.identity(),
        make_loss(config.loss, weights, len(dataset.class_names)),
        to_plain(config.optimizer),
        config.scheduler,
        weights,
        OnNotFinite(config.trainer.on_not_finite),
    )


def class_weights(data: GestureData) -> Float[Tensor, " classes"]:
    """For each class the inverse of its share of the training windows, scaled so that the mean window weighs 1."""
    classes = data.dataset.classes[data.windows.recording[data.subsets.train]]
    counts = np.bincount(classes, minlength=len(data.dataset.class_names))
    return torch.from_numpy(len(classes) / (np.count_nonzero(counts) * np.maximum(counts, 1))).float()


LEAST_STEPS = 10
"""An epoch of fewer steps goes over the training windows again, so that small datasets spend their time on training and
not on validation and checkpoints."""


def with_step_budget(config: TrainConfig, data: GestureData) -> TrainConfig:
    """The configuration with ``trainer.max_steps``, where it counts, as epochs of these training windows.

    Where there are so few windows that a pass over them has less than `LEAST_STEPS`, the data's epochs have several
    passes from now on.
    """
    options = config.trainer
    if options.max_epochs is not None:
        return config
    windows = len(data.subsets.train) // options.processes
    accumulated = int(options.options.get("accumulate_grad_batches", 1))
    longest = min(options.batches_per_epoch or options.max_steps * accumulated, options.max_steps * accumulated)
    of_a_pass = math.ceil(windows / options.batch_size)
    data.passes = math.ceil(LEAST_STEPS * accumulated / of_a_pass)
    batches = min(data.passes * of_a_pass, longest)
    epochs = math.ceil(options.max_steps / math.ceil(batches / accumulated))
    trainer = replace(options, max_epochs=epochs, batches_per_epoch=batches)
    return replace(config, trainer=trainer)


PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler}


def refit_options(config: TrainConfig, trained: int, kept: int) -> TrainConfig:
    """The configuration of the refit: as many epochs, or their share of the steps, as the weights that were kept took.

    Args:
        config: Of the training.
        trained: How many epochs its budget was.
        kept: Epochs until the weights that were kept.
    """
    options = config.trainer
    budget = (
        replace(options, max_steps=math.ceil(options.max_steps * kept / trained))
        if options.max_epochs is None
        else replace(options, max_epochs=kept)
    )
    return replace(config, trainer=replace(budget, keep=Keep.last))


def make_trainer(
    config: TrainConfig,
    accelerator: str,
    folder: Path,
    checkpoints: Path,
    loggers: list[Guarded],
    *,
    progress_bar: bool,
    validate: bool = True,
) -> Trainer:
    """Lightning's trainer; it keeps the last checkpoint in a folder, and the best if trainer.keep wants it.

    Args:
        config: Of the training.
        accelerator: Lightning's name of the device.
        folder: The run's.
        checkpoints: Where they are kept.
        loggers: Who is told of each epoch.
        progress_bar: Whether there is one.
        validate: After each epoch; without that, callbacks that look at a value of it are left out.
    """
    options, extra = config.trainer, dict(config.trainer.options)
    plugins = [*construct_nested("trainer.options.plugins", extra.pop("plugins", []))]
    if isinstance(profiler := extra.get("profiler"), str) and profiler in PROFILERS:  # into a file of the run
        extra["profiler"] = PROFILERS[profiler](folder, "profile")
    callbacks: list[Callback] = [make_callback(name, entry) for name, entry in config.callbacks.items()]
    if not validate:
        callbacks = [callback for callback in callbacks if getattr(callback, "monitor", None) is None]
    callbacks.append(KeepCheckpoints(checkpoints, Keep(options.keep), options.checkpoint_minutes))
    callbacks += [StopOnRequest(folder), LeaveOnSignal()]
    own_bar = any(isinstance(callback, ProgressBar) for callback in callbacks)
    ours = {
        "accelerator": accelerator,
        "devices": options.devices,
        "num_nodes": options.num_nodes,
        "strategy": "ddp" if options.processes > 1 else "auto",
        "plugins": [*(each for each in (VerifiedCheckpoints(), cluster_environment(options)) if each), *plugins],
        "precision": lightning_precision(options.precision),
        "max_epochs": options.max_epochs,
        "limit_train_batches": options.batches_per_epoch,
        "limit_val_batches": None if validate else 0,
        "gradient_clip_val": options.gradient_clip_norm,
        "deterministic": options.deterministic and ("warn" if accelerator == "gpu" else True),
        "callbacks": [*callbacks, RichProgressBar()] if progress_bar and not own_bar else callbacks,
        "enable_progress_bar": progress_bar or own_bar,
        "logger": loggers,
        "default_root_dir": folder,
        "use_distributed_sampler": False,  # the training loader deals windows to processes itself
        "num_sanity_val_steps": 0,  # our own tests do that; it costs a validation batch at each start
        "enable_model_summary": False,
        "log_every_n_steps": 10**9,  # values are logged once an epoch; asking at each step costs time
    }
    return construct("trainer.options", "lightning.pytorch.Trainer", extra, ours)


def cluster_environment(options: TrainerConfig) -> ClusterEnvironment | None:
    """How Lightning finds the other processes under Slurm; None leaves it to Lightning.

    Requeueing is not Lightning's business: our launcher does it. In a job that Slurm did not begin as so many tasks,
    such as a plain batch script, Lightning begins the processes itself.

    Raises:
        ConfigError: If there should be several nodes, but Slurm did not begin a process on each.
    """
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS") or 0)
    if tasks == options.processes and "SLURM_PROCID" in os.environ:
        return SLURMEnvironment(auto_requeue=False)
    if options.num_nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes={options.num_nodes}: several nodes need hydra/launcher=slurm, which begins a process "
            "on each; here they would wait for each other for ever"
        )
    return LightningEnvironment() if "SLURM_JOB_ID" in os.environ else None


def make_callback(name: str, entry: Any) -> Callback:
    """A Lightning callback from its ``_target_`` and options.

    Raises:
        ConfigError: If it cannot be made.
    """
    options = to_plain(entry)
    target = str(options.pop(TARGET, None) or "")
    return construct(f"callbacks.{name}", target, options, kind=Callback)
