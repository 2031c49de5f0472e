"""The recogniser that is told frame after frame, and says what the last window shows."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from gesturelab.config.data import Span, WindowConfig
from gesturelab.export.onnx_model import OnnxModel
from gesturelab.models.recogniser import Recogniser, is_causal
from gesturelab.stream.rolling import Rolling
from gesturelab.stream.window import FrameBuffer, window_seconds, window_until

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
