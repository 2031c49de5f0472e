"""The recogniser that is told frame after frame, and says what the last window shows."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from gesturelab.config.data import Span, WindowConfig
from gesturelab.export.model import OnnxModel
from gesturelab.models.network import Network, State
from gesturelab.models.recogniser import Recogniser, is_causal
from gesturelab.preprocessing.augmentation import mirror
from gesturelab.stream.window import FrameBuffer, window_seconds, window_until


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

    A window that ends at each frame shares all but one of its frames with the window before, but not its state, for
    each began from nothing at another frame. So every window that a frame belongs to is kept open, and the frame goes
    through the network once for all, in one product with each weight; the arithmetic is that of one window, but weights
    are read once and not once for each of its frames. The window that the frame completes goes first, so that its
    answer does not wait for the others.

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


SAME_S = 1e-3
"""A frame that comes so much before a tick counts as on it: timestamps are often rounded to milliseconds."""

BEHIND_S = 0.25
"""When windows under way are so far behind the frames, most of them are given up, and all when that does not help."""

AGAIN_S = 1.0
"""But not again before it was seen whether that is enough."""


@dataclass(frozen=True, eq=False)
class LiveAnswer:
    """The answer of the network at a moment.

    Attributes:
        time_s: The moment: the window's last sample.
        probabilities: Of each class.
        left_out: Moments since the answer before that got none, because there was no time.
    """

    time_s: float
    probabilities: Float64[np.ndarray, " classes"]
    left_out: int


class LiveRecogniser:
    """Frames of one body to probabilities, those that the same window of a recording gets.

    Where the network allows it (`is_causal`), windows are kept open and each frame is one step for all of them
    (`Rolling`): their ends are then ticks of a clock that begins with the body's first frame, at the source's rate.
    Otherwise the window that ends with the latest frame is computed as a whole.

    Args:
        recogniser: Ready to answer. The windows of a graph are computed as a whole.
        window: How windows were cut when it was trained.
        rate_hz: Frames a second that the source gives.
        every_s: Seconds from moment to moment at least; 0 is each frame.
        longest_s: With window.span=whole, how much of the past a window holds at most.
        rolling: Keep windows open where the network allows it.
    """

    def __init__(
        self,
        recogniser: Recogniser | OnnxModel,
        window: WindowConfig,
        *,
        rate_hz: float = 30.0,
        every_s: float = 0.0,
        longest_s: float = 20.0,
        rolling: bool = True,
    ) -> None:
        self.recogniser = recogniser
        self.window = window
        self.every_s = every_s
        self.longest_s = longest_s if window.span is Span.whole else window_seconds(window, rate_hz)
        network = None if isinstance(recogniser, OnnxModel) else recogniser
        skeleton = recogniser.skeleton if isinstance(recogniser, OnnxModel) else recogniser.features.skeleton
        self.buffer = FrameBuffer(max(longest_s, 2 * self.longest_s + BEHIND_S), rate_hz, len(skeleton.joints))
        period = 1 / (window.rate_hz or rate_hz)
        phases = 1 if window.rate_hz is None else max(1, round(rate_hz * period))
        self._tick_s = period / phases
        self._every = max(1, round(every_s / self._tick_s))
        self._rolling: Rolling | None = None
        if network is not None and rolling and window.span is Span.sliding and is_causal(network):
            self._rolling = Rolling(network, window.length_frames, phases, self._every)
        self.begin()

    def begin(self) -> None:
        """A body was found: what was before is forgotten."""
        self.buffer.clear()
        self.since_s = -np.inf
        self._taken = self._ticks = self._due = 0
        self._first_s = self._moment_s = self._thinned_s = -np.inf
        self._open = False
        self.rolling = self._rolling
        if self.rolling is not None:
            self.rolling.begin(self._every)

    def take(self, time_s: float, positions: Float[np.ndarray, "joints 3"]) -> None:
        """Takes in a frame, later than the last one; costs next to nothing."""
        if not self._taken:
            self._first_s = time_s
        self.buffer.append(time_s, positions)
        self._taken += 1
        if self.rolling is None and time_s - self._moment_s >= self.every_s - SAME_S:
            self._moment_s = time_s
            self._due += 1

    def answer(self) -> LiveAnswer | None:
        """What the window of the latest moment shows; None if there is no new moment. Call `settle` afterwards."""
        self.settle()
        if self.rolling is not None:
            self._catch_up(self.rolling)
        if self.rolling is not None:
            return self._roll(self.rolling)
        return self._answer(self._moment_s, self.at(self._moment_s)) if self._due else None

    def _answer(self, moment_s: float, probabilities: Float64[np.ndarray, " classes"] | None) -> LiveAnswer | None:
        due, self._due = self._due, 0
        return None if probabilities is None else LiveAnswer(moment_s, probabilities, due - 1)

    def settle(self) -> None:
        """Does what could wait until the answer was given."""
        if self._open and self.rolling is not None:
            self.rolling.settle()
            self._open = False

    def _roll(self, rolling: Rolling) -> LiveAnswer | None:
        moment_s: float | None = None
        latest: Tensor | None = None
        while (sample := self._next_sample()) is not None:
            self.settle()
            time_s, positions = sample
            wanted = rolling.tick % rolling.every == 0
            self._due += rolling.tick % self._every == 0
            probabilities = rolling.answer(torch.from_numpy(positions))
            self._open = True
            if wanted:
                moment_s, latest = time_s, probabilities
        if moment_s is None:
            return None
        # of a window of which only the first part has passed there is no answer
        return self._answer(moment_s, self.at(moment_s) if latest is None else latest.double().numpy())

    def _catch_up(self, rolling: Rolling) -> None:
        """Gives windows up when they are too far behind.

        All of them begin anew when the next frame of theirs is gone; none is kept open any more, until another body is
        found, when hardly any are left to be given up.
        """
        if not len(self.buffer):
            return
        first_held_s, last_s = self.buffer.times[[0, -1]].tolist()
        if self.window.rate_hz is None:
            behind = self._taken - self._ticks
            behind_s, gone = behind * self._tick_s, behind > len(self.buffer)
        else:
            next_s = self._first_s + self._ticks * self._tick_s
            behind_s, gone = last_s - next_s, next_s < first_held_s - SAME_S
        if gone:
            rolling.begin()
            self._first_s, self._ticks = last_s, 0
            if self.window.rate_hz is None:
                self._ticks = self._taken - 1
        elif behind_s > BEHIND_S and last_s - self._thinned_s >= AGAIN_S:
            self._thinned_s = last_s
            if rolling.thinnest:
                self.rolling, self._moment_s, self._due = None, last_s, self._due + 1
            else:
                rolling.thin()

    def at(self, moment_s: float) -> Float64[np.ndarray, " classes"] | None:
        """Probabilities of the window that ends at a moment, computed as a whole; None where window.short=drop."""
        since_s = max(self.since_s, moment_s - self.longest_s) if self.window.span is Span.whole else -np.inf
        positions = window_until(self.buffer, self.window, moment_s, since_s)
        if positions is None:
            return None
        with torch.inference_mode():
            return np.asarray(self.recogniser.probabilities(torch.from_numpy(positions[None]))[0], dtype=np.float64)

    def _next_sample(self) -> tuple[float, Float32[np.ndarray, "joints 3"]] | None:
        """Moment and positions of the next tick, once it has come."""
        last_s = float(self.buffer.times[-1]) if len(self.buffer) else -np.inf
        if self.window.rate_hz is None:
            behind = self._taken - self._ticks
            if not behind:
                return None
            self._ticks += 1
            return float(self.buffer.times[-behind]), self.buffer.positions[-behind].copy()
        tick_s = self._first_s + self._ticks * self._tick_s
        if tick_s > last_s + SAME_S:
            return None
        self._ticks += 1
        return min(tick_s, last_s), self.buffer.at(np.array([tick_s]))[0]
