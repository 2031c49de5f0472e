"""Schemas of what learns, and how: model, optimizer, schedule, trainer, callbacks, loggers; and the root of all."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar

from gesturelab.config.data import AugmentConfig, FeaturesConfig, SyntheticConfig, WindowConfig
from gesturelab.config.options import TARGET, GuestOptions, target_of
from gesturelab.config.rules import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, Checked, Rule, key
from gesturelab.config.split import SubjectHoldoutConfig
from gesturelab.errors import ConfigError

MONITORED = ("validation_loss", "validation_accuracy", "validation_recording_accuracy")
"""What is measured on validation people after each epoch."""


@dataclass
class EarlyStoppingConfig(Checked):
    """Stop when the validation people stop getting better."""

    GROUP: ClassVar[str] = "callbacks.early_stopping"

    _target_: str = "lightning.pytorch.callbacks.EarlyStopping"
    """The callback's class."""
    monitor: str = key("validation_loss", Rule(one_of=MONITORED))
    """What to watch: validation_loss, validation_accuracy or validation_recording_accuracy."""
    mode: str = key("min", Rule(one_of=("min", "max")))
    """min or max: which way is better."""
    patience: int = key(10, NOT_NEGATIVE)
    """Epochs without getting better before training stops."""
    min_delta: float = 0.0
    """A change smaller than this does not count."""


@dataclass
class WeightAveragingConfig(Checked):
    """Validate, keep and test a moving average of the weights."""

    GROUP: ClassVar[str] = "callbacks.weight_averaging"

    _target_: str = "gesturelab.training.averaging.WeightAveraging"
    """The callback's class."""
    decay: float = key(0.99, FRACTION)
    """How much of the average stays at each step: 0.99 averages over about 100 steps."""


@dataclass
class LoggerConfig:
    """One logger; any of Lightning's can be given as _target_."""

    _target_: str = "gesturelab.training.metrics_csv.MetricsCsv"
    """The logger's class; one of Lightning's is given save_dir, name and version."""


@dataclass
class MlflowConfig(LoggerConfig):
    """MLflow."""

    _target_: str = "gesturelab.training.trackers.mlflow.MlflowTracker"
    tracking_uri: str = "sqlite:///mlruns/mlflow.db"
    """A local store, sqlite:///<file>, or a server, such as http://127.0.0.1:5000."""


@dataclass
class WandbConfig(LoggerConfig):
    """Weights & Biases."""

    _target_: str = "gesturelab.training.trackers.wandb.WandbTracker"
    offline: bool = True
    """Write into a folder only, for wandb sync; false needs an account and a network."""
    dir: str = "."
    """Where the folder wandb is made."""
    entity: str | None = None
    """The user or team whose project it is; null: your own."""


FORBIDDEN = '/\\<>:"|?*'
"""Characters that some file system refuses in a name."""


class Pooling(StrEnum):
    """How the LSTM's outputs over time become one vector."""

    last = "last"
    mean = "mean"
    max = "max"
    attention = "attention"


