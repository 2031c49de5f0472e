"""Random convolutions and a ridge classifier: learned in seconds on a processor."""

import math
from itertools import combinations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from gesturelab.models.network import FittedNetwork
from gesturelab.models.ridge import RidgeHead

LENGTH = 9
"""Weights of a kernel: three are 2, the others -1, so that they add up to nothing."""
MOST_DILATIONS = 32
MOST_CHANNELS = 9
"""Features that a kernel sees at most."""
RAMP = 0.01
"""In standard deviations of a feature: so far above a threshold a frame counts in full, and less below that, so that an
answer does not hang on rounding errors, which are another machine's or another runtime's."""
BATCH = 256
"""Windows that are transformed at a time, so that memory stays small."""


class MiniRocket(FittedNetwork):
    """MiniRocket for multivariate series (A. Dempster, D. Schmidt and G. Webb, KDD 2021) with a `RidgeHead`.

    Each of the 84 kernels of nine weights goes over the window in several dilations, over the sum of a few features
    drawn at random; what the head sees is how often that is above thresholds, which are quantiles of what the kernel
    gave for training windows. Meant for windows of whole recordings (``window.span=whole``): all training windows are
    in memory at once, with 40 kB each.

    Features that are the same in each frame of a window are not seen, since a kernel's weights add up to nothing.
    """

    thresholds: Tensor
    kernels: Tensor

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
        chosen = torch.tensor(list(combinations(range(LENGTH), 3)))
        kernels = len(chosen)
        if frames < LENGTH:
            raise ValueError(f"a window needs at least {LENGTH} frames; set window.length_frames")
        if outputs < kernels:
            raise ValueError(f"model.outputs={outputs}: must be at least {kernels}, one for each kernel")
        weights = torch.full((kernels, 1, LENGTH), -1, dtype=torch.int8)
        self.register_buffer("kernels", weights.scatter(2, chosen[:, None], 2))  # whole numbers: nothing learned
        self.dilations, self.counts = dilations(frames, outputs // kernels)
        for index in range(len(self.dilations)):
            self.register_buffer(f"channels_{index}", draw_channels(kernels, features))
        self.register_buffer("thresholds", torch.zeros(kernels, sum(self.counts)))
        self.head = RidgeHead(kernels * sum(self.counts), classes)

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """The head's logits."""
        return self.head(self.transform(features))

    def fit(self, features: Float[Tensor, "windows frames features"], classes: Int64[Tensor, " windows"]) -> None:
        """Sets the thresholds, then solves for the head."""
        golden, kernels = (math.sqrt(5) + 1) / 2, len(self.kernels)
        start = 0
        for index, count in enumerate(self.counts):
            picked = features[torch.randint(len(features), (kernels,), device=features.device)]
            own = self.convolve(picked, index).diagonal().T  # of each kernel in a window of its own
            order = torch.arange(start * kernels + 1, (start + count) * kernels + 1, dtype=torch.float64)
            shares = (order * golden).remainder(1).to(own).view(kernels, count)
            quantiles = [row.quantile(share) for row, share in zip(own, shares, strict=True)]
            self.thresholds[:, start : start + count] = torch.stack(quantiles)
            start += count
        self.head.fit(torch.cat([self.transform(windows) for windows in features.split(BATCH)]), classes)

    def transform(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch outputs"]:
        """How often each kernel in each dilation is above its thresholds: from 0 to 1."""
        shares: list[Tensor] = []
        start = 0
        for index, (dilation, count) in enumerate(zip(self.dilations, self.counts, strict=True)):
            convolved = self.convolve(features, index)
            thresholds = self.thresholds[:, start : start + count]
            above = ((convolved[:, :, None] - thresholds[:, :, None]) / RAMP).clamp(0, 1)
            edge = dilation * (LENGTH // 2)
            inside = above[..., edge : above.shape[-1] - edge]
            # every other kernel does not look beyond the window's ends
            padded = (torch.arange(len(self.kernels), device=features.device) + index) % 2 == 0
            share = torch.where(padded[:, None], above.mean(dim=-1), inside.mean(dim=-1))
            shares.append(share.flatten(1))
            start += count
        return torch.cat(shares, dim=1)

    def convolve(
        self, features: Float[Tensor, "batch frames features"], index: int
    ) -> Float[Tensor, "batch kernels frames"]:
        """Each kernel in one dilation, with zeros beyond the window's ends."""
        seen = self.get_buffer(f"channels_{index}").to(features) @ features.transpose(1, 2)
        dilation = self.dilations[index]
        padding = dilation * (LENGTH // 2)
        return functional.conv1d(
            seen, self.kernels.to(seen), padding=padding, dilation=dilation, groups=len(self.kernels)
        )


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
