"""Schemas of the launchers, by which the jobs of a sweep are run, and of the hyperparameter search."""

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gesturelab.config.rules import COUNT, NOT_NEGATIVE, POSITIVE, Checked, Rule, key
from gesturelab.errors import ConfigError

SIGNAL_EARLY_S = 60
"""Slurm may send a signal so much earlier than asked."""
TOGETHER_REMOVED = "hydra.launcher.together was removed (models are trained one after another): leave it out"
OURS = ("job_name", "array", "output", "error", "open_mode", "signal", "requeue", "no_requeue", "export", "wckey")
"""Parameters of sbatch by which the launcher finds its jobs again."""
OBJECTIVE = re.compile(r"validation_(recording_)?[A-Za-z]\w*")
"""What an objective looks like; which metrics there are, the sweeper knows."""


@dataclass
class LocalLauncherConfig(Checked):
    """Several jobs at a time on this machine."""

    GROUP: ClassVar[str] = "hydra.launcher"

    _target_: str = "hydra_plugins.gesturelab_launchers.LocalLauncher"
    """The launcher's class."""
    n_jobs: int | None = key(None, COUNT)
    """Jobs at a time; null: as many as the GPUs take, or one for every two CPU cores."""
    threads: int | None = key(None, COUNT)
    """CPU threads of each job; null: the cores divided by the jobs, at most OMP_NUM_THREADS where that is set."""
    gpus: list[int] | None = None
    """GPUs to use, by number; null: all that are there; []: none."""
    jobs_per_gpu: int = key(1, COUNT)
    """How many jobs share a GPU."""


@dataclass
class SharedProcessLauncherConfig(LocalLauncherConfig):
    """Jobs that differ in split and seed only, one after another in one process."""

    _target_: str = "hydra_plugins.gesturelab_launchers.SharedProcessLauncher"
    """The launcher's class."""
    n_jobs: int | None = key(None, COUNT)
    """Processes at a time; null: one for each GPU, or for each CPU core."""
    threads: int | None = key(None, COUNT)
    """CPU threads of each process; null: the cores divided by the processes, at most OMP_NUM_THREADS if it is set."""
    jobs_per_gpu: int = key(1, COUNT)
    """How many processes share a GPU."""
    models_at_once: int = key(32, COUNT)
    """The most jobs that one process trains."""


