"""Facts to findings: packages, Slurm, folders, processors, torch, driver and GPUs; `examine` runs every check."""

from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from gesturelab.doctor.facts import Comparison, Facts, Finding, Folder, Package, Verdict, failure, ok, warning

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


LARGEST = "largest right batch"
OTHER_TORCH = "install the build for this machine (the manual, guide/amd), or use trainer=cpu"
VISIBLE = "visible GPUs"
ROCR, HIP, CUDA, ORDINAL = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"


def check_torch(facts: Facts) -> Finding:
    """Whether torch can be imported, and is a build for the hardware and the device asked for."""
    if facts.torch is None:
        return failure("torch", f"cannot be imported: {facts.torch_error}", "make clean install; see README")
    torch, driver, device = facts.torch, facts.driver, facts.asked.device
    build = f"{torch.version}, a {torch.build} build"
    if device == "rocm" and torch.hip is None:
        return failure("torch", f"{build}; trainer.device=rocm needs a ROCm one", OTHER_TORCH)
    if device == "gpu" and torch.build == "CPU":
        return failure("torch", f"{build}; trainer.device=gpu needs a CUDA or ROCm one", OTHER_TORCH)
    for maker, gpus, platform in (("AMD", driver.amd_gpus, torch.hip), ("NVIDIA", driver.nvidia_gpus, torch.cuda)):
        if device != "cpu" and gpus and platform is None:
            return warning("torch", f"{build}, but there are {gpus} {maker} GPUs: it cannot use them", OTHER_TORCH)
    return ok("torch", build)


def check_driver(facts: Facts) -> Finding:
    """Whether the driver answers, may be used by this user and is new enough for torch's build."""
    driver, cuda, hip = facts.driver, facts.torch and facts.torch.cuda, facts.torch and facts.torch.hip
    drivers = [
        *([f"NVIDIA {driver.nvidia}, up to CUDA {driver.nvidia_cuda or 'unknown'}"] if driver.nvidia else []),
        *([f"AMD {driver.amd}, ROCm {driver.rocm or 'not in /opt/rocm'}"] if driver.amd else []),
    ]
    found = "; ".join(drivers) or "none for GPUs"
    bad = warning if facts.asked.device in ("auto", "cpu") else failure
    if driver.error:
        return bad("driver", f"{found}; nvidia-smi failed: {driver.error}", "restart the machine, or ask who runs it")
    if driver.kfd_closed:
        do = "have your user put into the groups render and video, then log in again"
        return bad("driver", f"{found}; /dev/kfd is closed to you, so no AMD GPU can be used", do)
    if cuda and driver.nvidia_cuda and int(_major(driver.nvidia_cuda)) < int(_major(cuda)):
        do = f"update the driver, or install a torch built with CUDA {driver.nvidia_cuda} or older"
        return bad("driver", f"{found}; too old for a torch built with CUDA {cuda}", do)
    if hip and driver.rocm and _major(hip) != _major(driver.rocm):
        do = "take a torch built with the ROCm that is installed: different major versions have crashed"
        return warning("driver", f"{found}; torch was built with ROCm {hip}", do)
    return ok("driver", found)


def _major(version: str) -> str:
    """The first part of a version: drivers fit within a major one."""
    return version.split(".")[0]


def check_devices(facts: Facts) -> Finding:
    """Whether the GPUs asked for are there."""
    if facts.torch is None:
        return failure("devices", "unknown without torch", "mend torch first")
    torch, asked = facts.torch, facts.asked
    gpus = "; ".join(
        f"{number}: {gpu.name} ({gpu.architecture}, {gpu.free_gib:.0f} of {gpu.memory_gib:.0f} GiB free)"
        for number, gpu in enumerate(torch.gpus)
    )
    if asked.device == "cpu":
        return ok("devices", f"the CPU, as trainer.device says{f'; GPUs: {gpus}' if gpus else ''}")
    elsewhere = facts.slurm is not None and not facts.slurm.error and "SLURM_JOB_ID" not in facts.environment
    if torch.error or (not torch.gpus and (asked.device != "auto" or torch.build != "CPU")):
        found = torch.error or f"a {torch.build} build, but no GPU: trainer.device=auto will train on the CPU"
        if elsewhere and not (facts.driver.nvidia_gpus or facts.driver.amd_gpus):
            found += "; Slurm is here, so this may be a login node, where that is normal"
            do = "look at a compute node: srun --partition=NAME --gpus=1 gesturelab doctor"
            return warning("devices", found, do)
        do = "see 'visible GPUs', 'driver' and 'torch' here; or use trainer=cpu"
        return failure("devices", found, do) if torch.error else warning("devices", found, do)
    if torch.gpus and asked.devices > len(torch.gpus):
        found = f"trainer.devices={asked.devices}, but there are {len(torch.gpus)}: {gpus}"
        if elsewhere:
            return warning("devices", f"{found}; a compute node may have more", "look at it there with srun")
        return failure("devices", found, f"trainer.devices={len(torch.gpus)}")
    if (full := [gpu for gpu in torch.gpus if gpu.free_gib < 0.2 * gpu.memory_gib]) and asked.devices:
        return warning("devices", f"{gpus}: {len(full)} in use by others", "choose a free GPU, or wait")
    return ok("devices", gpus or "the CPU; there is no GPU")


