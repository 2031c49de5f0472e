"""Which device to train on. Imports torch, but not Lightning: an AMD GPU must be woken up between the two."""

import atexit
import ctypes
import logging
import os
import shutil
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from gesturelab.config.options import arguments_of
from gesturelab.config.training import Device, ModelConfig, Precision, TrainerConfig
from gesturelab.errors import ConfigError, DeviceError
from gesturelab.training.provenance import installed_version

log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's malloc.h."""
_OF_MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
MIOPEN_FRAMES = 65_472
"""Time steps in a batch (frames x windows) up to which MIOpen's LSTM is not known to be wrong. It rounds them up to a
multiple of 64 rows of a kernel's grid; a grid of more than 65,535 is not computed on some GPUs, without an error:
github.com/ROCm/rocm-libraries/issues/10551, github.com/pytorch/pytorch/issues/177834."""
MIOPEN_NUMBERS = 2**31 - 1
"""Numbers in its work space up to which it does not crash, before MIOpen 3.5.2 (ROCm 7.14):
github.com/pytorch/pytorch/pull/191924."""
_NOT_NEEDED = "scipy.signal"
_LIGHTNING_PRECISION = {Precision.float32: "32-true", Precision.bf16: "bf16-mixed", Precision.float16: "16-mixed"}


def prepare_device(config: TrainerConfig) -> str:
    """Wakes the configured device up; call it before anything imports Lightning.

    Returns:
        Lightning's accelerator: ``cpu`` or ``gpu``.

    Raises:
        DeviceError: If the device is not there.
    """
    _leave_gpus_to_slurm()
    separate_miopen_caches(config)
    import torch

    torch.backends.cudnn.enabled = config.cudnn
    # filling costs 5 % of a step, for kernels that read what nobody wrote: none of ours
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.device is Device.rocm or (config.device is not Device.cpu and torch.cuda.is_available()):
        if config.device is Device.rocm or torch.version.hip is not None:
            warm_up_rocm(torch)
        return "gpu"
    if config.device is Device.gpu:
        raise DeviceError(f"trainer=gpu: torch {torch.__version__} sees no GPU; use trainer=cpu, or mend the driver")
    keep_freed_memory()
    if config.precision is Precision.bf16 and computes_bf16() is False:
        log.warning(
            "trainer.precision=bf16: this processor has no instructions for it (avx512_bf16 or amx_bf16 in lscpu), so "
            "float32 is 2 to 10 times as fast"
        )
    return "cpu"


def computes_bf16(listed: Path = Path("/proc/cpuinfo")) -> bool | None:
    """Whether an x86 processor has instructions for bf16; None where the system's list does not tell."""
    try:
        flags = [line for line in listed.read_text(encoding="utf-8").splitlines() if line.startswith("flags")]
    except OSError:
        return None
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags[0].split()) if flags else None


