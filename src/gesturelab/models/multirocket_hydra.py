"""MultiRocket and HYDRA side by side, with one ridge classifier: the strongest of the random convolutions."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from gesturelab.models.minirocket import (
    KERNELS,
    LENGTH,
    Kernels,
    convolve,
    in_pieces,
    refuse_short_windows,
)
from gesturelab.models.network import FittedNetwork
from gesturelab.models.ridge import RidgeHead

SERIES = 2
"""What kernels go over: the features, and how they change from frame to frame."""
POOLS = 4
"""Numbers that MultiRocket has of a kernel above a threshold."""
MOST_FEATURES = 8
"""Features that a group of HYDRA sees at most."""
STILL = 1e-3
"""In standard deviations of a feature: HYDRA counts no kernel that answers less, so that rounding errors of a person
who stands still are not counted."""


class MultiRocketHydra(FittedNetwork):
    """MultiRocket (C. Tan, A. Dempster, C. Bergmeir and G. Webb, DMKD 2022) with `Hydra` and a `RidgeHead`.

    MultiRocket sees more of MiniRocket's `Kernels` than how often each is above a threshold: also how far, when, and
    for how long at a stretch; and all that of the changes from frame to frame as well. Meant for windows of whole
    recordings (``window.span=whole``): what the head sees of all training windows is in memory at once, 200 kB each
    (of 2,577 windows 0.5 GB), as are a few squares of as many rows as windows.
    """

    def __init__(
        self, features: int, classes: int, frames: int, outputs: int = 50_000, groups: int = 64, kernels: int = 8
    ) -> None:
        """Draws the kernels.

        Args:
            features: Of each frame.
            classes: What is told apart.
            frames: In a window; at least 10.
            outputs: How many numbers of MultiRocket the head sees, brought down to a multiple of 672.
            groups: Of HYDRA's kernels in each dilation, half of them over changes from frame to frame.
            kernels: In a group.

        Raises:
            ValueError: If a window is shorter than a kernel, or there are fewer outputs or groups than there must be.
        """
        super().__init__()
        refuse_short_windows(frames, LENGTH + 1)
        if outputs < (least := SERIES * POOLS * KERNELS):
            raise ValueError(f"model.outputs={outputs}: must be at least {least}, eight for each kernel")
        if groups < SERIES or groups % SERIES:
            raise ValueError(f"model.groups={groups}: must be an even number, at least {SERIES}")
        if kernels < 2:
            raise ValueError(f"model.kernels={kernels}: must be at least 2, which compete")
        count = outputs // least
        self.rockets = nn.ModuleList([Kernels(features, frames - change, count) for change in range(SERIES)])
        self.hydra = Hydra(features, frames, groups, kernels)
        self.pooled = SERIES * POOLS * KERNELS * count
        self.head = RidgeHead(self.pooled + self.hydra.outputs, classes)

    def forward(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch classes"]:
        """The head's logits."""
        values = self.transform(features)
        return self.head(torch.cat([values[:, : self.pooled], self.hydra.scale(values[:, self.pooled :])], dim=1))

    def fit(self, features: Float[Tensor, "windows frames features"], classes: Int64[Tensor, " windows"]) -> None:
        """Sets thresholds and scales, then solves for the head."""
        for kernels, series in zip(self.rockets, with_changes(features), strict=True):
            assert isinstance(kernels, Kernels)
            kernels.fit(series)
        values = self.transform(features)
        counts = values[:, self.pooled :]
        self.hydra.fit(counts)
        counts.copy_(self.hydra.scale(counts))
        self.head.fit(values, classes, unscaled=self.pooled)

    def transform(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch outputs"]:
        """MultiRocket's numbers of the features and of their changes, and HYDRA's counts."""
        return in_pieces(self._transform, features, self.pooled // (SERIES * POOLS))

    def _transform(self, features: Float[Tensor, "batch frames features"]) -> Float[Tensor, "batch outputs"]:
        both = with_changes(features)
        parts: list[Tensor] = []
        for kernels, series in zip(self.rockets, both, strict=True):
            assert isinstance(kernels, Kernels)
            heights = torch.cat([part.flatten(2) for part in kernels.heights(series)], dim=2)
            parts += pools(heights, kernels.frames_of_outputs)
        return torch.cat([*parts, self.hydra(both)], dim=1)


def with_changes(
    features: Float[Tensor, "batch frames features"],
) -> tuple[Float[Tensor, "batch frames features"], Float[Tensor, "batch changes features"]]:
    """The features, and how they change from each frame to the next."""
    return features, features[:, 1:] - features[:, :-1]


def pools(
    heights: Float[Tensor, "batch frames outputs"], frames: Float[Tensor, " outputs"]
) -> list[Float[Tensor, "batch outputs"]]:
    """MultiRocket's four numbers of how far kernels are above thresholds: how often, how far, when, how long.

    The mean height and the mean frame of those above have one frame more to which both are nothing, so that neither
    jumps when the first frame comes above.

    Args:
        heights: In ramps of `Kernels.heights`: from 1 on a frame counts in full, from 0 down not at all.
        frames: Over how many each kernel goes.
    """
    heights = heights.relu_()
    height = heights.sum(dim=1)
    above = heights.clamp_(max=1)
    count = above.sum(dim=1)
    when = torch.arange(1, heights.shape[1] + 1, device=heights.device).to(heights) @ above
    stretch = longest = torch.zeros_like(count)
    for frame in above.unbind(dim=1):
        stretch = torch.addcmul(frame, stretch, frame)
        longest = torch.maximum(longest, stretch)
    return [count / frames, height / (count + 1), when / (count + 1), longest]


class Hydra(nn.Module):
    """HYDRA (A. Dempster, D. Schmidt and G. Webb, DMKD 2023): groups of random kernels that compete in each frame.

    Of each kernel it adds up the answers in frames where it answers the most of its group, and counts the frames where
    it answers the least. A group goes over the sum of a few features drawn at random.
    """

    weights: Tensor
    channels: Tensor
    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int, frames: int, groups: int, kernels: int) -> None:
        """Draws the kernels, and which features each group sees.

        Args:
            features: Of each frame.
            frames: In a window; at least 9.
            groups: In each dilation, half of them over changes from frame to frame.
            kernels: In a group.
        """
        super().__init__()
        most = math.log2((frames - 1) / (LENGTH - 1))
        self.dilations = [2**exponent for exponent in range(int(most) + 1)]
        shape = (len(self.dilations), SERIES)
        weights = torch.randn(*shape, LENGTH, kernels, groups // SERIES)
        weights -= weights.mean(dim=2, keepdim=True)
        self.register_buffer("weights", weights / weights.abs().sum(dim=2, keepdim=True))
        drawn = torch.randint(features, (*shape, min(max(features // 2, 2), MOST_FEATURES), groups // SERIES))
        channels = torch.zeros(*shape, features, groups // SERIES, dtype=torch.int8)
        self.register_buffer("channels", channels.scatter_add(2, drawn, torch.ones_like(drawn, dtype=torch.int8)))
        self.outputs = 2 * len(self.dilations) * kernels * groups
        self.register_buffer("mean", torch.zeros(self.outputs))
        self.register_buffer("deviation", torch.ones(self.outputs))

    def forward(
        self, both: tuple[Float[Tensor, "batch frames features"], Float[Tensor, "batch changes features"]]
    ) -> Float[Tensor, "batch outputs"]:
        """The counts of each kernel."""
        counts: list[Tensor] = []
        for index, dilation in enumerate(self.dilations):
            for series, channels, weights in zip(both, self.channels[index], self.weights[index], strict=True):
                answers = convolve((series @ channels.to(series))[:, :, None], weights, dilation)
                most, least = answers.amax(dim=2, keepdim=True), answers.amin(dim=2, keepdim=True)
                won = (answers == most) * (most - STILL).relu()
                lost = (answers == least) * (least < -STILL)
                counts += [won.sum(dim=1).flatten(1), lost.sum(dim=1).flatten(1).to(won)]
        return torch.cat(counts, dim=1)

    def fit(self, counts: Float[Tensor, "windows outputs"]) -> None:
        """Learns the scale: kernels that seldom win are made smaller."""
        roots = counts.sqrt()
        self.mean.copy_(roots.mean(dim=0))
        never = (roots == 0).to(roots).mean(dim=0)
        self.deviation.copy_(roots.std(dim=0, correction=0) + never**4 + 1e-8)

    def scale(self, counts: Float[Tensor, "batch outputs"]) -> Float[Tensor, "batch outputs"]:
        """Roots of the counts in deviations from their means; kernels that never won stay at nothing."""
        return (counts.sqrt() - self.mean) * (counts > 0) / self.deviation
