"""One training from configuration to files: fit, choose the best weights, score all subsets, write the run."""

import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer, seed_everything

from gesturelab.config.data import Target
from gesturelab.config.options import to_plain
from gesturelab.config.training import Keep, TrainConfig
from gesturelab.datasets.load import load
from gesturelab.datasets.mirror_names import mirror_in_words
from gesturelab.evaluation.calibration import fit_confidence_threshold, fit_temperature
from gesturelab.evaluation.metrics import check_metrics, make_metrics, read_definitions
from gesturelab.files import sha256, write_json
from gesturelab.models.flops import flops_to_answer
from gesturelab.models.network import count_parameters
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.report.figures import draw_confusion, draw_curves
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import INFO_SCHEMA, LEAKY, SYNTHETIC, CostInfo, Epoch, Info, ModelInfo, RestartInfo
from gesturelab.runs.status import is_first_process
from gesturelab.splits.split import recording_table, subjects_of_folds
from gesturelab.sweeps.resources import count_cpu_cores
from gesturelab.training.artefacts import (
    baseline_info,
    classes_info,
    data_info,
    make_baselines,
    score_subsets,
    split_info,
    training_info,
    write_live,
    write_predictions,
    write_weights,
)
from gesturelab.training.build import (
    make_data,
    make_module,
    make_scaler,
    make_trainer,
    refit_options,
    with_step_budget,
)
from gesturelab.training.checkpoints import kept_epoch
from gesturelab.training.datamodule import GestureData
from gesturelab.training.device import check_miopen
from gesturelab.training.findings import find
from gesturelab.training.fit import SCORES_MISSING, fit, predict_subsets, stoppable
from gesturelab.training.fitted import FittedModule, fitted_options
from gesturelab.training.micro_batching import explain_out_of_memory
from gesturelab.training.module import GestureModule
from gesturelab.training.nonfinite import add_restart
from gesturelab.training.provenance import cpu_name, environment, git_state, load_average
from gesturelab.training.trackers.guard import Guarded, check_loggers, make_loggers
from gesturelab.training.unknown import fit_known, fit_limit, refuse_unknown_gesture, write_unknown

log = logging.getLogger(__name__)


