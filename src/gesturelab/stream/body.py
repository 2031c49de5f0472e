"""One body in a stream of frames: what is missing is filled in, for a while; after that the body is lost."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from gesturelab.skeletons.skeleton import Skeleton
from gesturelab.stream.sources import LiveFrame

GAP_S = 0.5
"""A body that is not seen for longer is lost."""

NEW_CLOCK_FRAMES = 30
"""So many frames in a row that are earlier than one before, and the source has a new clock."""

LARGEST_GAP_FRAMES = 1000
"""No more than this are ever put into a gap."""


@dataclass
class Counts:
    """What came, and what was wrong with it.

    Attributes:
        frames: Lines that held a frame.
        bad_lines: Lines that held none.
        out_of_order: Frames no later than one before; dropped.
        without_body: Frames without the root, or with fewer than half of the joints.
        with_absent_joints: Frames with a joint that was filled in.
        missing: Frames that should have come in a gap; the body is taken to have moved straight.
        lost: How often the body was lost.
    """

    frames: int = 0
    bad_lines: int = 0
    out_of_order: int = 0
    without_body: int = 0
    with_absent_joints: int = 0
    missing: int = 0
    lost: int = 0


@dataclass(frozen=True, eq=False)
class Seen:
    """What a frame brought.

    Attributes:
        lost_s: When the body was last seen, if it is lost now.
        found: Whether a body is there that was not.
        frames: Times and whole positions, in order: those in a gap, then the frame's own; empty without a body.
    """

    lost_s: float | None = None
    found: bool = False
    frames: tuple[tuple[float, Float64[np.ndarray, "joints 3"]], ...] = ()


class Body:
    """Frames as they come to whole frames in order of time.

    - A frame that is no later than the one before is dropped. After `NEW_CLOCK_FRAMES` of them the source has a new
      clock, and the body is lost and found.
    - A joint that is absent stays where it was last seen from its parent, and so moves along with it; one that was not
      seen yet is where its parent is. Without the root, or with fewer than half of the joints, there is no body.
    - Up to `GAP_S` without a body are a gap: the body is taken to have moved straight. After more the body is lost.

    Args:
        skeleton: Whose joints they are.
        rate_hz: Frames a second that are expected.
        fill: Put the missing frames into gaps, for windows that count frames.
    """

    def __init__(self, skeleton: Skeleton, rate_hz: float, *, fill: bool = False) -> None:
        self.skeleton = skeleton
        self.rate_hz = rate_hz
        self.fill = fill
        self.counts = Counts()
        self._order = _parents_first(skeleton)
        self._latest_s = -np.inf
        self._late = 0
        self._last: LiveFrame | None = None
        self._bones = np.zeros((len(skeleton.joints), 3))

    @property
    def there(self) -> bool:
        """Whether there is a body."""
        return self._last is not None

    def leave(self) -> float | None:
        """The source is gone, and with it the body: when it was last seen, if it was there."""
        self._latest_s, self._late = -np.inf, 0
        if self._last is None:
            return None
        last_s, self._last = self._last.time_s, None
        self.counts.lost += 1
        return last_s

    def take(self, frame: LiveFrame) -> Seen:
        """Takes in the next frame."""
        self.counts.frames += 1
        lost_s: float | None = None
        if frame.time_s <= self._latest_s:
            self._late += 1
            if self._late <= NEW_CLOCK_FRAMES:
                self.counts.out_of_order += 1
                return Seen()
            lost_s = self.leave()
        self._late = 0
        self._latest_s = frame.time_s
        absent: Bool[np.ndarray, " joints"] = np.asarray(np.isnan(frame.positions).any(axis=1))
        if self._last is not None and frame.time_s - self._last.time_s > GAP_S:
            self._last, lost_s = None, self._last.time_s
            self.counts.lost += 1
        if absent[self.skeleton.root] or 2 * int(absent.sum()) > len(absent):
            self.counts.without_body += 1
            return Seen(lost_s)
        if self._last is None:
            self._bones[:] = 0
        whole = LiveFrame(frame.time_s, self._filled(frame.positions, absent))
        before, self._last = self._last, whole
        between = [] if before is None else self._between(before, whole)
        return Seen(lost_s, before is None, (*between, (whole.time_s, whole.positions)))

    def _filled(
        self, positions: Float64[np.ndarray, "joints 3"], absent: Bool[np.ndarray, " joints"]
    ) -> Float64[np.ndarray, "joints 3"]:
        whole = positions.copy()
        parents = self.skeleton.parents
        if absent.any():
            self.counts.with_absent_joints += 1
            for joint in self._order:
                if absent[joint]:
                    whole[joint] = whole[parents[joint]] + self._bones[joint]
        self._bones = whole - whole[list(parents)]
        return whole

    def _between(self, before: LiveFrame, now: LiveFrame) -> list[tuple[float, Float64[np.ndarray, "joints 3"]]]:
        gap_s = now.time_s - before.time_s
        missing = min(round(gap_s * self.rate_hz) - 1, LARGEST_GAP_FRAMES)
        if missing < 1:
            return []
        self.counts.missing += missing
        shares = np.arange(1, missing + 1) / (missing + 1) if self.fill else []
        return [
            (before.time_s + share * gap_s, before.positions * (1 - share) + now.positions * share) for share in shares
        ]


def _parents_first(skeleton: Skeleton) -> list[int]:
    order, joints = [skeleton.root], range(len(skeleton.joints))
    while len(order) < len(joints):
        order += [joint for joint in joints if joint not in order and skeleton.parents[joint] in order]
    return order
