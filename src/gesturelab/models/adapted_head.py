"""The last layer of a network with weights for one person, solved for in place of trained."""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.errors import ConfigError
from gesturelab.models.ridge import RidgeHead

PULL = 0.03
"""How much a change of the weights costs beside the person's recordings; see docs/guide/adapt.md for the choice."""
SPREAD, RIDGE_SPREAD = 3.0, 2.0
"""How far the logit of a window's class is to be above the others; a `RidgeHead` has learned 2: from -1 to 1."""
EXCLUDED = -1e4
"""The logit of a gesture that the person does not make: its probability is zero."""

Head = nn.Linear | RidgeHead


class AdaptedHead(nn.Module):
    """A head for one person that keeps the general answer where that names a class without calibration.

    So a recording of a gesture that nobody calibrated is recognised whenever it was before. The weights minimise the
    squared errors of the person's windows plus the squared change from the general weights: no recording of the
    training is needed, and with fewer windows than inputs the system to solve is as small as the windows are few.
    """

    change: Tensor
    offset: Tensor
    calibrated: Bool[Tensor, " classes"]

    def __init__(self, general: Head) -> None:
        super().__init__()
        self.general = general
        weight = general.weight.detach()
        self.register_buffer("change", torch.zeros_like(weight))
        self.register_buffer("offset", weight.new_zeros(len(weight)))
        self.register_buffer("calibrated", torch.zeros(len(weight), dtype=torch.bool, device=weight.device))

    def forward(self, values: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch classes"]:
        """Logits."""
        general = self.general(values)
        adapted = general + functional.linear(values, self.change, self.offset)
        return torch.where(self.calibrated[general.argmax(dim=1)][:, None], adapted, general)

    @torch.no_grad()
    def fit(self, values: Float[Tensor, "windows inputs"], classes: Int64[Tensor, " windows"], *, only: bool) -> None:
        """Solves for the change of the weights, in double precision.

        Args:
            values: What the head sees of the person's windows.
            classes: What was done in each.
            only: Whether the person makes no other gestures, so that no other is answered.
        """
        count, inputs = len(self.calibrated), values.double()
        spread = RIDGE_SPREAD if isinstance(self.general, RidgeHead) else SPREAD
        general = self.general(values).double()
        residuals = spread * (functional.one_hot(classes, count) - 1 / count) - (general - general.mean(1, True))
        size = inputs.square().sum(dim=1).mean().clamp(min=torch.finfo(torch.float32).tiny)
        products = inputs @ inputs.T / size + PULL * torch.eye(len(inputs), dtype=inputs.dtype)
        self.change.copy_(torch.linalg.solve(products, residuals).T @ inputs / size)
        self.calibrated[classes] = True
        if only:
            self.offset[~self.calibrated] = EXCLUDED
            self.calibrated.fill_(True)


def find_head(network: nn.Module) -> tuple[str, Head]:
    """The last linear layer of a network, and its name.

    Raises:
        ConfigError: If there is none.
    """
    heads = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear | RidgeHead)]
    if not heads:
        raise ConfigError(f"{type(network).__name__} has no linear layer, so it cannot be adapted to a person")
    return heads[-1]


def add_adapted_head(network: nn.Module) -> AdaptedHead:
    """Puts an `AdaptedHead` in the place of a network's head.

    Raises:
        ConfigError: If it has none.
    """
    name, head = find_head(network)
    adapted = AdaptedHead(head)
    parent, _, own = name.rpartition(".")
    network.get_submodule(parent).__setattr__(own, adapted)
    return adapted


def head_values(
    network: nn.Module, features: Float[Tensor, "windows frames features"]
) -> tuple[Float[Tensor, "windows inputs"], Float[Tensor, "windows classes"], Float[Tensor, "windows classes"]]:
    """What the last linear layer of a network sees of windows, what it gives, and the network's answer.

    Of an `AdaptedHead` that layer is the general one.

    Raises:
        ConfigError: If the network has no linear layer, or the last one does not see each window once.
    """
    name, head = find_head(network)
    seen: list[tuple[Tensor, Tensor]] = []

    def keep(_head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        seen.append((inputs[0], logits))

    handle = head.register_forward_hook(keep)
    try:
        answer = network(features)
    finally:
        handle.remove()
    if len(seen) != 1 or seen[0][0].ndim != 2 or len(seen[0][0]) != len(features):
        raise ConfigError(
            f"{type(network).__name__} cannot be adapted to a person: its last linear layer, {name}, does not see each "
            "window once"
        )
    return *seen[0], answer


def head_inputs(
    network: nn.Module, features: Float[Tensor, "windows frames features"]
) -> Float[Tensor, "windows inputs"]:
    """What a network's head sees of windows.

    Raises:
        ConfigError: If the network's answer is not what its last linear layer gives.
    """
    inputs, logits, answer = head_values(network, features)
    if not torch.equal(logits, answer):
        raise ConfigError(
            f"{type(network).__name__} cannot be adapted to a person: its logits are not what its last linear layer, "
            f"{find_head(network)[0]}, gives"
        )
    return inputs