@dataclass
class ModelConfig(Checked):
    """The network; every one has these keys."""

    GROUP: ClassVar[str] = "model"

    _target_: str = ""
    """The network's class: it turns features (batch, frames, features) into logits (batch, classes)."""
    name: str = ""
    """The size's name: part of every file name of a run. A guest without one is called like its class."""
    use_case: str = ""
    """When to take this size, in a few words."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.name = self.name or target_of(self).rpartition(".")[2]
        if not self.name or not self.name.replace("_", "").replace("-", "").isalnum():
            raise ConfigError(f"model.name={self.name!r}: must be letters, digits, - and _ (it becomes a file name)")


@dataclass
class GuestModelConfig(GuestOptions, ModelConfig):
    """A network from outside gesturelab."""


@dataclass
class LSTMConfig(ModelConfig):
    """The LSTM classifier; a size is its name, use case and four numbers."""

    _target_: str = "gesturelab.models.lstm.LSTMClassifier"
    name: str = "tiny"
    use_case: str = "a first look, a laptop, a handful of people"
    hidden: int = key(172, Rule(minimum=2))
    """Width of the projection and of each LSTM layer's output."""
    layers: int = key(2, COUNT)
    """LSTM layers."""
    head_layers: int = key(1, NOT_NEGATIVE)
    """Fully connected layers before the last one; each is half as wide as the one before."""
    dropout: float = key(0.3, FRACTION)
    """Dropout after each LSTM layer and in the head."""
    bidirectional: bool = True
    """Read windows forwards and backwards, each at half the width; needs the whole window before it answers."""
    pooling: Pooling = Pooling.max
    """last: the output after the last frame. mean, max: over frames. attention: a learned weighted mean."""
    convolutions: int = key(1, NOT_NEGATIVE)
    """Convolutions over time before the recurrent layers, five frames wide; they need frames that follow."""
    stride: int = key(2, COUNT)
    """Of each convolution: 2 leaves half of the frames to the recurrent layers, which then take half of the time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bidirectional and self.hidden % 2:
            raise ConfigError(f"model.hidden={self.hidden}: must be even when model.bidirectional=true")
        if self.hidden >> self.head_layers == 0:
            raise ConfigError(f"model.head_layers={self.head_layers}: halving {self.hidden} so often leaves no width")


@dataclass
class LossConfig(Checked):
    """The loss; every one has these keys."""

    GROUP: ClassVar[str] = "loss"

    _target_: str = ""
    """The loss's class, such as torch.nn.CrossEntropyLoss: of logits (batch, classes) and classes (batch)."""
    class_weights: bool = False
    """Weigh each class by the inverse of how many training windows it has; validation_loss, by which the best epoch is
    chosen, weighs them too."""


@dataclass
class GuestLossConfig(GuestOptions, LossConfig):
    """A loss from outside gesturelab."""


@dataclass
class CrossEntropyConfig(LossConfig):
    """Cross-entropy."""

    _target_: str = "torch.nn.CrossEntropyLoss"
    label_smoothing: float = key(0.1, FRACTION)
    """Share of each target spread over all classes."""


@dataclass
class OptimizerConfig(Checked):
    """A torch optimizer."""

    GROUP: ClassVar[str] = "optimizer"

    _target_: str = "torch.optim.AdamW"
    """The optimizer's class."""
    lr: float = key(2e-3, POSITIVE)
    """Learning rate."""
    weight_decay: float = key(1e-2, NOT_NEGATIVE)
    """Weight decay (decoupled for AdamW, L2 for the others)."""


@dataclass
class AdamConfig(OptimizerConfig):
    """Adam and AdamW."""

    betas: list[float] = field(default_factory=lambda: [0.9, 0.999])
    """Decay of the running means of the gradient and of its square."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"optimizer.betas={self.betas}: must be two numbers, each at least 0 and below 1")


@dataclass
class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent."""

    _target_: str = "torch.optim.SGD"
    lr: float = key(5e-2, POSITIVE)
    weight_decay: float = key(1e-4, NOT_NEGATIVE)
    momentum: float = key(0.9, FRACTION)
    """Momentum."""
    nesterov: bool = True
    """Look ahead along the momentum."""


class Interval(StrEnum):
    """When a schedule changes the learning rate."""

    step = "step"
    epoch = "epoch"


@dataclass
class SchedulerConfig(Checked):
    """The learning rate's schedule; every one has these keys."""

    GROUP: ClassVar[str] = "scheduler"

    _target_: str = ""
    """The schedule's class, such as torch.optim.lr_scheduler.OneCycleLR; the optimizer is its first argument."""
    interval: Interval = Interval.epoch
    """step: the rate changes after each step. epoch: after each epoch."""


@dataclass
class GuestSchedulerConfig(GuestOptions, SchedulerConfig):
    """A schedule without a schema of gesturelab's, such as one of torch's."""


