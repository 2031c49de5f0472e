"""Schemas of what learns, and how: model, optimizer, schedule, trainer; and the root of a training's configuration."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from omegaconf import MISSING

from gesturelab.config.data import AugmentConfig, DataConfig, FeaturesConfig, WindowConfig
from gesturelab.config.rules import at_least, fraction, positive
from gesturelab.config.split import SplitConfig
from gesturelab.errors import ConfigError

FORBIDDEN = '/\\<>:"|?*'
"""Characters that some file system refuses in a name."""


class Pooling(StrEnum):
    """How the LSTM's outputs over time become one vector."""

    last = "last"
    mean = "mean"
    max = "max"
    attention = "attention"


@dataclass
class ModelConfig:
    """The LSTM classifier; a size is its name, use case and four numbers."""

    name: str = MISSING
    """The size's name: part of every file name of a run."""
    use_case: str = MISSING
    """When to take this size, in a few words."""
    hidden: int = MISSING
    """Width of the projection and of each LSTM layer's output."""
    layers: int = MISSING
    """LSTM layers."""
    head_layers: int = MISSING
    """Fully connected layers before the last one; each is half as wide as the one before."""
    dropout: float = MISSING
    """Dropout after each LSTM layer and in the head."""
    bidirectional: bool = MISSING
    """Read windows forwards and backwards, each at half the width; needs the whole window before it answers."""
    pooling: Pooling = MISSING
    """last: the output after the last frame. mean, max: over frames. attention: a learned weighted mean."""

    def __post_init__(self) -> None:
        if not self.name or not self.name.replace("_", "").replace("-", "").isalnum():
            raise ConfigError(f"model.name={self.name!r}: must be letters, digits, - and _ (it becomes a file name)")
        at_least("model.hidden", self.hidden, 2)
        at_least("model.layers", self.layers, 1)
        at_least("model.head_layers", self.head_layers, 0)
        fraction("model.dropout", self.dropout)
        if self.bidirectional and self.hidden % 2:
            raise ConfigError(f"model.hidden={self.hidden}: must be even when model.bidirectional=true")
        if self.hidden >> self.head_layers == 0:
            raise ConfigError(f"model.head_layers={self.head_layers}: halving {self.hidden} so often leaves no width")


@dataclass
class LossConfig:
    """Cross-entropy."""

    label_smoothing: float = MISSING
    """Share of each target spread over all classes."""
    class_weights: bool = MISSING
    """Weigh each class by the inverse of how many training windows it has; validation_loss, by which the best epoch is
    chosen, weighs them too."""

    def __post_init__(self) -> None:
        fraction("loss.label_smoothing", self.label_smoothing)


@dataclass
class OptimizerConfig:
    """A torch optimizer."""

    _target_: str = MISSING
    """The optimizer's class."""
    lr: float = MISSING
    """Learning rate."""
    weight_decay: float = MISSING
    """Weight decay (decoupled for AdamW, L2 for the others)."""

    def __post_init__(self) -> None:
        positive("optimizer.lr", self.lr)
        at_least("optimizer.weight_decay", self.weight_decay, 0)


