"""One training step of a network, on a device and, for comparison, in float64 on the CPU; and that of every size."""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.options import arguments_of
from gesturelab.config.training import ModelConfig, Precision, TrainConfig
from gesturelab.doctor.facts import Comparison, Shape
from gesturelab.errors import ConfigError, first_line
from gesturelab.models.flops import flops_per_window, on_meta_device
from gesturelab.models.network import build_network, count_parameters
from gesturelab.preprocessing.features import Features
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.training.device import largest_miopen_batch

CLASSES = 9
CHUNK = 32
"""Windows that the CPU computes at once: its memory, unlike the device's, is not what is tried."""
DISTINCT = 61
"""Different windows in a batch, which repeats them, so that the reference of a large batch costs no more than that of a
small one. A prime: no block of a kernel's windows has the same neighbours as another."""
TOLERANCES = {"float32": 1e-2, "bf16": 0.8, "float16": 0.2}
"""On a GPU. float32 may be TF32 on NVIDIA; rounding to bf16 also switches units of the head on or off, which was seen
to give 0.57 behind a convolution (0.19 without one). A window that a kernel computes wrongly is off by 1 or more."""
CPU_TOLERANCE = 1e-3
"""Of float32 on a CPU; rounding was seen to give 1e-5."""
TYPES = {"bf16": torch.bfloat16, "float16": torch.float16}
SMALLEST = 1e-3
"""Gradients shorter than this share of the longest one are compared with that share: some are nothing but rounding."""
OF_WINDOWS = ("logits", "input")
"""Values that have a row for each window."""
USUAL = ("tiny", "small", "medium")
"""Computed without being asked for."""
FIRST_BATCH = 8
"""Windows of a first try, which tells how fast this machine is."""


@dataclass(frozen=True)
class Step:
    """What a training step computes, in float64 on the CPU."""

    logits: Float[Tensor, "batch classes"]
    gradients: dict[str, Tensor]
    """Of each weight, and of the input."""

    @property
    def values(self) -> dict[str, Tensor]:
        """Logits and gradients by name."""
        return {"logits": self.logits} | self.gradients


Run = Callable[[nn.Module, Float[Tensor, "batch frames features"], Int64[Tensor, " batch"], str], Step]
"""Computes a step of a network, of windows and labels, in a precision."""


def make_step(
    config: ModelConfig, features: Features, batch: int, frames: int
) -> tuple[nn.Module, Float[Tensor, "batch frames features"], Int64[Tensor, " batch"]]:
    """A network, windows and labels; without dropout and batch statistics, so that windows do not depend on others.

    After `DISTINCT` windows they repeat.
    """
    copies = torch.arange(batch) % DISTINCT
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_network(config, features, CLASSES, frames, trial=False).train()
        windows = torch.randn(min(batch, DISTINCT), frames, len(features.names))[copies]
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.BatchNorm1d)):
            module.eval()
    return model, windows, copies % CLASSES


def _run_on(device: str, model: nn.Module, windows: Tensor, labels: Tensor, precision: str) -> Step:
    """The step as a training does it; in float64 each different window once, a few at a time."""
    exact = precision == "float64"
    chunk, kind = CHUNK if exact else len(windows), torch.float64 if exact else torch.float32
    network = copy.deepcopy(model).to(device, kind)
    half, scale = TYPES.get(precision), 1024.0 if precision == "float16" else 1.0
    copies = torch.arange(len(windows)) % (DISTINCT if exact else len(windows))
    counts = torch.bincount(copies).to(kind)  # of copies of each window that is computed
    logits: list[Tensor] = []
    inputs: list[Tensor] = []
    computed = (values[: len(counts)].split(chunk) for values in (windows, labels, counts))
    for part, wanted, count in zip(*computed, strict=True):
        values = part.to(device, kind, copy=True).requires_grad_()
        with torch.autocast(device, half or torch.bfloat16, enabled=half is not None):
            answer = network(values)
            losses = functional.cross_entropy(answer, wanted.to(device), reduction="none")
            loss = (losses * count.to(device)).sum() / len(windows)
        (loss * scale).backward()
        assert values.grad is not None
        logits.append(_exact(answer))
        inputs.append(_exact(values.grad) / count[:, None, None])
    gradients = {name: _exact(weight.grad) for name, weight in network.named_parameters() if weight.grad is not None}
    gradients["input"] = torch.cat(inputs)[copies]
    return Step(torch.cat(logits)[copies], {name: gradient / scale for name, gradient in gradients.items()})


on_cpu: Run = partial(_run_on, "cpu")
on_gpu: Run = partial(_run_on, "cuda")


def _exact(values: Tensor) -> Tensor:
    return values.detach().to("cpu", torch.float64)


def difference(step: Step, right: Step) -> tuple[float, float, str]:
    """How far a step is off: the worst window's logits, the worst gradient, and which one that is.

    Differences are lengths of vectors, as a share of the right one's length. Logits, and gradients of the input, are
    vectors of one window each, beside the length that windows have on average: one wrong window among many is found.
    """
    lengths = {name: float(_lengths(name, values).square().mean().sqrt()) for name, values in right.values.items()}
    longest = max((length for name, length in lengths.items() if name not in OF_WINDOWS), default=0.0)
    errors: dict[str, float] = {}
    for name, wanted in right.values.items():
        values = step.values.get(name)
        whole = values is not None and values.shape == wanted.shape and bool(values.isfinite().all())
        apart = float(_lengths(name, values - wanted).max()) if values is not None and whole else float("inf")
        errors[name] = apart / max(lengths[name], 0.0 if name in OF_WINDOWS else SMALLEST * longest, 1e-30)
    logits = errors.pop("logits")
    worst = max(errors, key=errors.__getitem__)
    return logits, errors[worst], worst


