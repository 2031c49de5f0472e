"""Schemas of the launchers: how the jobs of a sweep are run."""

import re
from dataclasses import dataclass, field
from typing import Any

from gesturelab.config.rules import at_least, positive
from gesturelab.errors import ConfigError

SIGNAL_EARLY_S = 60
"""Slurm may send a signal so much earlier than asked."""
TOGETHER_REMOVED = "hydra.launcher.together was removed (models are trained one after another): leave it out"
OURS = ("job_name", "array", "output", "error", "open_mode", "signal", "requeue", "no_requeue", "export", "wckey")
"""Parameters of sbatch by which the launcher finds its jobs again."""


@dataclass
class LocalLauncherConfig:
    """Several jobs at a time on this machine."""

    _target_: str = "hydra_plugins.gesturelab_launchers.LocalLauncher"
    """The launcher's class."""
    n_jobs: int | None = None
    """Jobs at a time; null: as many as the GPUs take, or one for every two CPU cores."""
    threads: int | None = None
    """CPU threads of each job; null: the cores divided by the jobs."""
    gpus: list[int] | None = None
    """GPUs to use, by number; null: all that are there; []: none."""
    jobs_per_gpu: int = 1
    """How many jobs share a GPU."""

    def __post_init__(self) -> None:
        for key in ("n_jobs", "threads", "jobs_per_gpu"):
            at_least(f"hydra.launcher.{key}", getattr(self, key), 1)


@dataclass
class SharedProcessLauncherConfig(LocalLauncherConfig):
    """Jobs that differ in split and seed only, one after another in one process."""

    _target_: str = "hydra_plugins.gesturelab_launchers.SharedProcessLauncher"
    """The launcher's class."""
    n_jobs: int | None = None
    """Processes at a time; null: one for each GPU, or for each CPU core."""
    threads: int | None = None
    """CPU threads of each process; null: the cores divided by the processes."""
    jobs_per_gpu: int = 1
    """How many processes share a GPU."""
    models_at_once: int = 32
    """The most jobs that one process trains."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least("hydra.launcher.models_at_once", self.models_at_once, 1)


@dataclass
class SlurmLauncherConfig:
    """What to ask Slurm for; nodes and tasks follow from trainer.num_nodes and trainer.devices."""

    _target_: str = "hydra_plugins.gesturelab_launchers.SlurmLauncher"
    """The launcher's class."""
    partition: str | None = None
    """Where to run; null: the cluster's default."""
    account: str | None = None
    """Who pays."""
    qos: str | None = None
    """Quality of service."""
    gpus_per_node: int | None = None
    """GPUs of a node; null: trainer.devices, or none if trainer.device is cpu."""
    gres: str | None = None
    """Instead of gpus_per_node, such as gpu:mi250:1."""
    cpus_per_task: int = 4
    """CPU cores of a job, and threads of its training."""
    mem_gb: float | None = None
    """Memory of a node; null: the cluster's default."""
    timeout_min: int = 240
    """Time limit of a job, in minutes; a requeued job has it anew."""
    signal_delay_s: int = 120
    """So many seconds before the limit a job goes back into the queue."""
    array_parallelism: int = 256
    """Jobs of the array at a time."""
    max_requeues: int = 3
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
    srun_args: list[str] = field(default_factory=list[str])
    """More arguments of srun."""
    additional_parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    """More #SBATCH lines, such as {reservation: lab}."""
    detach: bool = False
    """Submit and return at once."""
    poll_s: float = 5.0
    """How often Slurm is asked while waiting, in seconds."""

    def __post_init__(self) -> None:
        for key, low in (("gpus_per_node", 0), ("max_requeues", 0), ("cpus_per_task", 1), ("timeout_min", 1)):
            at_least(f"hydra.launcher.{key}", getattr(self, key), low)
        at_least("hydra.launcher.array_parallelism", self.array_parallelism, 1)
        at_least("hydra.launcher.signal_delay_s", self.signal_delay_s, 10)
        positive("hydra.launcher.mem_gb", self.mem_gb)
        positive("hydra.launcher.poll_s", self.poll_s)
        if 2 * (self.signal_delay_s + SIGNAL_EARLY_S) > 60 * self.timeout_min:
            raise ConfigError(
                f"hydra.launcher.signal_delay_s={self.signal_delay_s}: jobs of {self.timeout_min} minutes "
                "(hydra.launcher.timeout_min) would be told to leave before half of that; lower it, or allow more time"
            )
        if self.gres is not None and self.gpus_per_node is not None:
            raise ConfigError("hydra.launcher.gres and hydra.launcher.gpus_per_node both ask for GPUs; set one of them")
        for key in self.additional_parameters:
            if key.replace("-", "_") in OURS:
                raise ConfigError(
                    f"hydra.launcher.additional_parameters.{key}: the launcher needs its own; leave it out"
                )
        for name in self.environment:
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise ConfigError(f"hydra.launcher.environment: {name!r} cannot be the name of a variable")
        for key in ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
            if key in self.environment:
                raise ConfigError(f"hydra.launcher.environment.{key}: Slurm hands GPUs out; leave it to Slurm")