@explain_out_of_memory()
def run_experiment(
    config: TrainConfig,
    folder: Path,
    accelerator: str,
    report: Callable[[Epoch, int, bool], None] | None = None,
) -> tuple[RunDir, Info]:
    """Trains, tests and writes a run; takes up the last checkpoint if the folder holds one.

    Args:
        config: Everything that decides the training.
        folder: Where the run's files go.
        accelerator: What `gesturelab.training.device.prepare_device` returned.
        report: Is called with each finished epoch, how many there are at most, and whether it is of the refit.

    Returns:
        The run, and what its info file says.

    Raises:
        GesturelabError: If the data, the split or the folder cannot be used.
    """
    started = datetime.now(UTC)
    run = RunDir(folder, config.model.name)
    quiet_lightning()
    check_loggers(config)  # before anything is read
    definitions = read_definitions(config.metrics)
    guests = make_metrics(definitions)
    seed_everything(config.seed, verbose=False)
    dataset = load(config.data)
    caveats = [text for text, applies in ((LEAKY, config.split.leaky), (SYNTHETIC, dataset.synthetic)) if applies]
    data = make_data(config, dataset)
    check_metrics(guests, dataset.classes, len(dataset.class_names))
    scaler = make_scaler(config, data)
    if config.data.unknown_gesture is not None:
        refuse_unknown_gesture(config, make_module(config, data, scaler).recogniser)
        seed_everything(config.seed, verbose=False)
    if accelerator == "gpu" and torch.version.hip is not None and config.trainer.cudnn:
        check_miopen(config.model, data.windows.length_frames, config.trainer.batch_size)
    if is_first_process():
        _announce(config, data, caveats)
    first = _train(config, data, scaler, accelerator, run, lambda: make_loggers(config, folder, caveats), report)
    composed, config, module, trainer = config, first.config, first.module, first.trainer
    busy = load_average()
    keep = Keep(config.trainer.keep)
    loaders = data.predict_dataloader()
    refit: _Trained | None = None
    everybody = data
    if config.trainer.refit:
        probabilities = predict_subsets(trainer, module, loaders[:2], run, run.checkpoints, keep)
        everybody = data.with_validation_people()
        scaler = make_scaler(config, everybody)
        options = refit_options(composed, trainer.max_epochs or 1, kept_epoch(module.history, keep) + 1)
        seed_everything(config.seed, verbose=False)
        refit = _train(options, everybody, scaler, accelerator, run, report=report, is_refit=True)
        probabilities += predict_subsets(
            refit.trainer, refit.module, everybody.predict_dataloader()[2:], run, run.refit_checkpoints, Keep.last
        )
    else:
        probabilities = predict_subsets(trainer, module, loaders, run, run.checkpoints, keep)
    recogniser = (refit or first).module.recogniser
    if not trainer.is_global_zero:
        sys.exit(0)  # the other processes of a multi-GPU run have done their part

    with stoppable(run, lambda: SCORES_MISSING):
        device = trainer.strategy.root_device
        known, limit = fit_known(first.module.recogniser, data, device), None
        if known is not None:
            limit = fit_limit(known, first.module.recogniser, data, device)
            known = fit_known(recogniser, everybody, device) if refit else known
        write_weights(run, config, dataset, scaler, recogniser, known)
        scaler.save(run.scaler)
        if folds := subjects_of_folds(recording_table(dataset), config.split):
            write_json(run.folds, folds)
        metrics, of_validation, of_test = score_subsets(data, probabilities, guests)
        baselines = make_baselines(dataset, np.unique(data.windows.recording[data.subsets.train]))
        write_predictions(run.predictions, dataset, of_test.ids, of_test.probabilities, baselines)
        write_live(run.windows, config.window, data, recogniser, device)
        temperature = round(fit_temperature(of_validation.probabilities, of_validation.truth), 6)
        if config.data.unknown_gesture is not None and known is not None and limit is not None:
            write_unknown(run, config, data, recogniser, known, limit, temperature, device)
        info = Info(
            schema=INFO_SCHEMA,
            name=config.name,
            tags=config.tags,
            notes=config.notes,
            seed=config.seed,
            started=started.isoformat(timespec="seconds"),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            warnings=caveats,
            findings=[],
            gestures=list(dataset.class_names),
            data=data_info(config, data),
            split=split_info(config, data),
            window=to_plain(config.window),
            features=to_plain(config.features),
            model=ModelInfo(
                size=config.model.name,
                parameters=count_parameters(recogniser.classifier),
                hyperparameters={
                    **to_plain(config.model),
                    "loss": to_plain(config.loss),
                    "augment": to_plain(config.augment),
                },
            ),
            training=training_info(config, data, trainer, module, accelerator, refit and refit.module),
            cost=CostInfo(
                flops_per_window=flops_to_answer(recogniser, config.window.length_frames),
                cpu=cpu_name(),
                cores=count_cpu_cores(),
                threads=torch.get_num_threads(),
                load=round(busy, 2),
            ),
            metrics=metrics,
            temperature=temperature,
            unsure_below=round(fit_confidence_threshold(of_validation.probabilities, temperature), 6),
            confusion=of_test.confusion,
            classes=classes_info(config),
            versions=environment(),
            git=git_state(),
            files={},
        )
        if limit is not None:
            info["unknown_above"] = limit
        if composed.trainer.max_epochs is None and not isinstance(module, FittedModule):
            info["training"]["max_steps"] = composed.trainer.max_steps
        info["findings"] = find(info, of_validation.confusion)
        if definitions:
            info["metric_definitions"] = {name: dict(definition) for name, definition in definitions.items()}
        if baselines is not None:
            info["baselines"] = baseline_info(baselines, dataset, of_test.ids)
        draw_curves(info, run.curves)
        draw_confusion(info, run.confusion)
        info["files"] = {path.name: sha256(path) for path in run.checked if path.is_file()}
        write_json(run.info, info)
    for logger in first.loggers:
        logger.finish(run, info)
    return run, info


