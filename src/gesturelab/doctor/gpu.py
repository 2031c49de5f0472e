"""Whether torch, the driver and the GPUs fit each other and what the configuration asks for."""

from gesturelab.doctor.facts import Facts
from gesturelab.doctor.finding import Finding, failure, ok, warning

OTHER_TORCH = "install the build for this machine (the manual, guide/amd), or use trainer=cpu"


def check_torch(facts: Facts) -> Finding:
    """Whether torch can be imported, and is a build for the hardware and the device asked for."""
    if facts.torch is None:
        return failure("torch", f"cannot be imported: {facts.torch_error}", "make clean install; see README")
    torch, driver, asked = facts.torch, facts.driver, facts.asked.device
    said = f"{torch.version}, a {torch.build} build"
    if asked == "rocm" and torch.hip is None:
        return failure("torch", f"{said}; trainer.device=rocm needs a ROCm one", OTHER_TORCH)
    if asked == "gpu" and torch.build == "CPU":
        return failure("torch", f"{said}; trainer.device=gpu needs a CUDA or ROCm one", OTHER_TORCH)
    if asked != "cpu" and driver.amd_gpus and torch.hip is None:
        return warning("torch", f"{said}, but there are {driver.amd_gpus} AMD GPUs: it cannot use them", OTHER_TORCH)
    if asked != "cpu" and driver.nvidia_gpus and torch.cuda is None:
        return warning(
            "torch", f"{said}, but there are {driver.nvidia_gpus} NVIDIA GPUs: it cannot use them", OTHER_TORCH
        )
    return ok("torch", said)


def check_driver(facts: Facts) -> Finding:
    """Whether the driver answers, may be used by this user and is new enough for torch's build."""
    driver, torch = facts.driver, facts.torch
    parts = [
        f"NVIDIA {driver.nvidia}, up to CUDA {driver.nvidia_cuda or 'unknown'}" if driver.nvidia else "",
        f"AMD {driver.amd}, ROCm {driver.rocm or 'not in /opt/rocm'}" if driver.amd else "",
    ]
    said = "; ".join(part for part in parts if part) or "none for GPUs"
    bad = warning if facts.asked.device in ("auto", "cpu") else failure
    if driver.error:
        return bad("driver", f"{said}; nvidia-smi failed: {driver.error}", "restart the machine, or ask who runs it")
    if driver.kfd_closed:
        return bad(
            "driver",
            f"{said}; /dev/kfd is closed to you, so no AMD GPU can be used",
            "have your user put into the groups render and video, then log in again",
        )
    if torch is not None and torch.cuda and driver.nvidia_cuda and _older(driver.nvidia_cuda, torch.cuda, parts=1):
        return bad(
            "driver",
            f"{said}; too old for a torch built with CUDA {torch.cuda}",
            f"update the driver, or install a torch built with CUDA {driver.nvidia_cuda} or older",
        )
    if torch is not None and torch.hip and driver.rocm and torch.hip.split(".")[0] != driver.rocm.split(".")[0]:
        return warning(
            "driver",
            f"{said}; torch was built with ROCm {torch.hip}",
            "take a torch built with the ROCm that is installed: different major versions have crashed",
        )
    return ok("driver", said)


def _older(one: str, other: str, *, parts: int) -> bool:
    """Whether a version comes before another, by its first parts: within a major CUDA version, drivers fit.

    >>> _older("11.8", "12.4", parts=1), _older("12.2", "12.8", parts=1)
    (True, False)
    """
    first, second = ([int(part) for part in text.split(".")[:parts] if part.isdigit()] for text in (one, other))
    return first < second


def check_devices(facts: Facts) -> Finding:
    """Whether the GPUs asked for are there."""
    if facts.torch is None:
        return failure("devices", "unknown without torch", "mend torch first")
    torch, asked = facts.torch, facts.asked
    said = "; ".join(
        f"{number}: {gpu.name} ({gpu.architecture}, {gpu.free_gib:.0f} of {gpu.memory_gib:.0f} GiB free)"
        for number, gpu in enumerate(torch.gpus)
    )
    if asked.device == "cpu":
        return ok("devices", f"the CPU, as trainer.device says{f'; GPUs: {said}' if said else ''}")
    elsewhere = facts.slurm is not None and not facts.slurm.error and "SLURM_JOB_ID" not in facts.environment
    if torch.error or (not torch.gpus and (asked.device != "auto" or torch.build != "CPU")):
        found = torch.error or f"a {torch.build} build, but no GPU: trainer.device=auto will train on the CPU"
        if elsewhere and not (facts.driver.nvidia_gpus or facts.driver.amd_gpus):
            return warning(
                "devices",
                f"{found}; Slurm is here, so this may be a login node, where that is normal",
                "look at a compute node: srun --partition=NAME --gpus=1 gesturelab doctor",
            )
        do = "see 'visible GPUs', 'driver' and 'torch' here; or use trainer=cpu"
        return failure("devices", found, do) if torch.error else warning("devices", found, do)
    if torch.gpus and asked.devices > len(torch.gpus):
        found = f"trainer.devices={asked.devices}, but there are {len(torch.gpus)}: {said}"
        if elsewhere:
            return warning("devices", f"{found}; a compute node may have more", "look at it there with srun")
        return failure("devices", found, f"trainer.devices={len(torch.gpus)}")
    if (full := [gpu for gpu in torch.gpus if gpu.free_gib < 0.2 * gpu.memory_gib]) and asked.devices:
        return warning("devices", f"{said}: {len(full)} in use by others", "choose a free GPU, or wait")
    return ok("devices", said or "the CPU; there is no GPU")