@dataclass
class AdamConfig(OptimizerConfig):
    """Adam and AdamW."""

    betas: list[float] = MISSING
    """Decay of the running means of the gradient and of its square."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"optimizer.betas={self.betas}: must be two numbers, each at least 0 and below 1")


@dataclass
class SgdConfig(OptimizerConfig):
    """Stochastic gradient descent."""

    momentum: float = MISSING
    """Momentum."""
    nesterov: bool = MISSING
    """Look ahead along the momentum."""

    def __post_init__(self) -> None:
        super().__post_init__()
        fraction("optimizer.momentum", self.momentum)


class Schedule(StrEnum):
    """How the learning rate changes over a training."""

    constant = "constant"
    cosine = "cosine"
    plateau = "plateau"


@dataclass
class SchedulerConfig:
    """The learning rate's schedule."""

    kind: Schedule = MISSING
    """constant; cosine: linear warm-up, then a half cosine down; plateau: lower when validation loss stalls."""
    warmup_fraction: float = MISSING
    """Share of all steps in which the rate grows linearly from zero (cosine)."""
    final_fraction: float = MISSING
    """The last learning rate, as a share of the first (cosine)."""
    factor: float = MISSING
    """What the rate is multiplied by at each stall (plateau)."""
    patience: int = MISSING
    """Epochs without a lower validation loss before the rate is lowered (plateau)."""

    def __post_init__(self) -> None:
        fraction("scheduler.warmup_fraction", self.warmup_fraction)
        fraction("scheduler.final_fraction", self.final_fraction)
        fraction("scheduler.factor", self.factor)
        at_least("scheduler.patience", self.patience, 0)


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
class TrainerConfig:
    """How long to train, and on what."""

    device: Device = MISSING
    """auto: a GPU if there is one. gpu: any GPU or an error. rocm: an AMD GPU or an error. cpu."""
    devices: int = MISSING
    """GPUs, or CPU processes, to train on together, on each node."""
    num_nodes: int = MISSING
    """Nodes to train on together; more than one under Slurm only."""
    precision: Precision = MISSING
    """float32; bf16 or float16: mixed precision. auto: bf16 on a GPU, float32 on a CPU."""
    max_epochs: int = MISSING
    """Train at most so long."""
    keep: Keep = MISSING
    """best: the weights of the epoch with the lowest validation loss. last: those of the last epoch, for schedules that
    end slowly; validation people then choose no epoch, so that few of them are enough."""
    batch_size: int = MISSING
    """Windows in a training step, on each device."""
    gradient_clip_norm: float | None = MISSING
    """Scale gradients down to this norm when they are longer; null leaves them."""
    deterministic: bool = MISSING
    """The same command twice gives the same weights (always so on a CPU; slower on a GPU)."""
    threads: int | None = MISSING
    """CPU threads; null lets torch decide."""
    checkpoint_minutes: float | None = MISSING
    """Keep a checkpoint so often in the middle of an epoch, besides the one after each; null: none. Not with several
    devices."""
    batches_per_epoch: int | None = MISSING
    """End each epoch after so many steps, to look for mistakes quickly; null uses all windows."""
    on_not_finite: OnNotFinite = MISSING
    """When a loss or gradient is NaN or infinite. stop: end with an error. skip: leave such steps out, at most a tenth
    of an epoch's. restart: go back to the last whole epoch with half the learning rate, at most three times."""

    def __post_init__(self) -> None:
        for key, value in (
            ("devices", self.devices),
            ("num_nodes", self.num_nodes),
            ("max_epochs", self.max_epochs),
            ("batch_size", self.batch_size),
            ("threads", self.threads),
            ("batches_per_epoch", self.batches_per_epoch),
        ):
            at_least(f"trainer.{key}", value, 1)
        positive("trainer.gradient_clip_norm", self.gradient_clip_norm)
        positive("trainer.checkpoint_minutes", self.checkpoint_minutes)
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
class TrainConfig:
    """Everything that decides a training."""

    name: str = MISSING
    """The run's name: its folder is outputs/<name>/<time>, or multirun/<name>/ in a sweep."""
    tags: list[str] = MISSING
    """Words to find the run by."""
    notes: str = MISSING
    """Anything worth remembering about the run."""
    seed: int = MISSING
    """Initial weights, order of batches, augmentation, dropout. 0 is a seed like any other."""
    data: DataConfig = MISSING
    """Which recordings to use."""
    split: SplitConfig = MISSING
    """Who trains, who validates, who tests."""
    window: WindowConfig = MISSING
    """How windows are cut from recordings; a window never crosses a recording."""
    features: FeaturesConfig = MISSING
    """What the network sees of each frame."""
    augment: AugmentConfig = MISSING
    """Random changes to training windows; others are mirrored by mirror_at_test, and else stay as they are."""
    model: ModelConfig = MISSING
    """The LSTM classifier: six sizes."""
    loss: LossConfig = MISSING
    """Cross-entropy, and what is added to it."""
    optimizer: Any = MISSING
    """A torch optimizer; any class of torch.optim can be given as _target_."""
    scheduler: SchedulerConfig = MISSING
    """How the learning rate changes over a training."""
    trainer: TrainerConfig = MISSING
    """How long to train, and on what."""
    callbacks: dict[str, Any] = MISSING
    """Lightning callbacks, by names of your choice."""
    logger: dict[str, Any] = MISSING
    """Where values by epoch, scores and pictures are shown; the run's own files hold them all anyway. Several:
    logger=[csv,mlflow]."""

    def __post_init__(self) -> None:
        at_least("seed", self.seed, 0)
        if not self.name or set(self.name) & {*FORBIDDEN, "\0"} or self.name.strip(". ") != self.name:
            raise ConfigError(
                f"name={self.name!r}: it becomes a folder, so it cannot be empty, begin or end with a dot or a space, "
                f"or hold any of {' '.join(FORBIDDEN)}"
            )
