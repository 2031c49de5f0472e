"""One LSTM layer of many models at once: each product of a time step is one batched product over models."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

Weights = dict[str, Tensor]
"""Stacked parameters by name; the first axis of each is the model."""


def lstm_layer(
    sequence: Float[Tensor, "models frames batch width"], weights: Weights, prefix: str, bidirectional: bool
) -> Float[Tensor, "models frames batch hidden"]:
    """What ``nn.LSTM`` computes, for each model with its own weights.

    Args:
        sequence: The layer's input.
        weights: Named as in the classifier's state dict.
        prefix: Of the layer's weights, such as ``layers.0.``.
        bidirectional: Whether there are weights for the way back.
    """
    forwards = _one_way(sequence, weights, prefix, "_l0")
    if not bidirectional:
        return forwards
    backwards = _one_way(sequence.flip(1), weights, prefix, "_l0_reverse").flip(1)
    return torch.cat([forwards, backwards], dim=3)


def _one_way(sequence: Tensor, weights: Weights, prefix: str, suffix: str) -> Tensor:
    take, keep = (weights[f"{prefix}weight_{way}{suffix}"] for way in ("ih", "hh"))
    bias = weights[f"{prefix}bias_ih{suffix}"] + weights[f"{prefix}bias_hh{suffix}"]
    if torch.is_autocast_enabled(sequence.device.type):
        dtype = torch.get_autocast_dtype(sequence.device.type)
        sequence, take, keep, bias = (each.to(dtype) for each in (sequence, take, keep, bias))
    with torch.autocast(sequence.device.type, enabled=False):
        models, frames, batch, width = sequence.shape
        flat = sequence.reshape(models, frames * batch, width)
        # the input's part of all gates of all frames is one product
        gates = torch.baddbmm(bias[:, None], flat, take.transpose(1, 2)).unflatten(1, (frames, batch))
        return _Recurrence.apply(gates, keep).transpose(0, 1)


class _Recurrence(Function):
    """The part of an LSTM that must go frame by frame; gates are in torch's order: in, forget, candidate, out."""

    @staticmethod
    def forward(
        ctx: Any,
        gates: Float[Tensor, "models frames batch gates"],
        keep: Float[Tensor, "models gates hidden"],
    ) -> Float[Tensor, "frames models batch hidden"]:
        """Outputs of all frames."""
        models, frames, batch, _ = gates.shape
        hidden = keep.shape[2]
        outputs = gates.new_zeros(frames + 1, models, batch, hidden)
        cells = torch.zeros_like(outputs)
        opened = gates.new_empty(frames, models, batch, 4 * hidden)
        across = keep.transpose(1, 2)
        for frame in range(frames):
            now = opened[frame]
            torch.baddbmm(gates[:, frame], outputs[frame], across, out=now)
            now[..., : 2 * hidden].sigmoid_()
            now[..., 2 * hidden : 3 * hidden].tanh_()
            now[..., 3 * hidden :].sigmoid_()
            enter, forget, candidate, leave = now.chunk(4, dim=2)
            torch.mul(forget, cells[frame], out=cells[frame + 1])
            cells[frame + 1].addcmul_(enter, candidate)
            torch.mul(leave, cells[frame + 1].tanh(), out=outputs[frame + 1])
        ctx.save_for_backward(keep, outputs, cells, opened)
        return outputs[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The chain rule, last frame first; the gradient of the weights is one product over all frames."""
        keep, outputs, cells, opened = ctx.saved_tensors
        of_outputs = grads[0]
        frames, models, batch, hidden = of_outputs.shape
        of_gates = of_outputs.new_empty(models, frames, batch, 4 * hidden)
        of_output, of_cell = torch.zeros_like(cells[0]), torch.zeros_like(cells[0])
        for frame in reversed(range(frames)):
            of_output = of_output + of_outputs[frame]
            enter, forget, candidate, leave = opened[frame].chunk(4, dim=2)
            shown = cells[frame + 1].tanh()
            of_cell = of_cell + of_output * leave * (1 - shown * shown)
            into = of_gates[:, frame].chunk(4, dim=2)
            torch.mul(of_cell * candidate, enter * (1 - enter), out=into[0])
            torch.mul(of_cell * cells[frame], forget * (1 - forget), out=into[1])
            torch.mul(of_cell * enter, 1 - candidate * candidate, out=into[2])
            torch.mul(of_output * shown, leave * (1 - leave), out=into[3])
            of_cell = of_cell * forget
            of_output = torch.bmm(of_gates[:, frame], keep)
        before = outputs[:-1].transpose(0, 1).flatten(1, 2)  # models frames*batch hidden
        return of_gates, torch.bmm(of_gates.flatten(1, 2).transpose(1, 2), before)