def _lengths(name: str, values: Tensor) -> Float[Tensor, " rows"]:
    return (values.flatten(1) if name in OF_WINDOWS else values.reshape(1, -1)).norm(dim=1)


def compare(
    config: ModelConfig,
    features: Features,
    *,
    batch: int,
    frames: int,
    run: Run,
    device: str,
    precisions: tuple[str, ...],
) -> list[Comparison]:
    """A size's step on a device beside the reference, once for each precision.

    Args:
        config: The size.
        features: What it sees.
        batch: Windows in a step.
        frames: In a window.
        run: Computes the step on the device.
        device: Its name.
        precisions: float32, bf16 or float16.
    """
    began = time.monotonic()
    try:
        model, windows, labels = make_step(config, features, batch, frames)
        right = on_cpu(model, windows, labels, "float64")
    except (RuntimeError, MemoryError, ConfigError) as error:
        return [Comparison(config.name, "cpu", "float64", error=first_line(error))]
    comparisons: list[Comparison] = []
    for precision in precisions:
        try:
            logits, gradients, worst = difference(run(model, windows, labels, precision), right)
        except (RuntimeError, MemoryError) as error:
            comparisons.append(Comparison(config.name, device, precision, error=first_line(error)))
            continue
        seconds = round(time.monotonic() - began, 3)
        tolerance = CPU_TOLERANCE if (device, precision) == ("cpu", "float32") else TOLERANCES[precision]
        comparisons.append(Comparison(config.name, device, precision, logits, gradients, worst, tolerance, seconds))
    return comparisons


def find_shapes(config: TrainConfig, models: Sequence[ModelConfig]) -> tuple[Shape, ...]:
    """Each size's network at the configured shapes, the smallest first."""
    features, frames = Features(config.features, KINECT_V2), config.window.length_frames
    shapes: list[Shape] = []
    for model in models:
        keys = arguments_of(model, ModelConfig)
        parameters = count_parameters(on_meta_device(model, features, CLASSES, frames))
        batch = largest_miopen_batch(model, frames)
        shapes.append(Shape(model.name, keys.get("hidden"), keys.get("layers"), parameters, batch))
    return tuple(sorted(shapes, key=lambda shape: shape.parameters))


def compare_sizes(
    config: TrainConfig, models: Sequence[ModelConfig], accelerator: str, seconds: float | None, *, every_size: bool
) -> Iterator[tuple[str, Any]]:
    """Compares the smallest size, which tells how fast this machine is; the configured one; then the others.

    Args:
        config: What a training is configured to.
        models: The sizes, the smallest first.
        accelerator: cpu or gpu.
        seconds: How long to compute, about; None has no limit.
        every_size: Try the large sizes too.

    Yields:
        What the child tells: ``computing`` with a size, ``comparison`` and, last, ``not_compared``.
    """
    features = Features(config.features, KINECT_V2)
    frames, batch = config.window.length_frames, config.trainer.batch_size
    compared = comparing(config, accelerator)

    def operations(model: ModelConfig) -> int:
        """Of a window's forward pass; where they cannot be counted, one product a weight and frame."""
        network = on_meta_device(model, features, CLASSES, frames)
        counted = flops_per_window(network, frames, len(features.names))
        return 2 * frames * count_parameters(network) if counted is None else counted

    skipped: dict[str, str] = {}
    began = time.monotonic()
    yield "computing", models[0].name
    first = min(batch, FIRST_BATCH)
    compared(models[0], batch=first)
    pace = (time.monotonic() - began) / max(first * operations(models[0]), 1)
    for model in sorted(models, key=lambda model: (model is not models[0], model.name != config.model.name)):
        work = max(batch * operations(model), 1)
        now = time.monotonic()
        if not (every_size or model.name in (*USUAL, config.model.name)):
            skipped[model.name] = "larger than medium"
        elif seconds is not None and now - began + pace * work > seconds:
            skipped[model.name] = f"needs about {max(pace * work, 1):.0f} s, and {seconds:g} s are allowed in all"
        else:
            yield "computing", model.name
            for comparison in compared(model, batch=batch):
                yield "comparison", comparison
            pace = (time.monotonic() - now) / work
    yield "not_compared", skipped


def comparing(config: TrainConfig, accelerator: str) -> Callable[..., list[Comparison]]:
    """`compare` for what a training is configured to; what is left to say is the size and ``batch``."""
    run, device = (on_gpu, torch.cuda.get_device_name()) if accelerator == "gpu" else (on_cpu, "cpu")
    return partial(
        compare,
        features=Features(config.features, KINECT_V2),
        frames=config.window.length_frames,
        run=run,
        device=device,
        precisions=precisions_of(config.trainer.precision),
    )


def precisions_of(precision: Precision) -> tuple[str, ...]:
    """What a training uses and, if that is another, full precision."""
    full = Precision.float32.value
    return (full,) if precision in (Precision.auto, Precision.float32) else (full, precision.value)
