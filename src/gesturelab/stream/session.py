"""Frames in; answers, and the start and end of gestures, out.

What a body lacks is filled in, for a while; after that the body is lost.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from gesturelab.config.data import Span
from gesturelab.datasets.untrimmed import BACKGROUND
from gesturelab.errors import ConfigError, RecordingError
from gesturelab.evaluation.calibration import with_temperature
from gesturelab.export.model import Model, OnnxModel
from gesturelab.skeletons.skeleton import Skeleton
from gesturelab.stream.decoding import DecodedGesture, Decoder, DecoderOptions
from gesturelab.stream.live import SAME_S, LiveAnswer, LiveRecogniser
from gesturelab.stream.segments import Movement, Segmenter, SegmentOptions
from gesturelab.stream.sources import MOST_WAITING, Arrivals, BadLine, Gone, Item, LiveFrame
from gesturelab.stream.window import window_seconds

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


TOP = 3
"""So many classes are named in an answer."""

LATENCIES = 10_000
"""The summary's percentiles are of so many answers, the last ones."""

Event = dict[str, Any]
"""What is written as one line of JSON."""


@dataclass(frozen=True)
class StreamOptions:
    """What to say, and how often.

    Attributes:
        rate_hz: Frames a second that the source gives; None: what the model was made for.
        every_s: Seconds from answer to answer at least; 0: each frame.
        smooth_s: Time constant of the smoothing; 0: none.
        segments: When a movement is one; None: starts and ends are not looked for.
        longest_s: How much of the past is kept: no gesture is longer.
        decoder: What takes the place of `segments` for a model of sliding windows that knows the background.
    """

    rate_hz: float | None = None
    every_s: float = 0.0
    smooth_s: float = 0.0
    segments: SegmentOptions | None = None
    longest_s: float = 20.0
    decoder: DecoderOptions = field(default_factory=DecoderOptions)