def left_by(value: str | None, there: Sequence[str]) -> list[str]:
    """The GPUs that a variable leaves of some: their places, up to the first that is not there, or their UUIDs.

    >>> left_by("1,0", ["a", "b"]), left_by("0,7,1", ["a", "b"]), left_by("", ["a"]), left_by(None, ["a"])
    (['b', 'a'], ['a'], [], ['a'])
    >>> left_by("GPU-4b2c", ["0", "1"])
    ['GPU-4b2c']
    """
    if value is None:
        return list(there)
    left: list[str] = []
    for entry in (part.strip() for part in value.split(",")):
        if entry.isdigit() and int(entry) < len(there):
            left.append(there[int(entry)])
        elif entry.startswith(("GPU-", "MIG-")):
            left.append(entry)
        else:
            break
    return left


def check_visible(facts: Facts) -> Finding:
    """What the variables that hide GPUs leave, and which of them decides.

    On AMD ROCR counts first; HIP (if it is not set: CUDA), and the ordinal, count within what is left, from 0.
    """
    variables = {name: facts.environment[name] for name in (ROCR, HIP, CUDA, ORDINAL) if name in facts.environment}
    if not variables:
        return ok(VISIBLE, "no variable hides any")
    found = ", ".join(f"{name}={value}" for name, value in variables.items())
    torch, driver = facts.torch, facts.driver
    if torch is None or torch.build == "CPU" or facts.asked.device == "cpu":
        return ok(VISIBLE, f"{found}: not used, this training is on the CPU")
    main = CUDA if torch.hip is None else ROCR if ROCR in variables else HIP
    others = ", ".join(name for name in variables if name != main)
    if torch.hip is None:
        gpus = [str(number) for number in range(driver.nvidia_gpus)]
        if gpus and CUDA in variables and not left_by(variables[CUDA], gpus):
            do = f"unset {CUDA}, or name some of {', '.join(gpus)}; what follows an unknown number is hidden too"
            return failure(VISIBLE, f"{found}: hides all {len(gpus)} GPUs", do)
        decides = f"{CUDA} decides" if CUDA in variables else f"all GPUs are visible, only {CUDA} would hide some"
        do = f"unset {others}: these are for AMD"
        return warning(VISIBLE, f"{found}: on NVIDIA {decides}", do) if others else ok(VISIBLE, found)
    if "SLURM_JOB_ID" in facts.environment and ROCR in variables:
        dropped = f"; {others} would choose once more, so gesturelab train drops it" if others else ""
        return ok(VISIBLE, f"{ROCR}={variables[ROCR]} is Slurm's choice{dropped}")
    count = driver.amd_gpus or 64  # unknown: torch, too, takes 64 for any number
    after_rocr = left_by(variables.get(ROCR), [str(number) for number in range(count)])
    second = HIP if HIP in variables else CUDA
    left = left_by(variables.get(ORDINAL), left_by(variables.get(second), after_rocr))
    do = f"set only {main}" + (f", and unset {others}" if main == ROCR else "")
    if ROCR in variables and second in variables and variables[second].count(",") > variables[ROCR].count(","):
        return failure(VISIBLE, f"{found}: {second} names more than {ROCR} leaves, which torch refuses", do)
    if len(variables) == 1:
        do = f"unset {next(iter(variables))}, or name one of 0 to {count - 1}"
        return ok(VISIBLE, found) if left else failure(VISIBLE, f"{found}: no GPU is left", do)
    if HIP in variables and CUDA in variables and variables[HIP] != variables[CUDA]:
        found += f"; of {HIP} and {CUDA}, the first one counts"
    if ROCR in variables:
        found += f"; {ROCR} counts first, the others choose among the {len(after_rocr)} that it leaves, from 0"
    if not left:
        return failure(VISIBLE, f"{found}: none is left", do)
    return warning(VISIBLE, f"{found}: trains on GPU {', '.join(left[:8])}", do)