@dataclass
class ConstantConfig(SchedulerConfig):
    """One learning rate for the whole training."""

    _target_: str = "gesturelab.training.optimizers.constant"


@dataclass
class CosineConfig(SchedulerConfig):
    """Linear warm-up, then a half cosine down, over all steps of the training."""

    _target_: str = "gesturelab.training.optimizers.cosine"
    interval: Interval = Interval.step
    warmup_fraction: float = key(0.1, FRACTION)
    """Share of all steps in which the rate grows linearly from zero."""
    final_fraction: float = key(0.01, FRACTION)
    """The last learning rate, as a share of the first."""


@dataclass
class PlateauConfig(SchedulerConfig):
    """A lower rate whenever the validation loss stalls."""

    _target_: str = "torch.optim.lr_scheduler.ReduceLROnPlateau"
    factor: float = key(0.5, FRACTION)
    """What the rate is multiplied by at each stall."""
    patience: int = key(5, NOT_NEGATIVE)
    """Epochs without a lower validation loss before the rate is lowered."""


class Device(StrEnum):
    """Where to train."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"
    rocm = "rocm"


class Precision(StrEnum):
    """Arithmetic of a training step."""

    auto = "auto"
    float32 = "float32"
    bf16 = "bf16"
    float16 = "float16"


TRAINER_SYNONYMS = {
    "accelerator": "trainer.device: auto, cpu, gpu or rocm",
    "accumulate_grad_batches": "+trainer.options.accumulate_grad_batches",
    "amp": "trainer.precision: bf16 or float16",
    "auto_lr_find": "a search: hydra/sweeper=optuna 'optimizer.lr=tag(log,interval(1e-4,1e-2))'",
    "auto_scale_batch_size": "gesturelab doctor, which says what fits",
    "benchmark": "trainer.deterministic=false",
    "callbacks": "the group callbacks: +callbacks.NAME={_target_: ...}",
    "detect_anomaly": "+trainer.options.detect_anomaly",
    "early_stopping": "callbacks=early_stopping",
    "epochs": "trainer.max_epochs",
    "fast_dev_run": "trainer=debug, which trains two short epochs",
    "gpus": "trainer.devices",
    "gradient_clip_val": "trainer.gradient_clip_norm",
    "learning_rate": "optimizer.lr",
    "limit_train_batches": "trainer.batches_per_epoch",
    "logger": "the group logger: logger=tensorboard",
    "lr": "optimizer.lr",
    "miopen": "trainer.cudnn",
    "n_gpu": "trainer.devices",
    "nodes": "trainer.num_nodes",
    "num_epochs": "trainer.max_epochs",
    "num_processes": "trainer.devices",
    "num_threads": "trainer.threads",
    "patience": "callbacks=early_stopping callbacks.early_stopping.patience",
    "profiler": "+trainer.options.profiler=simple",
    "resume_from_checkpoint": "gesturelab resume RUN, or the same command again",
    "ckpt_path": "gesturelab resume RUN, or the same command again",
    "seed": "seed",
    "steps": "trainer.max_steps",
    "strategy": "trainer=ddp, trainer.devices and trainer.num_nodes",
    "sync_batchnorm": "+trainer.options.sync_batchnorm",
    "weight_decay": "optimizer.weight_decay",
}
"""Keys that users of Lightning look for in the trainer, and what they are called here."""

REFUSED_OPTIONS = {
    "checkpoints and the best epoch need one validation of all validation people after each epoch": (
        *("val_check_interval", "check_val_every_n_epoch", "limit_val_batches"),
    ),
    "it validates on training people; trainer.batches_per_epoch trains on a few": ("overfit_batches",),
    "every window is scored": ("limit_test_batches", "limit_predict_batches"),
    "a training that is killed and resumed must end like one that is not": ("max_time", "min_epochs", "min_steps"),
    "gesturelab sets it, so that runs resume and compare": (
        *("enable_checkpointing", "default_root_dir", "num_sanity_val_steps", "use_distributed_sampler", "barebones"),
        *("reload_dataloaders_every_n_epochs", "enable_progress_bar", "log_every_n_steps", "inference_mode"),
    ),
}
"""Arguments of Lightning's trainer that would break what a run promises, by the reason."""


