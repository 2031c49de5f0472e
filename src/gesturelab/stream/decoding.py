"""From the probabilities of overlapping windows to gestures, while the stream goes on.

The decoder finds the most probable sequence of classes where each change of class costs the same (A. Viterbi, IEEE
Transactions on Information Theory 1967). What all candidates for the last class have in common in their past does not
change any more: a gesture is over when its end belongs to that past.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from gesturelab.evaluation.calibration import SMALLEST


@dataclass(frozen=True)
class DecoderOptions:
    """What a sequence of classes costs. Chosen on training people alone (docs/guide/live.md).

    Attributes:
        change: Of a change of class, in units of log-probability times seconds.
        background: The log-probability of the background is less by so much: there is more of it than of any gesture,
            and what is most probable would hardly ever be a gesture.
        longest_step_s: A window counts for the time since the one before it, but for no more than this.
    """

    change: float = 1.6
    background: float = 1.5
    longest_step_s: float = 0.5


@dataclass(frozen=True)
class DecodedGesture:
    """A gesture, under way or over.

    Attributes:
        label: Its class.
        start_s: Its first moment.
        end_s: Its last; None while it lasts.
        confidence: The mean probability of its class in it; None while it lasts.
    """

    label: str
    start_s: float
    end_s: float | None = None
    confidence: float | None = None


@dataclass(eq=False)
class _Run:
    """A class that goes on until its child begins.

    Attributes:
        label: Index of the class.
        start_s: Its first moment.
        parent: What was before; None for the first, and where that is decided and reported.
        windows: How many windows were before it.
        sums: Of their probabilities.
    """

    label: int
    start_s: float
    parent: "_Run | None"
    windows: int
    sums: Float64[np.ndarray, " classes"]


class Decoder:
    """Finds gestures window by window.

    Args:
        classes: Names of the classes.
        background: Which of them is no gesture.
        window_s: How long a window lasts: an answer is about its middle.
        options: What a sequence of classes costs.
        longest_s: What was not decided for so long is taken as it is most probable now, so that memory does not grow.
    """

    def __init__(
        self, classes: tuple[str, ...], background: str, window_s: float, options: DecoderOptions, longest_s: float
    ) -> None:
        self.classes = classes
        self.options = options
        self.window_s = window_s
        self.longest_s = longest_s
        self._background = classes.index(background)
        self.begin(0.0)

    def begin(self, time_s: float) -> None:
        """Another body, seen from this moment on; windows that begin earlier are passed over."""
        self._since_s = self._last_s = time_s
        self._runs: list[_Run] = []
        self._scores = np.zeros(len(self.classes))
        self._windows = 0
        self._sums = np.zeros(len(self.classes))
        self._announced: _Run | None = None

    @property
    def moving(self) -> bool:
        """Whether a gesture is under way, as far as is known."""
        return bool(self._runs) and self._runs[int(self._scores.argmax())].label != self._background

    def take(self, end_s: float, probabilities: Float64[np.ndarray, " classes"]) -> list[DecodedGesture]:
        """Takes in the probabilities of the window that ends at a moment: gestures that have begun or ended."""
        if end_s - self.window_s < self._since_s - 1e-3:  # it is filled up, and its middle is not what it is about
            return []
        logs = np.log(np.maximum(probabilities, SMALLEST))
        logs[self._background] -= self.options.background
        if not self._runs:
            self._runs = [_Run(at, self._since_s, None, 0, self._sums) for at in range(len(self.classes))]
        middle_s = end_s - self.window_s / 2
        best = int(self._scores.argmax())
        changed = float(self._scores[best]) - self.options.change
        boundary_s = (self._last_s + middle_s) / 2
        for at in np.flatnonzero(self._scores < changed).tolist():
            self._runs[at] = _Run(at, boundary_s, self._runs[best], self._windows, self._sums)
        step_s = min(max(middle_s - self._last_s, 0.0), self.options.longest_step_s)
        self._scores = np.maximum(self._scores, changed) + logs * step_s
        self._scores -= self._scores.max()
        self._windows, self._sums, self._last_s = self._windows + 1, self._sums + probabilities, middle_s
        return self._decided()

    def stop(self) -> list[DecodedGesture]:
        """The body is gone: gestures that are not reported yet, the one that was under way among them."""
        if not self._runs:
            return []
        chain = _chain(self._runs[int(self._scores.argmax())])
        last = _Run(self._background, self._last_s + self.window_s / 2, None, self._windows, self._sums)
        gestures = self._ended([*chain, last])
        self.begin(last.start_s)
        return gestures

    def _decided(self) -> list[DecodedGesture]:
        """Reports what all candidates have in common."""
        best = int(self._scores.argmax())
        chains = [_chain(run) for run in self._runs]
        common = _common(chains)
        undecided = chains[best][common:]
        if undecided and self._last_s - undecided[0].start_s > self.longest_s:
            run = self._runs[best]
            self._runs = [
                run if at == best else _Run(at, self._last_s, run, self._windows, self._sums)
                for at in range(len(self.classes))
            ]
            common = len(chains[best])
        decided = chains[best][:common]
        if not decided:
            return []
        gestures = self._ended(decided)
        latest = decided[-1]
        latest.parent = None
        if latest.label != self._background and latest is self._runs[best] and latest is not self._announced:
            self._announced = latest
            gestures.append(DecodedGesture(self.classes[latest.label], latest.start_s))
        return gestures

    def _ended(self, chain: list[_Run]) -> list[DecodedGesture]:
        """The gestures of a chain, but for its last run, which goes on."""
        gestures: list[DecodedGesture] = []
        for run, after in pairwise(chain):
            if run.label != self._background:
                total = after.sums[run.label] - run.sums[run.label]
                confidence = float(total) / max(1, after.windows - run.windows)
                gestures.append(DecodedGesture(self.classes[run.label], run.start_s, after.start_s, confidence))
        return gestures


def _chain(run: _Run) -> list[_Run]:
    """A run and those before it, in order of time."""
    chain: list[_Run] = []
    each: _Run | None = run
    while each is not None:
        chain.append(each)
        each = each.parent
    return chain[::-1]


def _common(chains: list[list[_Run]]) -> int:
    """How many runs all chains begin with."""
    for place, runs in enumerate(zip(*chains, strict=False)):
        if any(run is not runs[0] for run in runs):
            return place
    return min(map(len, chains))
