"""One training step of a network, on a device and, for comparison, in float64 on the CPU."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.training import ModelConfig
from gesturelab.doctor.facts import Comparison
from gesturelab.errors import ConfigError
from gesturelab.models.network import build_network
from gesturelab.preprocessing.features import Features

CLASSES = 9
CHUNK = 32
"""Windows that the CPU computes at once: its memory, unlike the device's, is not what is tried."""
TOLERANCES = {"float32": 1e-2, "bf16": 0.5, "float16": 0.2}
"""On a GPU. float32 may be TF32 on NVIDIA; rounding to bf16 also switches units of the head on or off, which was seen
to give 0.19. A window that a kernel computes wrongly is off by 1 or more."""
CPU_TOLERANCE = 1e-3
"""Of float32 on a CPU; rounding was seen to give 1e-5."""
TYPES = {"bf16": torch.bfloat16, "float16": torch.float16}
SMALLEST = 1e-3
"""Gradients shorter than this share of the longest one are compared with that share: some are nothing but rounding."""


@dataclass(frozen=True)
class Step:
    """What a training step computes, in float64 on the CPU."""

    logits: Float[Tensor, "batch classes"]
    gradients: dict[str, Tensor]
    """Of each weight, and of the input."""


Run = Callable[[nn.Module, Float[Tensor, "batch frames features"], Int64[Tensor, " batch"], str], Step]


def make_step(
    config: ModelConfig, features: Features, batch: int, frames: int
) -> tuple[nn.Module, Float[Tensor, "batch frames features"], Int64[Tensor, " batch"]]:
    """A network, windows and labels; without dropout and batch statistics, so that windows do not depend on others."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_network(config, features, CLASSES, frames, trial=False).train()
        windows = torch.randn(batch, frames, len(features.names))
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.BatchNorm1d)):
            module.eval()
    return model, windows, torch.arange(batch) % CLASSES


def on_cpu(
    model: nn.Module, windows: Float[Tensor, "batch frames features"], labels: Int64[Tensor, " batch"], precision: str
) -> Step:
    """The step on the CPU, as a training does it there."""
    return _step(model, windows, labels, "cpu", precision)


def on_gpu(
    model: nn.Module, windows: Float[Tensor, "batch frames features"], labels: Int64[Tensor, " batch"], precision: str
) -> Step:
    """The step on the first GPU."""
    return _step(model, windows, labels, "cuda", precision)


def reference(
    model: nn.Module, windows: Float[Tensor, "batch frames features"], labels: Int64[Tensor, " batch"]
) -> Step:
    """The step in float64 on the CPU, a few windows at a time."""
    exact = copy.deepcopy(model).double()
    logits: list[Tensor] = []
    inputs: list[Tensor] = []
    for some, wanted in zip(windows.double().split(CHUNK), labels.split(CHUNK), strict=True):
        given = some.requires_grad_()
        answer = exact(given)
        (functional.cross_entropy(answer, wanted, reduction="sum") / len(windows)).backward()
        assert given.grad is not None
        logits.append(answer.detach())
        inputs.append(given.grad)
    return Step(torch.cat(logits), _gradients(exact) | {"input": torch.cat(inputs)})


def _step(model: nn.Module, windows: Tensor, labels: Tensor, device: str, precision: str) -> Step:
    there = copy.deepcopy(model).to(device)
    given = windows.to(device, copy=True).requires_grad_()
    kind = TYPES.get(precision)
    with torch.autocast(device, kind or torch.bfloat16, enabled=kind is not None):
        answer = there(given)
        loss = functional.cross_entropy(answer, labels.to(device))
    scale = 1024.0 if precision == "float16" else 1.0
    (loss * scale).backward()
    assert given.grad is not None
    gradients = {name: each / scale for name, each in (_gradients(there) | {"input": _exact(given.grad)}).items()}
    return Step(_exact(answer), gradients)


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: _exact(each.grad) for name, each in model.named_parameters() if each.grad is not None}


def _exact(values: Tensor) -> Tensor:
    return values.detach().to("cpu", torch.float64)


def difference(found: Step, right: Step) -> tuple[float, float, str]:
    """How far a step is off: the worst window's logits, the worst gradient, and which one that is.

    Differences are lengths of vectors, as a share of the right one's length. Logits, and gradients of the input, are
    vectors of one window each, beside the length that windows have on average: one wrong window among many is found.
    """
    lengths = {name: float(_by_window(name, each).norm(dim=1).square().mean().sqrt()) for name, each in _all(right)}
    longest = max((length for name, length in lengths.items() if name not in ("logits", "input")), default=0.0)
    floor = {name: 0.0 if name in ("logits", "input") else SMALLEST * longest for name in lengths}
    there = dict(_all(found))
    errors = {
        name: _apart(there.get(name), wanted, name) / max(lengths[name], floor[name], 1e-30)
        for name, wanted in _all(right)
    }
    logits = errors.pop("logits")
    worst = max(errors, key=errors.__getitem__)
    return logits, errors[worst], worst


def _all(step: Step) -> list[tuple[str, Tensor]]:
    return [("logits", step.logits), *step.gradients.items()]


def _by_window(name: str, values: Tensor) -> Float[Tensor, "rows values"]:
    return values.flatten(1) if name in ("logits", "input") else values.reshape(1, -1)


def _apart(found: Tensor | None, wanted: Tensor, name: str) -> float:
    if found is None or found.shape != wanted.shape or not bool(found.isfinite().all()):
        return float("inf")
    return float(_by_window(name, found - wanted).norm(dim=1).max())


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
        right = reference(model, windows, labels)
    except (RuntimeError, MemoryError, ConfigError) as error:
        return [Comparison(config.name, "cpu", "float64", error=_short(error))]
    found: list[Comparison] = []
    for precision in precisions:
        try:
            logits, gradients, worst = difference(run(model, windows, labels, precision), right)
        except (RuntimeError, MemoryError) as error:
            found.append(Comparison(config.name, device, precision, error=_short(error)))
            continue
        seconds = round(time.monotonic() - began, 3)
        tolerance = CPU_TOLERANCE if (device, precision) == ("cpu", "float32") else TOLERANCES[precision]
        found.append(Comparison(config.name, device, precision, logits, gradients, worst, tolerance, seconds))
    return found


def _short(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