class Keep(StrEnum):
    """Which epoch's weights are kept and tested."""

    best = "best"
    last = "last"


class OnNotFinite(StrEnum):
    """What to do when a loss or gradient is NaN or infinite."""

    stop = "stop"
    skip = "skip"
    restart = "restart"


@dataclass
class TrainerConfig(Checked):
    """How long to train, and on what."""

    GROUP: ClassVar[str] = "trainer"
    SYNONYMS: ClassVar = TRAINER_SYNONYMS

    device: Device = Device.auto
    """auto: a GPU if there is one. gpu: any GPU or an error. rocm: an AMD GPU or an error. cpu."""
    devices: int = key(1, COUNT)
    """GPUs, or CPU processes, to train on together, on each node."""
    num_nodes: int = key(1, COUNT)
    """Nodes to train on together; more than one under Slurm only."""
    precision: Precision = Precision.auto
    """float32; bf16 or float16: mixed precision. auto: float32. Under bf16 torch computes LSTMs on NVIDIA in
    float16 without scaling the loss: gradients were found wrong (docs/speed.md)."""
    max_epochs: int | None = key(None, COUNT)
    """Train for so many epochs; null trains for max_steps, which otherwise plays no part."""
    max_steps: int = key(1500, COUNT)
    """Train for so many steps, rounded up to whole epochs: the same budget for datasets of any size. An epoch that is
    longer is cut; one of fewer than ten goes over the windows again."""
    keep: Keep = Keep.last
    """best: the weights of the epoch with the lowest validation loss. last: those of the last epoch, for schedules that
    end slowly; validation people then choose no epoch, so that few of them are enough."""
    refit: bool = True
    """Train a second time, on validation people too, as long as the weights that were kept took, and test, keep and use
    those weights. All that is chosen (size, temperature, threshold) rests on the first training, on people whom it had
    not seen; the second costs the same time again, and wastes nobody's recordings."""
    batch_size: int = key(32, COUNT)
    """Windows in a training step, on each device."""
    gradient_clip_norm: float | None = key(1.0, POSITIVE)
    """Scale gradients down to this norm when they are longer; null leaves them."""
    deterministic: bool = True
    """The same command twice gives the same weights (always so on a CPU; slower on a GPU)."""
    cudnn: bool = True
    """Compute on a GPU with cuDNN (NVIDIA) or MIOpen (AMD). false: with torch's own kernels, for a GPU on which
    `gesturelab doctor` finds MIOpen's LSTM wrong; slower."""
    threads: int | None = key(None, COUNT)
    """CPU threads; null lets torch decide."""
    checkpoint_minutes: float | None = key(10.0, POSITIVE)
    """Keep a checkpoint so often in the middle of an epoch, besides the one after each; null: none. Not with several
    devices."""
    batches_per_epoch: int | None = key(None, COUNT)
    """End each epoch after so many steps, to look for mistakes quickly; null uses all windows."""
    on_not_finite: OnNotFinite = OnNotFinite.stop
    """When a loss or gradient is NaN or infinite. stop: end with an error. skip: leave such steps out, at most a tenth
    of an epoch's. restart: go back to the last whole epoch with half the learning rate, at most three times."""
    scored_training_recordings: int | None = key(5000, COUNT)
    """Score at most so many training recordings in the end, drawn by the seed with each class and person as frequent as
    in all; wherever their accuracy is shown, it says so. null scores all. Validation and test recordings are all scored
    always."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    """Other arguments of lightning.pytorch.Trainer, such as +trainer.options.accumulate_grad_batches=2; a nested
    _target_ is constructed. Those that would break resuming or honest validation are refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refused = {name: reason for reason, names in REFUSED_OPTIONS.items() for name in names}
        for name in self.options:
            if name in refused:
                raise ConfigError(f"trainer.options.{name}: refused, for {refused[name]}")
            own = TRAINER_SYNONYMS.get(name, "")
            if name in vars(self) or (own and "trainer.options" not in own):
                raise ConfigError(f"trainer.options.{name}: use {own or f'trainer.{name}'}")
        if self.processes > 1 and self.on_not_finite in (OnNotFinite.skip, OnNotFinite.restart):
            raise ConfigError(
                f"trainer.on_not_finite={self.on_not_finite}: several devices can only stop; leave it out, or "
                "train on one"
            )

    @property
    def processes(self) -> int:
        """How many train together, on all nodes."""
        return self.devices * self.num_nodes