def check_limits(facts: Facts) -> Finding:
    """At which batch size each model size crosses MIOpen's limits, and whether the configured one does."""
    name, batch = "MIOpen limits", facts.asked.batch
    if not facts.shapes:
        return warning(name, "not predicted: the models cannot be built here", "mend torch first")
    limits: dict[int, list[str]] = {}
    for shape in facts.shapes:
        limits.setdefault(shape.largest_batch, []).append(shape.size)
    known = ", ".join(f"{limit} ({', '.join(sizes)})" for limit, sizes in limits.items())
    found = f"at windows of {facts.asked.frames} frames right up to a batch of {known}; trainer.batch_size={batch}"
    crossed = [shape for shape in facts.shapes if batch > shape.largest_batch]
    if not crossed:
        return ok(name, f"{found} is within them")
    found += f" crosses them ({', '.join(shape.size for shape in crossed)})"
    if facts.torch is None or facts.torch.hip is None:
        return ok(name, f"{found}, but this torch is not for AMD")
    if not facts.asked.cudnn:
        return ok(name, f"{found}, but trainer.cudnn=false: MIOpen is not used")
    found += ": wrong results without a word"
    configured = [shape for shape in crossed if shape.size == facts.asked.model]
    most = min(shape.largest_batch for shape in configured or crossed)
    do = f"trainer.batch_size={most}, or trainer.cudnn=false" if most else "trainer.cudnn=false"
    return failure(name, found, do) if configured else warning(name, found, f"for these, {do}")


def check_largest_batch(facts: Facts) -> list[Finding]:
    """The largest batch that the device was seen to compute rightly, where that was searched."""
    largest, batch = facts.largest_batch, facts.asked.batch
    if largest is None:
        return []
    found = f"right at batches of up to {largest.right}" if largest.right else "no batch was right"
    if largest.wrong is not None:
        found += f", wrong at {largest.wrong} ({largest.reason})"
    elif largest.stopped_at is None:
        found += ", the largest that was tried"
    if largest.stopped_at is not None:
        found += f"; no time for {largest.stopped_at}: gesturelab doctor --seconds 300 searches longer"
    if largest.wrong is None or batch <= largest.right:
        return [ok(LARGEST, found)]
    return [failure(LARGEST, found, _other_shape(facts))]


def _other_shape(facts: Facts) -> str:
    """What to do where the device computes the configured shape wrongly."""
    right = facts.largest_batch.right if facts.largest_batch is not None else 0
    ways = [f"trainer.batch_size={right}"] if right else []
    if facts.asked.cudnn and facts.torch is not None and facts.torch.gpus:
        ways.insert(0, f"trainer.cudnn=false, which does without {'MIOpen' if facts.torch.hip else 'cuDNN'} (slower)")
    return ", or ".join(ways)


def check_computing(facts: Facts) -> list[Finding]:
    """Whether each size's forward and backward pass on the device agrees with the CPU's; which were not run."""
    findings = [_check_comparison(comparison, facts) for comparison in facts.comparisons]
    if facts.not_compared:
        name, do = "not computed", "gesturelab doctor --all-sizes, or a larger --seconds"
        found = "; ".join(f"{size}: {reason}" for size, reason in facts.not_compared.items())
        configured = facts.asked.model in facts.not_compared
        rest = ok(name, f"{found} (--all-sizes runs every size)")
        findings.append(warning(name, found, do) if configured else rest)
    return findings


def _check_comparison(comparison: Comparison, facts: Facts) -> Finding:
    name = f"computing {comparison.size}".strip()
    found = f"{facts.asked.batch} windows of {facts.asked.frames} frames, {comparison.precision} on {comparison.device}"
    bad = failure if comparison.size in (facts.asked.model, "") else warning
    if comparison.error:
        full = "out of memory" in comparison.error.lower()
        do = f"{way}; " if not full and (way := _other_shape(facts)) else ""
        do += "halve trainer.batch_size" if full else "gesturelab doctor trainer=cpu tells whether the GPU is the cause"
        return bad(name, f"{found}: failed: {comparison.error}", do)
    gradient_error, tolerance = comparison.gradient_error, comparison.tolerance
    found += (
        f": outputs differ by {comparison.logits_error:.1g}, gradients by {gradient_error:.1g} from float64 on "
        f"the CPU ({comparison.seconds:.1f} s)"
    )
    if comparison.agrees:
        return ok(name, found)
    worst = f", most of all {comparison.worst}" if not gradient_error <= tolerance and comparison.worst else ""
    return bad(
        name,
        f"{found}: WRONG, rounding explains {tolerance:g}{worst}",
        f"do not trust trainings of these shapes here: {_other_shape(facts) or 'change trainer.batch_size'}; look "
        "again; else try trainer.precision=float32, another driver or torch, or trainer=cpu",
    )