class Smoother:
    """Exponential smoothing over time: what was said so many seconds ago counts 1/e of what is said now.

    Args:
        seconds: The time constant; 0 changes nothing.

    >>> smoother = Smoother(1.0)
    >>> smoother(0.0, np.array([1.0, 0.0])).tolist()
    [1.0, 0.0]
    >>> smoother(1.0, np.array([0.0, 1.0])).round(3).tolist()
    [0.368, 0.632]
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begin()

    def begin(self) -> None:
        """Forgets what was said."""
        self._last_s = 0.0
        self._mean: Float64[np.ndarray, " classes"] | None = None

    def __call__(
        self, time_s: float, probabilities: Float64[np.ndarray, " classes"]
    ) -> Float64[np.ndarray, " classes"]:
        """The mean so far, the latest counting most."""
        before, share = self._mean, 1.0
        if before is not None and self.seconds:
            share = 1 - np.exp((self._last_s - time_s) / self.seconds)
        mean = probabilities if before is None else before + share * (probabilities - before)
        self._mean, self._last_s = mean, time_s
        return mean


class Session:
    """All that is known of one stream; its memory does not grow.

    Args:
        model: Who answers.
        options: What to say.
        clock: Seconds, the one that arrivals are timed by.

    Attributes:
        probabilities: Of the last answer, calibrated and smoothed.
    """

    def __init__(self, model: Model, options: StreamOptions, clock: Callable[[], float]) -> None:
        self.model = model
        self.options = options
        self.clock = clock
        contents = model.contents
        self.rate_hz = options.rate_hz or contents.rate_hz
        model.refuse_other_rate(self.rate_hz)
        self.body = Body(model.skeleton, self.rate_hz, fill=contents.window.rate_hz is None)
        self.live = LiveRecogniser(
            model if isinstance(model, OnnxModel) else model.recogniser,
            contents.window,
            rate_hz=self.rate_hz,
            every_s=options.every_s,
            longest_s=options.longest_s,
        )
        self.segmenter: Segmenter | None = None
        self.decoder: Decoder | None = None
        if options.segments is not None and BACKGROUND in model.classes and contents.window.span is Span.sliding:
            if model.none_of_these:
                raise ConfigError(
                    "--none-of-these: this model tells gestures from its class background, and a gesture that it found "
                    "is not asked about again; leave the option out"
                )
            if options.segments != SegmentOptions():
                raise ConfigError(
                    "--begin-m and the other thresholds of movement: this model tells gestures from its class "
                    "background and uses none of them; leave them out"
                )
            window_s = window_seconds(contents.window, self.rate_hz)
            self.decoder = Decoder(model.classes, BACKGROUND, window_s, options.decoder, options.longest_s)
        elif options.segments is not None:
            self.segmenter = Segmenter(model.skeleton, options.segments, options.longest_s)
        self.smoother = Smoother(options.smooth_s)
        self.answers = self.left_out = self.gestures = 0
        self._latencies_ms: deque[float] = deque(maxlen=LATENCIES)
        self._ended: list[tuple[float, float, Float32[np.ndarray, "frames joints 3"]]] = []
        self._decoded: list[DecodedGesture] = []
        self.probabilities: Float64[np.ndarray, " classes"] | None = None
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=MOST_WAITING)

    def take(self, arrived_s: float, item: Item) -> list[Event]:
        """Takes in what came; costs next to nothing, so that frames never wait for answers.

        Returns:
            What is to be said at once.
        """
        if isinstance(item, BadLine):
            self.body.counts.bad_lines += 1
            return [{"event": "bad_line", "line": item.line, "problem": item.problem}]
        if isinstance(item, Gone):
            return self._lost(self.body.leave())
        seen = self.body.take(item)
        events = self._lost(seen.lost_s)
        if seen.found:
            self._begin(item.time_s)
            events.append({"event": "found", "time_s": _seconds(item.time_s)})
        if seen.frames:
            self._arrivals.append((item.time_s, arrived_s))
        for time_s, positions in seen.frames:
            self.live.take(time_s, positions)
            if self.segmenter is not None:
                events += self._segment(self.segmenter.take(time_s, positions))
        return events

    def answer(self) -> Event | None:
        """What the latest moment shows; None if nothing new has come. `settle` must follow."""
        answer = self.live.answer()
        if answer is None:
            return None
        event = self._event(answer)
        latency_ms = 1000 * (self.clock() - self._arrived_s(answer.time_s))
        self._latencies_ms.append(latency_ms)
        self.answers += 1
        self.left_out += answer.left_out
        return event | {"latency_ms": round(latency_ms, 2), "left_out": answer.left_out}

    def settle(self) -> list[Event]:
        """Does what could wait until the answer was given: gestures that have ended get their labels."""
        self.live.settle()
        ended, self._ended = self._ended, []
        decoded, self._decoded = self._decoded, []
        return [*(self.label(*each) for each in ended), *map(self._decoded_event, decoded)]

    def finish(self) -> list[Event]:
        """The stream is over: a gesture that was under way has ended."""
        return [*self._stop_movement(), *self.settle()]

    def summary(self) -> Event:
        """What came and what was said."""
        values = np.quantile(self._latencies_ms, (0.5, 0.99)).round(2).tolist() if self._latencies_ms else [None, None]
        return {
            "event": "summary",
            **asdict(self.body.counts),
            "answers": self.answers,
            "left_out": self.left_out,
            "gestures": self.gestures,
            "latency_ms_p50": values[0],
            "latency_ms_p99": values[1],
        }

    def _arrived_s(self, moment_s: float) -> float:
        """When the frame came that a moment's answer waited for: the first one that is no earlier."""
        while len(self._arrivals) > 1 and self._arrivals[0][0] < moment_s - SAME_S:
            self._arrivals.popleft()
        return self._arrivals[0][1]

    def _begin(self, time_s: float) -> None:
        self.live.begin()
        self._arrivals.clear()
        self.smoother.begin()
        if self.segmenter is not None:
            self.segmenter.begin()
        if self.decoder is not None:
            self.decoder.begin(time_s)

    def _lost(self, last_s: float | None) -> list[Event]:
        if last_s is None:
            return []
        return [*self._stop_movement(), {"event": "lost", "time_s": _seconds(last_s)}]

    def _stop_movement(self) -> list[Event]:
        if self.decoder is not None:
            self._decoded += self.decoder.stop()
        return [] if self.segmenter is None else self._segment(self.segmenter.stop())

    def _segment(self, movement: Movement | None) -> list[Event]:
        if movement is None or self.segmenter is None:
            return []
        margin_s = self.segmenter.options.margin_s
        held_s = float(self.live.buffer.times[0])
        start_s = max(held_s, movement.start_s - margin_s)
        if movement.end_s is None:
            self.live.since_s = start_s
            return [{"event": "start", "time_s": _seconds(start_s)}]
        end_s = min(float(self.live.buffer.times[-1]), movement.end_s + margin_s)
        times = np.arange(max(1, round((end_s - start_s) * self.rate_hz) + 1)) / self.rate_hz + start_s
        # the label is made when there is time, and the buffer may hold another body by then
        self._ended.append((start_s, end_s, self.live.buffer.at(times)))
        self.live.since_s = end_s
        return []

    def label(self, start_s: float, end_s: float, positions: Float32[np.ndarray, "frames joints 3"]) -> Event:
        """The end of a gesture: what a recording of it alone would be taken for."""
        self.gestures += 1
        event: Event = {"event": "end", "start_s": _seconds(start_s), "end_s": _seconds(end_s)}
        try:
            prediction = self.model.predict(positions, self.rate_hz)
        except RecordingError:  # shorter than a window, and window.short=drop
            return event | {"label": None, "confidence": None, "unsure": True}
        confidence = round(prediction.confidence, 4)
        return event | {"label": prediction.label, "confidence": confidence, "unsure": prediction.unsure}

    def _decoded_event(self, gesture: DecodedGesture) -> Event:
        if gesture.end_s is None or gesture.confidence is None:
            return {"event": "start", "time_s": _seconds(gesture.start_s)}
        self.gestures += 1
        return {
            "event": "end",
            "start_s": _seconds(gesture.start_s),
            "end_s": _seconds(gesture.end_s),
            "label": gesture.label,
            "confidence": round(gesture.confidence, 4),
            "unsure": gesture.confidence < self.model.contents.unsure_below,
        }

    def _event(self, answer: LiveAnswer) -> Event:
        contents = self.model.contents
        calibrated = with_temperature(answer.probabilities[None], contents.temperature)[0]
        smooth = self.smoother(answer.time_s, calibrated)
        best = np.argsort(-smooth, kind="stable")[:TOP].tolist()
        confidence = float(smooth[best[0]])
        self.probabilities = smooth
        event: Event = {
            "time_s": _seconds(answer.time_s),
            "label": contents.classes[best[0]],
            "confidence": round(confidence, 4),
            "top": [[contents.classes[at], round(float(smooth[at]), 4)] for at in best],
            "unsure": confidence < contents.unsure_below,
        }
        if self.decoder is not None:
            self._decoded += self.decoder.take(answer.time_s, calibrated)
        if (finder := self.decoder or self.segmenter) is not None:
            event["moving"] = finder.moving
        return event


def _seconds(value: float) -> float:
    return round(value, 4)


def run(session: Session, arrivals: Arrivals, say: Callable[[Event], None]) -> None:
    """Runs until nothing comes any more.

    Args:
        session: What is known of the stream.
        arrivals: Where frames come from. While an answer is made, frames wait there; then all are taken in at once, and
            only the latest one is answered, so that what waits never grows.
        say: Gets every answer and event.

    Raises:
        GesturelabError: If the source can go on no longer.
    """
    for received in arrivals:
        for arrived_s, item in received:
            for event in session.take(arrived_s, item):
                say(event)
        if (answer := session.answer()) is not None:
            say(answer)
        for event in session.settle():
            say(event)
    for event in session.finish():
        say(event)
