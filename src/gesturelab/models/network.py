"""The door for networks: what a class of your own must do, and may do besides.

Any `torch.nn.Module` class will do that is built with ``features=<int>, classes=<int>`` and the other keys of its file,
and turns features (batch, frames, features) into logits (batch, classes). It is given as much of the following as its
signature names: ``features``, ``classes``, ``frames`` (of a window), ``window_features`` (how many of the features, the
last ones, are about the whole window and the same in each of its frames), ``feature_names`` and ``skeleton``.
"""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from gesturelab.config.options import arguments_of, construct, target_of
from gesturelab.config.training import ModelConfig
from gesturelab.errors import ConfigError
from gesturelab.preprocessing.features import Features

State = tuple[Tensor, ...]
"""What a network remembers of the frames so far: floating-point tensors whose first dimension is the rows."""


class Network(nn.Module):
    """A network that may also go through a window frame by frame; deriving from it is optional.

    For live streams and the stateful ONNX graph a subclass offers `initial_state` and `step`, so that the logits after
    each frame are those of `forward` for the frames so far. Many windows are open at once, each a row, begun at
    different frames; rows must not depend on each other.
    """

    flops_grow_every = 0
    """After so many frames the same operations come again: two short windows tell what a long one costs; 0: not so."""

    @property
    def non_causal_reason(self) -> str:
        """Why there is no `step`, as a key of the configuration; empty where there is one."""
        own = type(self)
        return "" if own.step is not Network.step else f"model._target_={own.__module__}.{own.__qualname__}"

    def initial_state(self, rows: int) -> State:
        """The state before the first frame, for each of so many windows.

        Raises:
            NotImplementedError: If the network has no `step`.
        """
        raise NotImplementedError

    def step(
        self, features: Float[Tensor, "rows features"], state: State
    ) -> tuple[Float[Tensor, "rows classes"], State]:
        """Logits of the windows that end with this frame, and the state after it.

        Raises:
            NotImplementedError: If the network has no `step`.
        """
        raise NotImplementedError

    def step_shared(
        self, features: Float[Tensor, "frames features"], frame: Int64[Tensor, " rows"], state: State
    ) -> tuple[Float[Tensor, "rows classes"], State]:
        """As `step`, where many rows see the same frame; to be replaced where that can save work.

        Args:
            features: Of each different frame.
            frame: For each row which of these it sees.
            state: As in `step`.
        """
        return self.step(features[frame], state)


class FittedNetwork(Network):
    """A network without gradients: `fit` is called once, in place of epochs.

    What it learns are its buffers (``register_buffer``), which have their final shapes from the start, so that weights
    can be loaded into a new one. It must answer before it is fitted too; zeros will do.
    """

    def fit(self, features: Float[Tensor, "windows frames features"], classes: Int64[Tensor, " windows"]) -> None:
        """Learns from all training windows, as they are, scaled."""
        raise NotImplementedError


def count_parameters(network: nn.Module) -> int:
    """How many numbers are learned; of a `FittedNetwork` all that its buffers hold."""
    parameters = sum(each.numel() for each in network.parameters() if each.requires_grad)
    if isinstance(network, FittedNetwork):
        parameters += sum(each.numel() for each in network.buffers() if each.is_floating_point())
    return parameters


def build_network(
    config: ModelConfig, features: Features, classes: int, frames: int, *, trial: bool = True
) -> nn.Module:
    """The network that a configuration names.

    Args:
        config: The option of the group ``model``.
        features: What it sees.
        classes: What it tells apart.
        frames: In a window.
        trial: Try it with made-up features. The state of the random generator stays as it was.

    Raises:
        ConfigError: If it cannot be built, or does not do what `gesturelab.models.network` says.
    """
    context: dict[str, Any] = {
        "features": len(features.names),
        "classes": classes,
        "frames": frames,
        "window_features": features.summaries,
        "feature_names": features.names,
        "skeleton": features.skeleton,
    }
    network = construct("model", target_of(config), arguments_of(config, ModelConfig), context)
    if not isinstance(network, nn.Module):
        raise ConfigError(
            f"model._target_={target_of(config)}: must be a torch.nn.Module class that turns features "
            f"(batch, frames, features) into logits (batch, classes), but it gave {type(network).__name__}"
        )
    if trial:
        _try(network, target_of(config), features, classes, frames)
    return network


def _try(network: nn.Module, target: str, features: Features, classes: int, frames: int) -> None:
    """Made-up features through a new network."""
    count = len(features.names)
    windows = torch.randn(2, frames, count, generator=torch.Generator().manual_seed(0))
    expected = f"model: {target} must turn features (batch, frames, features) into logits (batch, classes), here "
    expected += f"(2, {frames}, {count}) into (2, {classes}), but "
    modes = {module: module.training for module in network.modules()}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network.eval()
        logits = _attempt(expected, lambda: network(windows))
        if not isinstance(logits, Tensor) or logits.shape != (2, classes):
            shown = f"{tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise ConfigError(f"{expected}gave {shown}")
        if not logits.is_floating_point() or not logits.isfinite().all():
            raise ConfigError(f"{expected}gave logits that are not finite")
        if isinstance(network, Network) and not network.non_causal_reason and not features.summaries:
            _try_steps(network, target, windows[:, :3])
        for module, training in modes.items():
            module.training = training
    if not isinstance(network, FittedNetwork) and not any(each.requires_grad for each in network.parameters()):
        raise ConfigError(
            f"model: {target} has no weight that a gradient could change; a network without gradients derives from "
            "gesturelab.models.network.FittedNetwork"
        )


def _attempt(expected: str, call: Any) -> Any:
    try:
        return call()
    except Exception as error:  # a guest may raise anything
        raise ConfigError(f"{expected}raised {type(error).__name__}: {error}") from error


def _try_steps(network: Network, target: str, windows: Float[Tensor, "batch frames features"]) -> None:
    expected = f"model: step of {target} must give after each frame what forward gives of the frames so far, but "
    state = _attempt(expected, lambda: network.initial_state(len(windows)))
    for frame in range(windows.shape[1]):
        logits, state = _attempt(expected, lambda: network.step(windows[:, frame], state))  # noqa: B023
        whole = _attempt(expected, lambda: network(windows[:, : frame + 1]))  # noqa: B023
        if logits.shape != whole.shape or not torch.allclose(logits, whole, rtol=1e-3, atol=1e-3):
            raise ConfigError(f"{expected}after frame {frame + 1} it gave something else")
