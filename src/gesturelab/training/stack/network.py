"""The classifier of many models at once: the layers of `LSTMClassifier`, with a leading models axis."""

from collections.abc import Iterator
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.config.training import Pooling
from gesturelab.models.lstm import FARTHEST, LSTMClassifier
from gesturelab.training.stack.lstm import Weights, lstm_layer

Masks = Iterator[Float[Tensor, "models *shape"]]
"""What dropout multiplies by, in the order in which a classifier draws it."""


def classify(
    like: LSTMClassifier,
    weights: Weights,
    features: Float[Tensor, "models frames batch features"],
    valid: Bool[Tensor, "models batch"],
    masks: Masks,
) -> Float[Tensor, "models batch classes"]:
    """Logits of training windows; running statistics move.

    Args:
        like: A classifier that shows which layers there are; its own weights are not used.
        weights: Parameters and buffers of all models, named as in its state dict.
        features: Scaled features.
        valid: False where a model's batch is filled up to the length of the longest.
        masks: Dropout's.
    """
    of_frames = features[..., : like.of_frames]
    sequence = _linear(of_frames.flatten(1, 2), weights, "projection.0.").unflatten(1, features.shape[1:3])
    sequence = _layer_norm(sequence, weights, "projection.1.")  # models frames batch hidden
    for number in range(len(like.layers)):
        sequence = lstm_layer(sequence, weights, f"layers.{number}.", like.bidirectional)
        sequence = sequence * next(masks)
    values = _pool(like, weights, sequence)  # models batch hidden
    if like.summary is not None:
        summaries = features[:, 0, :, like.of_frames :].clamp(-FARTHEST, FARTHEST)  # models batch summaries
        values = torch.cat([values, _through(like.summary, "summary", weights, summaries, valid, masks)], dim=2)
    return _through(like.head, "head", weights, values, valid, masks)


def _through(
    layers: nn.Sequential,
    name: str,
    weights: Weights,
    values: Float[Tensor, "models batch wide"],
    valid: Bool[Tensor, "models batch"],
    masks: Masks,
) -> Float[Tensor, "models batch narrow"]:
    """Fully connected layers, with their norms and dropouts."""
    for place, layer in layers.named_children():
        if isinstance(layer, nn.Linear):
            values = _linear(values, weights, f"{name}.{place}.")
        elif isinstance(layer, nn.BatchNorm1d):
            values = _batch_norm(values, weights, f"{name}.{place}.", valid, layer)
        elif isinstance(layer, nn.Dropout):
            values = values * next(masks)
        else:
            values = layer(values)
    return values


def mask_shapes(like: LSTMClassifier, frames: int, batch: int) -> list[tuple[float, tuple[int, ...]]]:
    """For each dropout, in the order in which one step draws them: its probability, and the shape of its mask.

    An LSTM's output lies frame by frame in memory, and dropout draws in the order of memory.
    """
    width = cast(nn.Linear, like.projection[0]).out_features
    shapes: list[tuple[float, tuple[int, ...]]] = [(like.dropout.p, (frames, batch, width))] * len(like.layers)
    for layers in (like.summary or (), like.head):
        width = next((layer.in_features for layer in layers if isinstance(layer, nn.Linear)), width)
        for layer in layers:
            if isinstance(layer, nn.Linear):
                width = layer.out_features
            elif isinstance(layer, nn.Dropout):
                shapes.append((layer.p, (batch, width)))
    return shapes


def _linear(values: Tensor, weights: Weights, prefix: str) -> Tensor:
    return torch.baddbmm(weights[f"{prefix}bias"][:, None], values, weights[f"{prefix}weight"].transpose(1, 2))


def _layer_norm(values: Tensor, weights: Weights, prefix: str) -> Tensor:
    normal = functional.layer_norm(values, values.shape[-1:])
    return normal * weights[f"{prefix}weight"][:, None, None] + weights[f"{prefix}bias"][:, None, None]


def _pool(like: LSTMClassifier, weights: Weights, sequence: Tensor) -> Tensor:
    if like.attention is not None:
        frames = sequence.shape[1]
        scores = _linear(sequence.flatten(1, 2), weights, "attention.").unflatten(1, (frames, -1))
        return (scores.softmax(dim=1) * sequence).sum(dim=1)
    if like.pooling is Pooling.mean:
        return sequence.mean(dim=1)
    if like.pooling is Pooling.max:
        return sequence.amax(dim=1)
    if not like.bidirectional:
        return sequence[:, -1]
    forwards, backwards = sequence.chunk(2, dim=3)
    return torch.cat([forwards[:, -1], backwards[:, 0]], dim=2)


def _batch_norm(
    values: Tensor, weights: Weights, prefix: str, valid: Bool[Tensor, "models batch"], layer: nn.BatchNorm1d
) -> Tensor:
    """Each model's batch alone; a batch of one takes the running statistics and leaves them as they are."""
    running_mean, running_variance = weights[f"{prefix}running_mean"], weights[f"{prefix}running_var"]
    values = values.to(running_mean.dtype)
    counted = valid[:, :, None].to(values.dtype)
    count = counted.sum(dim=1)  # models 1
    mean = (values * counted).sum(dim=1) / count.clamp(min=1)
    variance = ((values - mean[:, None]).square() * counted).sum(dim=1) / count.clamp(min=1)
    several = count > 1
    chosen_mean = torch.where(several, mean, running_mean.clone())
    chosen_variance = torch.where(several, variance, running_variance.clone())
    with torch.no_grad():
        share = (layer.momentum or 0.0) * several.to(mean.dtype)
        running_mean.lerp_(mean, share.expand_as(mean))
        unbiased = variance * (count / (count - 1).clamp(min=1))
        running_variance.lerp_(unbiased, share.expand_as(unbiased))
        weights[f"{prefix}num_batches_tracked"].add_(several.flatten())
    normal = (values - chosen_mean[:, None]) * (chosen_variance[:, None] + layer.eps).rsqrt()
    return normal * weights[f"{prefix}weight"][:, None] + weights[f"{prefix}bias"][:, None]
