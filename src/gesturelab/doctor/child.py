"""All that needs torch, in a process of its own: a broken driver may stall it or end it without a word.

It reads a `Request` as JSON from its input, and tells what it found as lines of JSON, each as soon as it is known.
Nothing here may import Lightning: the one that is installed may be a malicious release.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gesturelab.config.composing import compose, options
from gesturelab.config.options import arguments_of
from gesturelab.config.training import ModelConfig, Precision, TrainConfig
from gesturelab.doctor.facts import Comparison, Shape, Torch
from gesturelab.errors import DeviceError

if TYPE_CHECKING:
    from gesturelab.preprocessing.features import Features

MARK = "gesturelab-doctor "
"""Begins our lines; libraries print others."""
USUAL = ("tiny", "small", "medium")
"""Computed without being asked for."""
FIRST_BATCH = 8
"""Windows of a first try, which tells how fast this machine is."""


@dataclass(frozen=True)
class Request:
    """What to do.

    Attributes:
        overrides: Of the configuration.
        seconds: How long to compute, about; None has no limit.
        every_size: Try the large sizes too.
    """

    overrides: list[str]
    seconds: float | None
    every_size: bool


def main() -> None:
    """Tells torch's build and devices, the shapes of all sizes, and how a step of each compares."""
    request = Request(**json.load(sys.stdin))
    config = compose(request.overrides)
    from gesturelab.training.device import prepare_device

    try:
        accelerator, error = prepare_device(config.trainer), ""
    except DeviceError as refused:
        accelerator, error = "", str(refused)
    except (ImportError, OSError) as broken:
        tell("torch_error", str(broken) or type(broken).__name__)
        return
    tell("torch", asdict(torch_facts(error, devices=config.trainer.device != "cpu")))
    models = {config.model.name: config.model} | {
        name: compose([f"model={name}"]).model for name in options("model") if name != config.model.name
    }
    features = _features(config)
    shapes = sorted((_shape(model, config, features) for model in models.values()), key=_parameters)
    tell("shapes", [asdict(shape) for shape in shapes])
    if error:
        tell("not_compared", {shape.size: "the device cannot be used" for shape in shapes})
        return
    _compare_all(request, config, [models[shape.size] for shape in shapes], accelerator)


def _parameters(shape: Shape) -> int:
    return shape.parameters


def torch_facts(error: str, *, devices: bool) -> Torch:
    """Torch's build, threads and, if wanted, the GPUs that it sees."""
    import torch

    from gesturelab.doctor.facts import Gpu

    gpus: list[Gpu] = []
    try:
        for number in range(torch.cuda.device_count() if devices and torch.cuda.is_available() else 0):
            about: Any = torch.cuda.get_device_properties(number)
            free, total = torch.cuda.mem_get_info(number)
            kind = str(about.gcnArchName) if torch.version.hip else f"{about.major}.{about.minor}"
            gpus.append(Gpu(str(about.name), round(total / 2**30, 1), round(free / 2**30, 1), kind))
    except RuntimeError as refused:
        error = error or str(refused).splitlines()[0]
    return Torch(
        str(torch.__version__), torch.version.cuda, torch.version.hip, torch.get_num_threads(), tuple(gpus), error
    )


def _features(config: TrainConfig) -> "Features":
    """What a network sees of the default skeleton."""
    from gesturelab.preprocessing.features import Features
    from gesturelab.skeletons.skeleton import KINECT_V2

    return Features(config.features, KINECT_V2)


def _shape(model: ModelConfig, config: TrainConfig, features: "Features") -> Shape:
    from gesturelab.doctor.step import CLASSES
    from gesturelab.models.flops import on_meta_device
    from gesturelab.models.network import count_parameters
    from gesturelab.training.device import largest_miopen_batch

    frames, keys = config.window.length_frames, arguments_of(model, ModelConfig)
    parameters = count_parameters(on_meta_device(model, features, CLASSES, frames))
    batch = largest_miopen_batch(model, frames)
    return Shape(model.name, keys.get("hidden"), keys.get("layers"), parameters, batch)


def _compare_all(request: Request, config: TrainConfig, models: list[ModelConfig], accelerator: str) -> None:
    """The smallest size, which tells how fast this machine is; the configured one; then the others, by size."""
    import torch

    from gesturelab.doctor.step import CLASSES, compare, on_cpu, on_gpu
    from gesturelab.models.flops import flops_per_window, on_meta_device
    from gesturelab.models.network import count_parameters

    features = _features(config)
    frames, batch = config.window.length_frames, config.trainer.batch_size
    precisions = _precisions(config.trainer.precision, accelerator)
    run, device = (on_gpu, torch.cuda.get_device_name()) if accelerator == "gpu" else (on_cpu, "cpu")
    skipped: dict[str, str] = {}

    def operations(model: ModelConfig) -> int:
        """Of a window's forward pass; where they cannot be counted, one product a weight and frame."""
        network = on_meta_device(model, features, CLASSES, frames)
        counted = flops_per_window(network, frames, len(features.names))
        return 2 * frames * count_parameters(network) if counted is None else counted

    def step(model: ModelConfig, windows: int) -> tuple[list[Comparison], float]:
        """The comparisons, and wall seconds for each operation of a window's forward pass."""
        work = max(windows * operations(model), 1)
        began = time.monotonic()
        found = compare(model, features, batch=windows, frames=frames, run=run, device=device, precisions=precisions)
        return found, (time.monotonic() - began) / work

    began = time.monotonic()
    order = sorted(range(len(models)), key=lambda place: (place > 0, models[place].name != config.model.name, place))
    tell("computing", models[0].name)
    _, pace = step(models[0], min(batch, FIRST_BATCH))
    for model in (models[place] for place in order):
        if not (request.every_size or model.name in (*USUAL, config.model.name)):
            skipped[model.name] = "larger than medium"
            continue
        work = batch * operations(model)
        if request.seconds is not None and time.monotonic() - began + pace * work > request.seconds:
            skipped[model.name] = (
                f"needs about {max(pace * work, 1):.0f} s, and {request.seconds:g} s are allowed in all"
            )
            continue
        tell("computing", model.name)
        found, pace = step(model, batch)
        for each in found:
            tell("comparison", asdict(each))
    tell("not_compared", skipped)


def _precisions(asked: Precision, accelerator: str) -> tuple[str, ...]:
    """What a training uses and, if that is another, full precision."""
    if asked == Precision.auto:
        asked = Precision.bf16 if accelerator == "gpu" else Precision.float32
    return (asked.value,) if asked == Precision.float32 else (Precision.float32.value, asked.value)


def tell(kind: str, value: Any) -> None:
    """Says one thing; numbers that are not finite are written as Python's json reads them."""
    print(MARK + json.dumps([kind, value]), flush=True)


if __name__ == "__main__":
    main()
