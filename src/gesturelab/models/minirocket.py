"""Random convolutions and a ridge classifier: learned in seconds on a processor."""

import math
from collections.abc import Callable, Iterator
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from gesturelab.models.network import FittedNetwork
from gesturelab.models.ridge import RidgeHead

LENGTH = 9
"""Weights of a kernel: three are 2, the others -1, so that they add up to nothing."""
KERNELS = math.comb(LENGTH, 3)
"""84."""
MOST_DILATIONS = 32
MOST_CHANNELS = 9
"""Features that a kernel sees at most."""
RAMP = 0.01
"""In standard deviations of a feature: so far above a threshold a frame counts in full, and less below that, so that an
answer does not hang on rounding errors, which are another machine's or another runtime's."""
PIECE = 2**22
"""Numbers that are computed at a time, so that they stay near the processor: 16 MB."""


class MiniRocket(FittedNetwork):
    """MiniRocket for multivariate series (A. Dempster, D. Schmidt and G. Webb, KDD 2021) with a `RidgeHead`.

    What the head sees is how often each of the `Kernels` is above its thresholds. Meant for windows of whole recordings
    (``window.span=whole``): what it sees of all training windows is in memory at once, 40 kB each.

    Features that are the same in each frame of a window are not seen, since a kernel's weights add up to nothing.
    """

    def __init__(self, features: int, classes: int, frames: int, outputs: int = 10_000) -> None:
        """Draws which features each kernel sees.

        Args:
            features: Of each frame.
            classes: What is told apart.
            frames: In a window; at least 9.
            outputs: How many numbers the head sees, brought down to a multiple of 84.

        Raises:
            ValueError: If a window is shorter than a kernel, or there are fewer outputs than kernels.
        """
        super().__init__()
        refuse_short_windows(frames, LENGTH)
        if outputs < KERNELS:
            raise ValueError(f"model.outputs={outputs}: must be at least {KERNELS}, one for each kernel")
        self.kernels = Kernels(features, frames, outputs // KERNELS)
        self.head = RidgeHead(self.kernels.outputs, classes)

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """The head's logits."""
        return self.head(self.transform(features))

    def fit(self, features: Float[Tensor, "windows frames features"], classes: Int64[Tensor, " windows"]) -> None:
        """Sets the thresholds, then solves for the head."""
        self.kernels.fit(features)
        self.head.fit(self.transform(features), classes)

    def transform(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch outputs"]:
        """How often each kernel in each dilation is above its thresholds: from 0 to 1."""
        return in_pieces(self._shares, features, self.kernels.outputs)

    def _shares(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch outputs"]:
        sums = [heights.clamp_(0, 1).sum(dim=1) for heights in self.kernels.heights(features)]
        return torch.cat(sums, dim=1).flatten(1) / self.kernels.frames_of_outputs


class Kernels(nn.Module):
    """MiniRocket's 84 kernels of nine weights over windows, in several dilations, with thresholds for what they give.

    Each kernel in each dilation goes over the sum of a few features drawn at random. Its thresholds are quantiles of
    what it gives for training windows.
    """

    weights: Tensor
    channels: Tensor
    thresholds: Tensor
    inside: Tensor

    def __init__(self, features: int, frames: int, count: int) -> None:
        """Draws which features each kernel sees.

        Args:
            features: Of each frame.
            frames: In a window; at least 9.
            count: Thresholds of a kernel, over all dilations.
        """
        super().__init__()
        twos = torch.tensor(list(combinations(range(LENGTH), 3)))
        weights = torch.full((LENGTH, KERNELS), -1, dtype=torch.int8)
        self.register_buffer("weights", weights.scatter(0, twos.T, 2))  # whole numbers: nothing learned
        self.dilations, self.counts = dilations(frames, count)
        self.outputs = KERNELS * count
        channels = torch.cat([draw_channels(KERNELS, features) for _ in self.dilations])
        self.register_buffer("channels", channels.T.contiguous())  # features, dilations x kernels
        self.register_buffer("thresholds", torch.zeros(count, KERNELS))
        # every other kernel does not look beyond the window's ends
        padded = (torch.arange(KERNELS) + torch.arange(len(self.dilations))[:, None]) % 2 == 0
        edges = torch.tensor(self.dilations)[:, None] * (LENGTH // 2)
        frame = torch.arange(frames)[:, None]
        inside = padded[:, None] | ((frame >= edges[..., None]) & (frame < frames - edges[..., None]))
        self.register_buffer("inside", inside)  # dilations frames kernels

    @property
    def frames_of_outputs(self) -> Float[Tensor, " outputs"]:
        """Over how many frames of a window each kernel goes, once for each of its thresholds."""
        frames = self.inside.sum(dim=1).to(self.thresholds)
        return frames.repeat_interleave(torch.tensor(self.counts, device=frames.device), dim=0).flatten()

    def fit(self, features: Float[Tensor, "windows frames features"]) -> None:
        """Sets the thresholds, each kernel's from one window drawn at random for each dilation."""
        golden = (math.sqrt(5) + 1) / 2
        channels, weights = self.channels.to(features).split(KERNELS, dim=1), self.weights.to(features)
        start = 0
        for dilation, count, seen in zip(self.dilations, self.counts, channels, strict=True):
            drawn = features[torch.randint(len(features), (KERNELS,), device=features.device)]
            series = torch.einsum("ktf,fk->tk", drawn, seen)  # of each kernel in a window of its own
            convolved = convolve(series[None], weights, dilation)[0].T
            order = torch.arange(start * KERNELS + 1, (start + count) * KERNELS + 1, dtype=torch.float64)
            shares = (order * golden).remainder(1).to(features).view(KERNELS, count)
            quantiles = [row.quantile(share) for row, share in zip(convolved, shares, strict=True)]
            self.thresholds[start : start + count] = torch.stack(quantiles, dim=1)
            start += count

    def heights(
        self, features: Float[Tensor, "batch frames features"]
    ) -> Iterator[Float[Tensor, "batch frames thresholds kernels"]]:
        """How far each kernel is above each of its thresholds, in `RAMP`s; one dilation after another.

        Minus infinity where a kernel does not look.
        """
        thresholds = (self.thresholds / RAMP).split(self.counts)
        seen = (features / RAMP @ self.channels.to(features)).split(KERNELS, dim=2)
        weights = self.weights.to(features)
        for series, dilation, inside, own in zip(seen, self.dilations, self.inside, thresholds, strict=True):
            convolved = convolve(series, weights, dilation).masked_fill(~inside, -math.inf)
            yield convolved[:, :, None] - own


def convolve(
    series: Float[Tensor, "batch frames #*kernels"], weights: Float[Tensor, "length *kernels"], dilation: int
) -> Float[Tensor, "batch frames *kernels"]:
    """Each series with a kernel of its own, with zeros beyond the window's ends."""
    frames, beyond = series.shape[1], dilation * (LENGTH // 2)
    padded = functional.pad(series, (0, 0) * (series.ndim - 2) + (beyond, beyond))
    result = weights[0] * padded[:, :frames]
    for place in range(1, LENGTH):
        result = torch.addcmul(result, weights[place], padded[:, place * dilation : place * dilation + frames])
    return result


def in_pieces(
    transform: Callable[[Tensor], Tensor], features: Float[Tensor, "batch frames features"], outputs: int
) -> Float[Tensor, "batch numbers"]:
    """What a transform with so many thresholds gives of windows, few at a time; an exported graph takes all at once."""
    if torch.compiler.is_compiling():
        return transform(features)
    rows = max(1, PIECE // (features.shape[1] * outputs))
    return torch.cat([transform(windows) for windows in features.split(rows)])


def refuse_short_windows(frames: int, least: int) -> None:
    """Refuses windows that are shorter than a kernel.

    Raises:
        ValueError: If they are.
    """
    if frames < least:
        raise ValueError(f"a window needs at least {least} frames; set window.length_frames")


def dilations(frames: int, count: int) -> tuple[list[int], list[int]]:
    """In which dilations a kernel goes over a window, and with how many thresholds each: ``count`` together.

    >>> dilations(64, 119)
    ([1, 2, 3, 4, 5, 6, 7], [41, 23, 15, 15, 7, 11, 7])
    """
    most = min(count, MOST_DILATIONS)
    exponent = math.log2((frames - 1) / (LENGTH - 1))
    steps = [int(2 ** (exponent * step / (most - 1))) if most > 1 else 1 for step in range(most)]
    different = sorted(set(steps))
    counts = [int(steps.count(each) * (count / most)) for each in different]
    for index in range(count - sum(counts)):
        counts[index % len(counts)] += 1
    return different, counts


def draw_channels(kernels: int, features: int) -> Bool[Tensor, "kernels features"]:
    """For each kernel the features that it sees; few are more likely than many."""
    most = math.log2(min(features, MOST_CHANNELS) + 1)
    counts = (2 ** (torch.rand(kernels) * most)).int()
    drawn = torch.rand(kernels, features).argsort(dim=1).argsort(dim=1)
    return drawn < counts[:, None]