@dataclass
class TrainConfig(Checked):
    """Everything that decides a training."""

    SYNONYMS: ClassVar = {each.name: f"trainer.{each.name}" for each in fields(TrainerConfig)} | TRAINER_SYNONYMS

    name: str = "gestures"
    """The run's name: its folder is outputs/<name>/<time>, or multirun/<name>/ in a sweep."""
    tags: list[str] = field(default_factory=list[str])
    """Words to find the run by."""
    notes: str = ""
    """Anything worth remembering about the run."""
    seed: int = key(0, NOT_NEGATIVE)
    """Initial weights, order of batches, augmentation, dropout. 0 is a seed like any other."""
    search_path: list[str] = field(default_factory=list[str])
    """Folders whose Python files a _target_ may name, after installed packages; --config-dir FOLDER adds its folder."""
    data: Any = field(default_factory=SyntheticConfig)
    """Which recordings to use."""
    split: Any = field(default_factory=SubjectHoldoutConfig)
    """Who trains, who validates, who tests."""
    window: WindowConfig = field(default_factory=WindowConfig)
    """How windows are cut from recordings; a window never crosses a recording."""
    features: Any = field(default_factory=FeaturesConfig)
    """What the network sees of each frame."""
    augment: Any = field(default_factory=AugmentConfig)
    """Random changes to training windows; others are mirrored by mirror_at_test, and else stay as they are."""
    model: Any = field(default_factory=LSTMConfig)
    """The network: six sizes of an LSTM classifier, or a class of your own."""
    loss: Any = field(default_factory=CrossEntropyConfig)
    """What training makes small."""
    optimizer: Any = field(default_factory=AdamConfig)
    """A torch optimizer; any class of torch.optim can be given as _target_."""
    scheduler: Any = field(default_factory=CosineConfig)
    """How the learning rate changes over a training."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    """How long to train, and on what."""
    callbacks: dict[str, Any] = field(default_factory=lambda: {"weight_averaging": WeightAveragingConfig()})
    """Lightning callbacks, by names of your choice."""
    logger: dict[str, Any] = field(default_factory=lambda: {"csv": {TARGET: target_of(LoggerConfig)}})
    """Where values by epoch, scores and pictures are shown; the run's own files hold them all anyway. Several:
    logger=[csv,mlflow]."""
    metrics: dict[str, Any] = field(default_factory=dict[str, Any])
    """Metrics of your own, by names of your choice: _target_ is a function (y_true, y_pred) that returns a number, or
    with needs: probabilities (y_true, probabilities); higher_is_better: false turns it; other keys are arguments."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trainer.refit and isinstance(self.scheduler, PlateauConfig):
            raise ConfigError(
                "trainer.refit=true: the refit has no validation loss, which scheduler=plateau follows; take "
                "scheduler=cosine, or trainer.refit=false"
            )
        if not self.name or set(self.name) & {*FORBIDDEN, "\0"} or self.name.strip(". ") != self.name:
            raise ConfigError(
                f"name={self.name!r}: it becomes a folder, so it cannot be empty, begin or end with a dot or a space, "
                f"or hold any of {' '.join(FORBIDDEN)}"
            )
