"""Windows that are under way, each with the network's state: a new frame is one step for all of them together.

A window that ends at each frame shares all but one of its frames with the window before, but not its state, for each
began from nothing at another frame. So every window that a frame belongs to is kept open, and the frame goes through
the network once for all, in one product with each weight; the arithmetic is that of one window, but weights are read
once and not once for each of its frames. The window that the frame completes goes first, so that its answer does not
wait for the others.
"""

import copy
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gesturelab.models.network import Network, State
from gesturelab.models.recogniser import Recogniser, is_causal
from gesturelab.preprocessing.augmentation import mirror


@dataclass(frozen=True, eq=False)
class _Windows:
    """Windows under way, oldest first; each has as many rows (itself, and mirrored) as have a say.

    Attributes:
        ends: For each the tick of its last sample.
        state: Of the network; the rows of a window follow each other.
    """

    ends: tuple[int, ...]
    state: State


class Rolling:
    """The windows that end at every so many ticks of a clock.

    Ticks are ``phases`` times as fine as the samples of a window: a window that ends at tick t has its samples at t,
    t - phases, t - 2 phases, ... Their answers are those of `Recogniser.probabilities`, but for rounding.

    Args:
        recogniser: A causal one (`is_causal`), ready to answer.
        length_frames: Samples in a window.
        phases: Ticks from sample to sample.
        every: Ticks from the end of a window to the end of the next.
    """

    def __init__(self, recogniser: Recogniser, length_frames: int, phases: int = 1, every: int = 1) -> None:
        assert is_causal(recogniser), "a window of this network is not done step by step"
        assert isinstance(recogniser.classifier, Network)
        self.recogniser = recogniser
        self.network = _transposed(recogniser.classifier)
        self.phases = phases
        self.length_frames = length_frames
        self.images = 1 if recogniser.mirrored_classes is None else 2
        self.begin(every)

    def begin(self, every: int | None = None) -> None:
        """Forgets all windows; the next sample is at tick 0, and windows end at every so many ticks, if it is given."""
        self.every = every or self.every
        self.tick = 0
        self._windows = [_Windows((), self.network.initial_state(0))] * self.phases
        self._before: list[Tensor | None] = [None] * self.phases
        self._running: Tensor | None = None
        self._fresh: Tensor | None = None

    @property
    def under_way(self) -> int:
        """How many windows are open."""
        return sum(len(windows.ends) for windows in self._windows)

    @property
    def thinnest(self) -> bool:
        """Whether `thin` could leave no two windows that share a sample."""
        return 2 * self.every >= self.length_frames * self.phases

    def thin(self) -> None:
        """Puts more distance between windows: first that of samples, so that other ticks need no step; then double."""
        wider = math.lcm(self.every, self.phases)
        self.every = wider if wider > self.every else 2 * self.every
        for phase, windows in enumerate(self._windows):
            kept = [place for place, end in enumerate(windows.ends) if end % self.every == 0]
            rows = [self.images * place + image for place in kept for image in range(self.images)]
            self._windows[phase] = _Windows(
                tuple(windows.ends[place] for place in kept), tuple(each[rows] for each in windows.state)
            )

    @torch.inference_mode()
    def answer(self, positions: Float[Tensor, "joints 3"]) -> Float[Tensor, " classes"] | None:
        """Takes the sample of the next tick; `settle` must follow.

        Returns:
            Probabilities of the window that ends with it; None if none does, because no more than its first part has
            passed or it was not asked for.
        """
        phase = self.tick % self.phases
        before, windows = self._before[phase], self._windows[phase]
        self._before[phase] = positions
        if windows.ends or self._begins:
            self._running, self._fresh = self._features(positions if before is None else before, positions)
        if not windows.ends or windows.ends[0] != self.tick:
            return None
        logits, _ = self._step(tuple(each[: self.images] for each in windows.state), fresh=False)
        self._windows[phase] = _Windows(windows.ends[1:], tuple(each[self.images :] for each in windows.state))
        probabilities = logits.softmax(dim=1)  # images classes
        swapped = self.recogniser.mirrored_classes
        return probabilities[0] if swapped is None else (probabilities[0] + probabilities[1, swapped]) / 2

    @torch.inference_mode()
    def settle(self) -> None:
        """Brings the windows that go on to the sample that `answer` took."""
        phase = self.tick % self.phases
        windows = self._windows[phase]
        begins = self._begins
        if begins:
            pairs = zip(windows.state, self.network.initial_state(self.images), strict=True)
            windows = _Windows((*windows.ends, self._end), tuple(torch.cat(pair) for pair in pairs))
        if windows.ends:
            self._windows[phase] = _Windows(windows.ends, self._step(windows.state, fresh=begins)[1])
        self.tick += 1

    @property
    def _end(self) -> int:
        """The tick at which a window that begins now ends."""
        return self.tick + (self.length_frames - 1) * self.phases

    @property
    def _begins(self) -> bool:
        """Whether one begins now."""
        return self._end % self.every == 0

    def _features(
        self, before: Float[Tensor, "joints 3"], now: Float[Tensor, "joints 3"]
    ) -> tuple[Float[Tensor, "images features"], Float[Tensor, "images features"]]:
        """What the network sees of a sample: in windows that are under way, and in one that begins with it."""
        pair = torch.stack([torch.stack([before, now]), torch.stack([now, now])])  # 2 frames joints 3
        if self.images == 2:
            pair = torch.cat([pair, mirror(pair, self.recogniser.features.skeleton)])
        features = self.recogniser.scaled_features(pair)[:, 1]
        running, fresh = features.unflatten(0, (self.images, 2)).unbind(dim=1)
        return running, fresh

    def _step(self, state: State, *, fresh: bool) -> tuple[Float[Tensor, "rows classes"], State]:
        """One step of all rows; those of the last window begin with it where `fresh`."""
        assert self._running is not None
        assert self._fresh is not None
        rows = torch.arange(self.images)
        frame = rows.repeat(len(state[0]) // self.images)
        if fresh:
            frame[-self.images :] += self.images
        return self.network.step_shared(torch.cat([self._running, self._fresh]), frame, state)


def _transposed(network: Network) -> Network:
    """A copy with the same values whose matrices lie transposed in memory: products with few rows take less time."""
    copied = copy.deepcopy(network)
    for weight in copied.parameters():
        if weight.ndim == 2:
            weight.data = weight.data.t().contiguous().t()
    return copied
