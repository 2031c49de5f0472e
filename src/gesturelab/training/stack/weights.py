"""The weights of many models in one tensor, of which each model's own parameters are views."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from gesturelab.errors import ConfigError

KEYS: dict[type[Optimizer], frozenset[str]] = {
    Adam: frozenset({"lr", "weight_decay", "betas", "eps", "fused", "foreach"}),
    AdamW: frozenset({"lr", "weight_decay", "betas", "eps", "fused", "foreach"}),
    SGD: frozenset({"lr", "weight_decay", "momentum", "nesterov", "fused", "foreach"}),
}
"""The optimizers that can be stacked, and the options that are understood."""


class StackedWeights:
    """Parameters, gradients and optimizer states of models of one kind.

    What a step changes here, each model's own parameters, buffers and optimizer show: checkpoints, validation and
    averages of a model need not know that it is part of a stack.

    Args:
        classifiers: The models.
        optimizers: Of each model, its own.
    """

    def __init__(self, classifiers: Sequence[nn.Module], optimizers: Sequence[Optimizer]) -> None:
        parameters = [dict(classifier.named_parameters()) for classifier in classifiers]
        self.flat = torch.stack([torch.cat([each.detach().flatten() for each in own.values()]) for own in parameters])
        self.optimizers = optimizers
        self._parameters = [list(own.values()) for own in parameters]
        self._gradient = torch.zeros_like(self.flat)
        self.by_name: dict[str, Tensor] = {}
        for name, whole in zip(parameters[0], self._parts(self.flat), strict=True):
            self.by_name[name] = whole.detach().requires_grad_()
            for own, part in zip(parameters, whole, strict=True):
                own[name].data = part
        for optimizer in optimizers:
            optimizer._opt_called = True  # type: ignore[attr-defined] # else schedules warn that it takes no steps
        self._leaves = list(self.by_name.values())
        for name, _ in classifiers[0].named_buffers():
            whole = torch.stack([classifier.get_buffer(name) for classifier in classifiers])
            self.by_name[name] = whole
            owner, _, leaf_name = name.rpartition(".")
            for classifier, part in zip(classifiers, whole, strict=True):
                setattr(classifier.get_submodule(owner), leaf_name, part)
        names = ("momentum_buffer",) if isinstance(optimizers[0], SGD) else ("exp_avg", "exp_avg_sq")
        if isinstance(optimizers[0], SGD) and not optimizers[0].param_groups[0]["momentum"]:
            names = ()
        self._steps = torch.tensor([[self._steps_of(number)] for number in range(len(classifiers))])
        self._moments = [self._gather(name) for name in names]

    def backward(self, loss: Float[Tensor, ""]) -> None:
        """Finds all gradients of the sum of the models' losses."""
        for part, gradient in zip(self._parts(self._gradient), torch.autograd.grad(loss, self._leaves), strict=True):
            part.copy_(gradient)

    def step(self, present: Sequence[int], clip_norm: float | None) -> None:
        """Clips each model's gradient by itself, and takes a step of its optimizer.

        Args:
            present: The models that had a batch.
            clip_norm: The longest gradient; None does not clip.
        """
        everybody = len(present) == len(self.optimizers)
        rows = torch.tensor(present, device=self.flat.device)
        weights, gradient, *moments = (
            each if everybody else each[rows] for each in (self.flat, self._gradient, *self._moments)
        )
        if clip_norm is not None:
            norm = gradient.norm(dim=1, keepdim=True)
            gradient.mul_((clip_norm / (norm + 1e-6)).clamp(max=1.0))
        self._steps[list(present)] += 1
        self._update(present, weights, gradient, moments)
        if not everybody:
            for whole, part in zip((self.flat, *self._moments), (weights, *moments), strict=True):
                whole[rows] = part

    def settle(self) -> None:
        """Tells each model's optimizer how many steps it has taken."""
        if isinstance(self.optimizers[0], SGD):
            return
        for optimizer, own, steps in zip(self.optimizers, self._parameters, self._steps[:, 0].tolist(), strict=True):
            for parameter in own:
                optimizer.state[parameter]["step"].fill_(steps)

    def _update(self, present: Sequence[int], weights: Tensor, gradient: Tensor, moments: list[Tensor]) -> None:
        """The formulas of torch's own optimizers, each model with its own learning rate and count of steps."""
        options = self.optimizers[0].param_groups[0]
        rates = [self.optimizers[number].param_groups[0]["lr"] for number in present]
        rate = torch.tensor(rates, dtype=torch.float64)[:, None]
        if isinstance(self.optimizers[0], AdamW):
            weights.mul_(self._column(1 - rate * options["weight_decay"]))
        elif options["weight_decay"]:
            gradient.add_(weights, alpha=options["weight_decay"])
        steps = self._steps[list(present)].double()
        if isinstance(self.optimizers[0], SGD):
            if moments:
                first = self._column(steps) == 1
                moments[0].copy_(torch.where(first, gradient, options["momentum"] * moments[0] + gradient))
                gradient = gradient + options["momentum"] * moments[0] if options["nesterov"] else moments[0]
            weights.sub_(self._column(rate) * gradient)
            return
        fast, slow = options["betas"]
        moments[0].lerp_(gradient, 1 - fast)
        moments[1].mul_(slow).addcmul_(gradient, gradient, value=1 - slow)
        deviation = moments[1].sqrt().div_(self._column((1 - slow**steps).sqrt())).add_(options["eps"])
        weights.sub_(moments[0] / deviation * self._column(rate / (1 - fast**steps)))

    def _column(self, values: Float[Tensor, "models 1"]) -> Float[Tensor, "models 1"]:
        return values.to(self.flat.device, self.flat.dtype)

    def _parts(self, whole: Float[Tensor, "models numbers"]) -> list[Tensor]:
        """Views for each parameter, with the models in front."""
        own = self._parameters[0]
        pieces = whole.split([each.numel() for each in own], dim=1)
        return [piece.view(len(whole), *each.shape) for piece, each in zip(pieces, own, strict=True)]

    def _steps_of(self, number: int) -> float:
        optimizer, first = self.optimizers[number], self._parameters[number][0]
        if isinstance(optimizer, SGD):  # which counts no steps, but knows whether there was one
            return float("momentum_buffer" in optimizer.state.get(first, {}))
        return float(optimizer.state[first]["step"]) if first in optimizer.state else 0.0

    def _gather(self, name: str) -> Tensor:
        """A state of all optimizers in one tensor, of which theirs are views from now on."""
        whole = torch.zeros_like(self.flat)
        for number, parts in enumerate(zip(*self._parts(whole), strict=True)):
            optimizer = self.optimizers[number]
            for parameter, part in zip(self._parameters[number], parts, strict=True):
                state = optimizer.state[parameter]
                if state.get(name) is not None:
                    part.copy_(state[name])
                if not isinstance(optimizer, SGD) and "step" not in state:
                    on_device = optimizer.param_groups[0].get("fused")
                    state["step"] = torch.zeros((), device=self.flat.device if on_device else "cpu")
                state[name] = part
        return whole


def require_known(optimizer: Optimizer, options: Sequence[str]) -> None:
    """Makes sure that a step of the stack is a step of this optimizer.

    Raises:
        ConfigError: Naming what is not supported.
    """
    kind = type(optimizer)
    if kind not in KEYS:
        known = ", ".join(f"torch.optim.{each.__name__}" for each in KEYS)
        raise ConfigError(f"optimizer={kind.__name__}: models can be stacked with {known} only")
    if unknown := sorted(set(options) - KEYS[kind] - {"_target_"}):
        raise ConfigError(f"optimizer.{unknown[0]}: not understood where models are stacked; leave it out")
