"""Facts to findings: packages, Slurm, folders, processors; `examine` runs every check, those of GPUs too."""

from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from gesturelab.doctor.facts import Facts, Finding, Folder, Package, Verdict, failure, ok, warning
from gesturelab.doctor.gpu_checks import (
    check_computing,
    check_devices,
    check_driver,
    check_largest_batch,
    check_limits,
    check_torch,
    check_visible,
)

MALICIOUS = {"lightning": ("2.6.2", "2.6.3")}
"""Releases that carried code to steal secrets."""
PACKAGES = "packages"
GIB = 2**30
BYTES_PER_PARAMETER = 28
"""Of a finished run: two checkpoints of weights and the optimizer's two means, and the weights; 4 bytes a number."""
SPARE_RUNS = 20


def examine(facts: Facts) -> list[Finding]:
    """Every check, in the order in which to mend what is broken."""
    return [
        ok("versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())),
        *check_packages(facts.packages),
        check_torch(facts),
        check_driver(facts),
        check_visible(facts),
        check_devices(facts),
        check_slurm(facts),
        *check_folders(facts),
        check_threads(facts),
        check_limits(facts),
        *check_computing(facts),
        *check_largest_batch(facts),
    ]


def worst(findings: list[Finding]) -> Verdict:
    """The worst verdict of all."""
    order = list(Verdict)
    return max((finding.verdict for finding in findings), key=order.index, default=Verdict.ok)


def check_packages(packages: Sequence[Package]) -> list[Finding]:
    """Malicious, missing and unfit packages, each by name; one line when all fit."""
    if not packages:
        return [warning(PACKAGES, "gesturelab is not installed, so its packages are not known", "make install")]
    findings = [finding for package in packages if (finding := _check_package(package)) is not None]
    fit = sum(package.installed is not None for package in packages)
    return findings or [ok(PACKAGES, f"{fit} installed, all within the bounds of gesturelab's metadata")]


def _check_package(package: Package) -> Finding | None:
    name, version = package.name, package.installed
    if version is None:
        if package.extra:
            return None
        return failure(PACKAGES, f"{name} is missing", "make install, or pip install gesturelab, in this environment")
    if version in MALICIOUS.get(name, ()):
        return failure(
            PACKAGES,
            f"{name} {version} is a malicious release: importing it steals passwords and keys",
            f"pip uninstall {name} now, change every key and password of this account, then make clean install",
        )
    if fits(version, package.bounds):
        return None
    found = f"{name} {version} is outside {package.bounds}"
    do = f"pip install '{name}{package.bounds}'"
    if package.extra:
        return warning(PACKAGES, f"{found}, wanted by the extra {package.extra}", do)
    return failure(PACKAGES, found, do)


def fits(version: str, bounds: str) -> bool:
    """Whether a version lies within bounds; local parts, such as ``+rocm6.4``, and pre-releases count as their version.

    >>> fits("2.9.1+rocm6.4", ">=2.6"), fits("2.6.2", ">=2.5,<3,!=2.6.2"), fits("3.0.0rc1", ">=2.5,<3")
    (True, False, False)
    """
    try:
        return SpecifierSet(bounds, prereleases=True).contains(Version(version).base_version)
    except (InvalidSpecifier, InvalidVersion):
        return False


def check_slurm(facts: Facts) -> Finding:
    """Whether there is a Slurm, whether it answers, and where jobs may run."""
    slurm = facts.slurm
    if slurm is None:
        return ok("Slurm", "none here; hydra/launcher=local runs several jobs at a time")
    if slurm.error:
        do = "look at sinfo and scontrol ping, or ask who runs it"
        return warning("Slurm", f"{slurm.version}: {slurm.error}", do)
    listed = "; ".join(
        f"{each.name}: {each.nodes} nodes, {each.time_limit}{f', {each.gpus}' if each.gpus else ''}"
        f"{'' if each.up else ', DOWN'}"
        for each in slurm.partitions
    )
    job = facts.environment.get("SLURM_JOB_ID")
    found = f"{slurm.version}; {listed or 'no partition'}{f'; inside job {job}' if job else ''}"
    if not any(each.up and each.nodes for each in slurm.partitions):
        return warning("Slurm", f"{found}: no partition takes jobs", "ask who runs it; hydra/launcher=local works here")
    return ok("Slurm", found)


def check_folders(facts: Facts) -> list[Finding]:
    """Whether each folder can be written, and has room for runs of the configured size."""
    parameters = {shape.size: shape.parameters for shape in facts.shapes}.get(facts.asked.model, 0)
    return [_check_folder(folder, BYTES_PER_PARAMETER * parameters) for folder in facts.folders]


def _check_folder(folder: Folder, run_bytes: int) -> Finding:
    name = f"folder {folder.role}"
    if folder.error:
        found = f"{folder.path} cannot be written: {folder.error}"
        if folder.role == "cache":
            found += "; every start parses recordings again"
            return warning(name, found, "set GESTURELAB_CACHE or data.cache_dir")
        return failure(name, found, "start in a folder of yours, or mend its permissions")
    found = f"{folder.path}: writable, {folder.free_bytes / GIB:.1f} GiB free"
    if folder.role == "cache":
        return (
            ok(name, found) if folder.free_bytes >= GIB else warning(name, found, "make room, or set GESTURELAB_CACHE")
        )
    found += f"; a run needs about {max(run_bytes / 2**20, 1):.0f} MiB"
    if folder.free_bytes < run_bytes + 2**20:
        return failure(name, f"{found}, which is not there", "make room, or start in a folder on another disk")
    if folder.free_bytes < SPARE_RUNS * run_bytes:
        return warning(name, found, f"make room before a sweep: there is none for {SPARE_RUNS} runs")
    return ok(name, found)


def check_threads(facts: Facts) -> Finding:
    """Whether torch's threads fit the processors that this process may really use."""
    cores = facts.cores
    limit = cores.usable if cores.cgroup is None else min(cores.usable, cores.cgroup)
    omp = facts.environment.get("OMP_NUM_THREADS")
    threads = facts.torch.threads if facts.torch is not None else None
    found = f"{cores.usable} of {cores.machine} cores"
    if cores.cgroup is not None:
        found += f", {cores.cgroup:g} of them by the cgroup's limit"
    found += f"; OMP_NUM_THREADS {f'is {omp}' if omp else 'is not set'}; torch uses {threads or 'unknown'} threads"
    found += f"; load {cores.load:.1f}"
    fitting = max(int(limit), 1)
    do = f"trainer.threads={fitting}, or export OMP_NUM_THREADS={fitting}"
    if omp is not None and not omp.replace(",", "").strip().isdigit():
        return warning("threads", f"{found}: that is no number", f"export OMP_NUM_THREADS={fitting}")
    if threads is not None and threads > fitting:
        return warning("threads", f"{found}: more threads than cores wait for each other", do)
    if cores.load > 2 * cores.machine:
        return warning("threads", f"{found}: the machine is busy", "trainings and times measured here will be slow")
    return ok("threads", found)
