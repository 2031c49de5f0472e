"""Start and end of gestures in a stream that holds rest and movement: where limbs leave their rest pose, and return.

Limbs are elbows, wrists, knees and ankles, measured from the body's root, so that a whole body may shift. A movement
begins when one of them moves fast, or is far from where it rests, and ends when all have been slow and near their rest
pose for a while; or, for people who do not return to it, slow for longer. It takes more to begin than to go on
(hysteresis), so that a pause at the top of a movement does not cut it in two.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from gesturelab.skeletons.skeleton import Skeleton
from gesturelab.stream.window import TINY_S


@dataclass(frozen=True)
class SegmentOptions:
    """When a movement is one. Chosen on training people alone: see benchmarks/segments.py.

    Attributes:
        begin_mps: A limb that is faster than this moves, in metres a second.
        begin_m: A limb that is farther than this from its rest pose moves, in metres.
        rest_mps: All limbs slower than this may rest.
        rest_m: All limbs nearer than this to their rest pose have returned, in metres.
        rest_s: So long must they rest for the movement to be over.
        still_s: The same for limbs that are slow, but elsewhere than before; the new place is their rest pose then.
        pause_s: Limbs that are slow for so long within a movement part it; what is short at its ends is left out.
        least_s: What moves for less is no gesture.
        margin_s: A gesture's window begins so long before its movement and ends so long after.
        smooth_s: Positions are averaged over about so long: a sensor's noise is no movement.
    """

    begin_mps: float = 0.4
    begin_m: float = 0.16
    rest_mps: float = 0.15
    rest_m: float = 0.14
    rest_s: float = 0.4
    still_s: float = 0.4
    pause_s: float = 0.4
    least_s: float = 0.8
    margin_s: float = 0.1
    smooth_s: float = 0.1


@dataclass(frozen=True)
class Movement:
    """A movement, under way or over.

    Attributes:
        start_s: Its first moment.
        end_s: Its last; None while it lasts.
    """

    start_s: float
    end_s: float | None = None


class Segmenter:
    """Finds movements frame by frame.

    Args:
        skeleton: Whose limbs move; all joints count where it names no arms and legs.
        options: What counts as movement.
        longest_s: A movement is ended after so long.
    """

    def __init__(self, skeleton: Skeleton, options: SegmentOptions, longest_s: float = 20.0) -> None:
        self.options = options
        self.longest_s = longest_s
        self._root = skeleton.root
        limbs = [joint for limb in (*skeleton.arms, *skeleton.legs) for joint in limb[1:]]
        self._limbs = limbs or list(range(len(skeleton.joints)))
        self.begin()

    def begin(self) -> None:
        """Another body."""
        self._smooth: np.ndarray | None = None
        self._rest: np.ndarray | None = None
        self._last_s = 0.0
        self._speeds: deque[float] = deque(maxlen=3)
        self._start_s: float | None = None
        self._said = False
        self._parts: list[tuple[float, float]] = []
        self._part_s = 0.0
        self._calm_s: float | None = None
        self._slow_s: float | None = None
        self._quiet_s = 0.0

    @property
    def moving(self) -> bool:
        """Whether a movement is under way."""
        return self._start_s is not None and self._said

    def take(self, time_s: float, positions: Float[np.ndarray, "joints 3"]) -> Movement | None:
        """Takes in a frame: a movement that has begun or ended with it; None when nothing changes."""
        options = self.options
        limbs = np.asarray(positions, dtype=np.float64)[self._limbs] - positions[self._root]
        if self._smooth is None or self._rest is None:
            self._smooth, self._rest, self._last_s, self._quiet_s = limbs, limbs.copy(), time_s, time_s
            return None
        step_s = time_s - self._last_s
        moved = (1 - np.exp(-step_s / options.smooth_s)) * (limbs - self._smooth)
        self._smooth = self._smooth + moved
        self._last_s = time_s
        self._speeds.append(float(np.linalg.norm(moved, axis=1).max()) / step_s)
        speed = float(np.median(self._speeds))  # one jump of a joint is no movement
        away = float(np.linalg.norm(self._smooth - self._rest, axis=1).max())
        slow, near = speed < options.rest_mps, away < options.rest_m
        if self._start_s is None:
            return self._at_rest(time_s, step_s, speed, away, slow and near)
        return self._in_movement(time_s, slow, near)

    def stop(self) -> Movement | None:
        """The body is gone: the movement that was under way, ended."""
        ended = self._ended(self._calm_s or self._last_s) if self._start_s is not None else None
        self.begin()
        return ended

    def _at_rest(self, time_s: float, step_s: float, speed: float, away: float, quiet: bool) -> Movement | None:
        assert self._rest is not None
        assert self._smooth is not None
        options = self.options
        if quiet:
            self._quiet_s = time_s
            self._rest += (1 - np.exp(-step_s / options.still_s)) * (self._smooth - self._rest)
        if speed > options.begin_mps or away > options.begin_m:
            self._start_s = self._part_s = self._quiet_s
            self._said, self._parts = False, []
            self._calm_s = self._slow_s = None
        return None

    def _in_movement(self, time_s: float, slow: bool, near: bool) -> Movement | None:
        assert self._start_s is not None
        options = self.options
        if not slow:
            if self._slow_s is not None and time_s - self._slow_s >= options.pause_s:
                self._parts.append((self._part_s, self._slow_s))
                self._part_s = time_s
            self._slow_s = None
        elif self._slow_s is None:
            self._slow_s = time_s
        if not (slow and near):
            self._calm_s = None
        elif self._calm_s is None:
            self._calm_s = time_s
        returned = self._calm_s is not None and time_s - self._calm_s >= options.rest_s
        elsewhere = self._slow_s is not None and time_s - self._slow_s >= options.still_s
        if returned or elsewhere or time_s - self._start_s > self.longest_s:
            ended = self._ended((self._calm_s if returned else self._slow_s) or time_s)
            self._start_s, self._quiet_s = None, time_s
            self._rest = None if self._smooth is None else self._smooth.copy()
            return ended
        if not self._said and (self._slow_s or time_s) - self._part_s >= options.least_s:
            self._said = True
            return Movement(self._part_s)
        return None

    def _ended(self, end_s: float) -> Movement | None:
        """The movement without what moved only shortly before its first pause and after its last one."""
        parts = [*self._parts, (self._part_s, end_s)]
        long = [each for each in parts if each[1] - each[0] >= self.options.least_s - TINY_S]
        return Movement(long[0][0], long[-1][1]) if self._said and long else None