@dataclass
class SlurmLauncherConfig(Checked):
    """What to ask Slurm for; nodes and tasks follow from trainer.num_nodes and trainer.devices."""

    GROUP: ClassVar[str] = "hydra.launcher"

    _target_: str = "hydra_plugins.gesturelab_launchers.SlurmLauncher"
    """The launcher's class."""
    partition: str | None = None
    """Where to run; null: the cluster's default."""
    account: str | None = None
    """Who pays."""
    qos: str | None = None
    """Quality of service."""
    gpus_per_node: int | None = key(None, NOT_NEGATIVE)
    """GPUs of a node; null: trainer.devices, or none if trainer.device is cpu."""
    gres: str | None = None
    """Instead of gpus_per_node, such as gpu:mi250:1."""
    cpus_per_task: int = key(4, COUNT)
    """CPU cores of a job, and threads of its training."""
    mem_gb: float | None = key(None, POSITIVE)
    """Memory of a node; null: the cluster's default."""
    timeout_min: int = key(240, COUNT)
    """Time limit of a job, in minutes; a requeued job has it anew."""
    signal_delay_s: int = key(120, Rule(minimum=10))
    """So many seconds before the limit a job goes back into the queue."""
    array_parallelism: int = key(256, COUNT)
    """Jobs of the array at a time."""
    max_requeues: int = key(3, NOT_NEGATIVE)
    """How often a job may go back into the queue, for whatever reason."""
    constraint: str | None = None
    """Features that nodes must have."""
    nodelist: str | None = None
    """Nodes to use."""
    exclude: str | None = None
    """Nodes not to use."""
    mail_user: str | None = None
    """Whom to write to."""
    mail_type: str | None = None
    """When, such as END,FAIL."""
    modules: list[str] = field(default_factory=list[str])
    """Loaded with module load, in this order."""
    environment: dict[str, str] = field(default_factory=dict[str, str])
    """Variables for the jobs."""
    setup: list[str] = field(default_factory=list[str])
    """Shell lines before the training; the first one that fails ends the job."""
    python: str | None = None
    """The interpreter of the jobs; null: this one, or python3 of the container."""
    container: str | None = None
    """An Apptainer image, such as gesturelab.sif, in which the jobs run; null: none."""
    container_binds: list[str] = field(default_factory=list[str])
    """More folders that the container sees, beside this one, those of the code, sweep, recordings and cache, and your
    own options."""
    gpu_vendor: str = key("nvidia", Rule(one_of=("nvidia", "amd")))
    """Whose GPUs the nodes have: the container gets --nv or --rocm. With trainer.device=rocm always amd."""
    srun_args: list[str] = field(default_factory=list[str])
    """More arguments of srun."""
    additional_parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    """More #SBATCH lines, such as {reservation: lab}."""
    detach: bool = False
    """Submit and return at once."""
    poll_s: float = key(5.0, POSITIVE)
    """How often Slurm is asked while waiting, in seconds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if 2 * (self.signal_delay_s + SIGNAL_EARLY_S) > 60 * self.timeout_min:
            raise ConfigError(
                f"hydra.launcher.signal_delay_s={self.signal_delay_s}: jobs of {self.timeout_min} minutes "
                "(hydra.launcher.timeout_min) would be told to leave before half of that; lower it, or allow more time"
            )
        if self.gres is not None and self.gpus_per_node is not None:
            raise ConfigError("hydra.launcher.gres and hydra.launcher.gpus_per_node both ask for GPUs; set one of them")
        for name in self.additional_parameters:
            if name.replace("-", "_") in OURS:
                raise ConfigError(
                    f"hydra.launcher.additional_parameters.{name}: the launcher needs its own; leave it out"
                )
        for name in self.environment:
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise ConfigError(f"hydra.launcher.environment: {name!r} cannot be the name of a variable")
            if name in ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
                raise ConfigError(f"hydra.launcher.environment.{name}: Slurm hands GPUs out; leave it to Slurm")


@dataclass
class SearchConfig(Checked):
    """How to search."""

    GROUP: ClassVar[str] = "hydra.sweeper"

    _target_: str = "hydra_plugins.gesturelab_search.OptunaSweeper"
    """The sweeper's class."""
    n_trials: int = key(20, COUNT)
    """Trials in all, those of earlier calls counted; completed, pruned and failed ones count."""
    n_parallel: int = key(1, COUNT)
    """Trials begun together; hydra/launcher says how many of their runs go at a time."""
    objective: str = "validation_loss"
    """validation_loss, or a metric of validation windows or recordings, such as validation_accuracy,
    validation_recording_accuracy, validation_recording_balanced_accuracy or one of your own, of the epoch whose weights
    are kept. With data.target=correctness take the loss or balanced accuracy."""
    average_over: list[str] = field(default_factory=list[str])
    """Overrides with several values, such as split.fold=0,1,2: a trial is one run for each, its value their mean."""
    sampler: str = key("tpe", Rule(one_of=("tpe", "random")))
    """tpe or random: proposes parameters."""
    seed: int = key(0, NOT_NEGATIVE)
    """Of the sampler."""
    pruner: str = key("median", Rule(one_of=("median", "hyperband", "none")))
    """Gives hopeless trials up. median: validation loss above the median of completed ones; hyperband; none."""
    warmup_epochs: int = key(5, NOT_NEGATIVE)
    """Epochs in which no trial is given up."""
    warmup_trials: int = key(5, COUNT)
    """Trials that are completed before one is given up (median)."""
    storage: str | None = None
    """sqlite:///FILE; null: a journal in the sweep's folder."""
    params: dict[str, str] | None = None
    """What to search, for files in conf/experiment: a key and its values, such as model.dropout: interval(0.1,0.5)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not OBJECTIVE.fullmatch(self.objective):
            raise ConfigError(
                f"hydra.sweeper.objective={self.objective}: must be one of validation_loss, validation_accuracy, "
                "validation_recording_accuracy, or the like with another metric's name in place of accuracy"
            )
        if self.storage is not None and not self.storage.startswith("sqlite:///"):
            raise ConfigError(f"hydra.sweeper.storage={self.storage}: must be sqlite:///FILE or null")