@dataclass(frozen=True)
class _Trained:
    """A training that is over.

    Attributes:
        config: With its budget in epochs.
        module: As it was after the last step.
        trainer: Its trainer.
        loggers: To finish when the run is written.
    """

    config: TrainConfig
    module: GestureModule
    trainer: Trainer
    loggers: list[Guarded]


def _train(
    config: TrainConfig,
    data: GestureData,
    scaler: Scaler,
    accelerator: str,
    run: RunDir,
    create_loggers: Callable[[], list[Guarded]] = list,
    report: Callable[[Epoch, int, bool], None] | None = None,
    *,
    is_refit: bool = False,
) -> _Trained:
    """Trains to the end, from the last checkpoint if there is one, going back where it diverges and may go back.

    Args:
        config: Of the training, or of its refit.
        data: What it trains on.
        scaler: Fitted on that.
        accelerator: Lightning's name of the device.
        run: Its folder.
        create_loggers: Creates the loggers of an attempt; a refit has none.
        report: Is called with each finished epoch, how many there are at most, and whether it is of the refit.
        is_refit: Whether validation people are among those who train, so that there is no validation.
    """
    checkpoints = run.refit_checkpoints if is_refit else run.checkpoints
    restarts: list[RestartInfo] = []
    while True:
        module = make_module(config, data, scaler)
        module.report, module.is_refit = report, is_refit
        config = fitted_options(config) if isinstance(module, FittedModule) else with_step_budget(config, data)
        if restarts:
            module.restart(restarts)
        elif is_first_process():
            count = f"{count_parameters(module.recogniser.classifier):,}"
            log.info("%s: %s parameters%s", config.model.name, count, ", refit" if is_refit else "")
        loggers = create_loggers()
        trainer = make_trainer(
            config,
            accelerator,
            run.path,
            checkpoints,
            loggers,
            progress_bar=sys.stdout.isatty(),
            validate=not is_refit,
        )
        if (diverged := fit(config, trainer, module, data, run, checkpoints)) is None:
            return _Trained(config, module, trainer, loggers)
        restarts = add_restart(module.restarts, diverged)
        seed_everything(config.seed, verbose=False)


def _announce(config: TrainConfig, data: GestureData, caveats: list[str]) -> None:
    for caveat in caveats:
        log.warning(caveat)
    dataset, subsets = data.dataset, data.subsets
    counts = (len(dataset), len(dataset.people), len(dataset.positions))
    log.info("%s: %d recordings of %d people, %d frames", dataset.source, *counts)
    for left in dataset.rejected:
        log.warning("left out %s: %s", left.recording, left.reason)
    if dataset.mirror_key and config.augment.mirror_probability and dataset.target is Target.gesture:
        log.info("mirrored, %s", mirror_in_words(dataset.gesture_names, dataset.mirrored_gestures))
    windows = (len(subsets.train), len(subsets.validation), len(subsets.test), data.windows.length_frames)
    log.info("%s: %d training, %d validation, %d test windows of %d frames", config.split.kind, *windows)


NOT_THE_USERS_BUSINESS = (
    # Lightning 2.6 still asks for a class that torch 2.13 calls by another name
    ".*isinstance.treespec, LeafSpec.*",
    # nothing is logged in a step, so there is no interval to be too long
    "The number of training batches",
    # a resumed run finds its own checkpoints
    "Checkpoint directory .* exists and is not empty",
    # in the middle of an epoch our loader goes on where it was, which Lightning does not know
    "You're resuming from a checkpoint that ended before the epoch",
    # a run of an older version, whose checkpoint callbacks had states
    "Be aware that when using `ckpt_path`",
    # batches are gathered by index in this process: there is nothing for workers to do
    "The '.*_dataloader' does not have many workers",
    # Slurm is installed, but this training was not started by it
    "The `srun` command is available",
    # several devices: the sums are of all of them already, and Lightning uses a function that torch renames
    "It is recommended to use `self.log",
    "torch.distributed.nn.functional.all_gather is deprecated",
)


def quiet_lightning() -> None:
    """Drops what Lightning says of itself, and warnings that are not the user's to act on."""
    for message in NOT_THE_USERS_BUSINESS:
        warnings.filterwarnings("ignore", message=message)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