def keep_freed_memory() -> bool:
    """Has the allocator keep what a step frees for the next one, instead of giving it back to the system.

    glibc maps large blocks anew each time, and the system fills each page with zeros: up to an eighth of a
    training's processor time (benchmarks/README.md). MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ in the
    environment count instead, if set.

    Returns:
        Whether it does now; not with another C library than glibc.
    """
    if not sys.platform.startswith("linux") or any(name in os.environ for name in _OF_MALLOC):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    mapped = any(libc.mallopt(_M_MMAP_THRESHOLD, size) for size in (2**30, 2**25))  # older ones take 2**25 at most
    return mapped and bool(libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def warm_up_rocm(torch: ModuleType) -> None:
    """Makes the AMD GPU do a first small product: without it, Lightning's import has crashed on ROCm.

    Raises:
        DeviceError: If torch is not a ROCm build, or sees no device.
    """
    if torch.version.hip is None:
        raise DeviceError(
            f"trainer=rocm: torch {torch.__version__} is not a ROCm build; install one (see the manual, guide/amd), "
            "or use trainer=gpu or trainer=cpu"
        )
    if not torch.cuda.is_available():
        seen = {name: os.environ.get(name) for name in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")}
        settings = ", ".join(f"{name}={value}" for name, value in seen.items() if value is not None) or "neither is set"
        raise DeviceError(
            f"trainer=rocm: torch {torch.__version__} sees no AMD GPU (ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES: "
            f"{settings}); the HIP numbers count within what ROCR leaves. Look at rocminfo"
        )
    ones = torch.ones(8, 8, device="cuda")
    (ones @ ones).sum().item()


def _leave_gpus_to_slurm() -> None:
    """Under Slurm, where it chose AMD GPUs, drops the variables that would choose once more among what is left.

    Slurm may set them all; on NVIDIA's, CUDA_VISIBLE_DEVICES is the one that counts.
    """
    if "SLURM_JOB_ID" in os.environ and "ROCR_VISIBLE_DEVICES" in os.environ and _is_rocm_build():
        for variable in ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"):
            os.environ.pop(variable, None)


def _is_rocm_build() -> bool:
    return "rocm" in (installed_version("torch") or "")


def separate_miopen_caches(config: TrainerConfig) -> None:
    """On AMD, gives this process MIOpen cache folders of its own: jobs that share them corrupt them. Set ones stay."""
    if config.device is Device.cpu or (config.device is not Device.rocm and not _is_rocm_build()):
        return
    missing = [name for name in ("MIOPEN_USER_DB_PATH", "MIOPEN_CUSTOM_CACHE_DIR") if name not in os.environ]
    if missing:
        # MIOpen runs what it finds there, so nobody else may have made the folder
        folder = tempfile.mkdtemp(prefix=f"miopen-{os.environ.get('SLURM_JOB_ID', 'local')}-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ |= dict.fromkeys(missing, folder)


def check_miopen(model: ModelConfig, frames: int, batch: int) -> None:
    """Refuses what AMD's library for LSTMs is known to compute wrongly without a word.

    Args:
        model: The network.
        frames: Of a window.
        batch: Windows in a step.

    Raises:
        ConfigError: With the batch size that is still right.
    """
    most = largest_miopen_batch(model, frames)
    if batch > most:
        raise ConfigError(
            f"trainer.batch_size={batch}: with windows of {frames} frames, MIOpen (AMD) may give wrong results without "
            f"a word; use at most {most}, or trainer.cudnn=false"
        )


def largest_miopen_batch(model: ModelConfig, frames: int) -> int:
    """How many windows AMD's library for LSTMs is not known to compute wrongly on any GPU.

    Its work space holds 6 x layers x frames x hidden x directions x batch numbers. Our layers are separate LSTMs, so
    each counts alone, and our hidden is the width of both directions together; of a guest without a key ``hidden`` only
    the time steps are looked at.
    """
    hidden = arguments_of(model, ModelConfig).get("hidden")
    of_numbers = MIOPEN_NUMBERS // (6 * frames * hidden) if isinstance(hidden, int) else MIOPEN_NUMBERS
    return min(MIOPEN_FRAMES // frames, of_numbers)


def lightning_precision(precision: Precision) -> str:
    """Lightning's name for a precision; ``auto`` is float32."""
    return _LIGHTNING_PRECISION[Precision.float32 if precision is Precision.auto else precision]


def import_torchmetrics() -> None:
    """Imports torchmetrics, which Lightning needs, without ``scipy.signal``; call it before Lightning is imported.

    torchmetrics imports ``scipy.signal`` (520 modules, a fifth of the time of ``import lightning.pytorch``) only to
    give it back a function that it once had, ``hamming``, for a package that we do not use. Here a stand-in that has
    the function takes its place while torchmetrics is imported, and leaves it again: later imports of
    ``scipy.signal``, by whomever, get the real one.
    """
    if "torchmetrics" in sys.modules or _NOT_NEEDED in sys.modules or find_spec("scipy") is None:
        return
    stand_in = ModuleType(_NOT_NEEDED)
    stand_in.hamming = None  # type: ignore[attr-defined]
    sys.modules[_NOT_NEEDED] = stand_in
    try:
        import_module("torchmetrics")
    finally:
        if sys.modules.get(_NOT_NEEDED) is stand_in:
            del sys.modules[_NOT_NEEDED]
