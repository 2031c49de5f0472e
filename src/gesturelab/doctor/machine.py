"""Slurm, folders and processors."""

from gesturelab.doctor.facts import Facts, Folder
from gesturelab.doctor.finding import Finding, failure, ok, warning

GIB = 2**30
BYTES_PER_PARAMETER = 28
"""Of a finished run: two checkpoints of weights and the optimizer's two means, and the weights; 4 bytes a number."""
SPARE_RUNS = 20


def check_slurm(facts: Facts) -> Finding:
    """Whether there is a Slurm, whether it answers, and where jobs may run."""
    slurm = facts.slurm
    if slurm is None:
        return ok("Slurm", "none here; hydra/launcher=local runs several jobs at a time")
    if slurm.error:
        return warning(
            "Slurm", f"{slurm.version}: {slurm.error}", "look at sinfo and scontrol ping, or ask who runs it"
        )
    listed = "; ".join(
        f"{each.name}: {each.nodes} nodes, {each.time_limit}{f', {each.gpus}' if each.gpus else ''}"
        f"{'' if each.up else ', DOWN'}"
        for each in slurm.partitions
    )
    job = facts.environment.get("SLURM_JOB_ID")
    said = f"{slurm.version}; {listed or 'no partition'}{f'; inside job {job}' if job else ''}"
    if not any(each.up and each.nodes for each in slurm.partitions):
        return warning("Slurm", f"{said}: no partition takes jobs", "ask who runs it; hydra/launcher=local works here")
    return ok("Slurm", said)


def check_folders(facts: Facts) -> list[Finding]:
    """Whether each folder can be written, and has room for runs of the configured size."""
    parameters = {shape.size: shape.parameters for shape in facts.shapes}.get(facts.asked.model, 0)
    return [_check_folder(folder, BYTES_PER_PARAMETER * parameters) for folder in facts.folders]


def _check_folder(folder: Folder, run_bytes: int) -> Finding:
    name = f"folder {folder.role}"
    if folder.error:
        said = f"{folder.path} cannot be written: {folder.error}"
        if folder.role == "cache":
            return warning(
                name, f"{said}; every start parses recordings again", "set GESTURELAB_CACHE or data.cache_dir"
            )
        return failure(name, said, "start in a folder of yours, or mend its permissions")
    said = f"{folder.path}: writable, {folder.free_bytes / GIB:.1f} GiB free"
    if folder.role == "cache":
        return ok(name, said) if folder.free_bytes >= GIB else warning(name, said, "make room, or set GESTURELAB_CACHE")
    said += f"; a run needs about {max(run_bytes / 2**20, 1):.0f} MiB"
    if folder.free_bytes < run_bytes + 2**20:
        return failure(name, f"{said}, which is not there", "make room, or start in a folder on another disk")
    if folder.free_bytes < SPARE_RUNS * run_bytes:
        return warning(name, said, f"make room before a sweep: there is none for {SPARE_RUNS} runs")
    return ok(name, said)


def check_threads(facts: Facts) -> Finding:
    """Whether torch's threads fit the processors that this process may really use."""
    cores = facts.cores
    limit = cores.usable if cores.cgroup is None else min(cores.usable, cores.cgroup)
    omp = facts.environment.get("OMP_NUM_THREADS")
    threads = facts.torch.threads if facts.torch is not None else None
    said = f"{cores.usable} of {cores.machine} cores"
    if cores.cgroup is not None:
        said += f", {cores.cgroup:g} of them by the cgroup's limit"
    said += f"; OMP_NUM_THREADS {f'is {omp}' if omp else 'is not set'}; torch uses {threads or 'unknown'} threads"
    said += f"; load {cores.load:.1f}"
    fitting = max(int(limit), 1)
    do = f"trainer.threads={fitting}, or export OMP_NUM_THREADS={fitting}"
    if omp is not None and not omp.replace(",", "").strip().isdigit():
        return warning("threads", f"{said}: that is no number", f"export OMP_NUM_THREADS={fitting}")
    if threads is not None and threads > fitting:
        return warning("threads", f"{said}: more threads than cores wait for each other", do)
    if cores.load > 2 * cores.machine:
        return warning("threads", f"{said}: the machine is busy", "trainings and times measured here will be slow")
    return ok("threads", said)
