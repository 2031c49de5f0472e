"""The batch script of an array: options as submitit's parameters, and the shell lines before the training."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesturelab.config.launcher import SlurmLauncherConfig

MODULES = """\
for init in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh "${MODULESHOME:-}/init/bash"; do
  type module >/dev/null 2>&1 || { test -r "$init" && . "$init"; } || true
done
type module >/dev/null 2>&1 || { echo "gesturelab: no 'module' command on $(hostname)" >&2; exit 1; }"""

MASTER = """\
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_ADDR=$(getent hosts "$first" >/dev/null && echo "$first" || hostname)"""


@dataclass(frozen=True)
class Shape:
    """What the jobs of one array have in common.

    Attributes:
        nodes: ``trainer.num_nodes``.
        devices: ``trainer.devices``: processes on a node, each with its GPU.
        cpu: Whether ``trainer.device`` is cpu.
    """

    nodes: int
    devices: int
    cpu: bool


def parameters(options: SlurmLauncherConfig, shape: Shape, name: str, code: Path) -> dict[str, Any]:
    """Parameters of ``submitit.SlurmExecutor``.

    Args:
        options: What the user asks for.
        shape: What the trainings ask for.
        name: The job's name.
        code: The snapshot of our code that the jobs run.
    """
    gpus = options.gpus_per_node if options.gpus_per_node is not None else 0 if shape.cpu else shape.devices
    # one process that fails must not leave the others waiting for it
    together = ["--kill-on-bad-exit=1"] if shape.nodes * shape.devices > 1 else []
    given: dict[str, Any] = {
        "job_name": name,
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "time": options.timeout_min,
        "nodes": shape.nodes,
        "ntasks_per_node": shape.devices,
        "cpus_per_task": options.cpus_per_task,
        "gpus_per_node": gpus if gpus and options.gres is None else None,
        "gres": options.gres,
        "mem": None if options.mem_gb is None else f"{round(1024 * options.mem_gb)}M",
        "constraint": options.constraint,
        "nodelist": options.nodelist,
        "exclude": options.exclude,
        "mail_user": options.mail_user,
        "mail_type": options.mail_type,
        "signal_delay_s": options.signal_delay_s,
        "array_parallelism": options.array_parallelism,
        "setup": setup_lines(options, shape, code),
        "srun_args": [*together, *options.srun_args] or None,
        "stderr_to_stdout": True,
    }
    requeue = "requeue" if options.max_requeues else "no-requeue"
    kept = {key: value for key, value in given.items() if value is not None}
    # submitit's own wckey is refused where such keys are enforced
    return {**kept, "wckey": None, "additional_parameters": {requeue: True, **options.additional_parameters}}


def setup_lines(options: SlurmLauncherConfig, shape: Shape, code: Path) -> list[str]:
    """Shell lines before the training; the first one that fails ends the job."""
    lines = [
        "set -e",
        "export SLURM_EXPORT_ENV=ALL  # srun hands on what is set here, also where sbatch took nothing over",
        f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        "export PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1  # the snapshot, also when submitted from within src",
        "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK  # srun no longer takes it from sbatch",
        "export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK MKL_NUM_THREADS=$SLURM_CPUS_PER_TASK",
        "unset HIP_VISIBLE_DEVICES  # its numbers count within what Slurm leaves",
    ]
    if options.modules:
        lines += [*MODULES.splitlines(), *(f"module load {shlex.quote(module)}" for module in options.modules)]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in options.environment.items()]
    if shape.nodes * shape.devices > 1:
        lines += MASTER.splitlines()
    return [*lines, *options.setup]
