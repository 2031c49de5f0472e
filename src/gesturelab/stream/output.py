"""What a live session says: lines of JSON, or bars in a terminal."""

import json
import sys
import time
from collections import deque
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gesturelab.stream.session import Event, Session

MOST_BAD_LINES = 20
"""So many bad lines are named; after that they are only counted."""

VIEW_HZ = 15
"""How often the view is drawn."""

BAR = 30
"""Characters of a whole bar."""


class Lines:
    """Answers, and starts and ends of gestures, on standard output; all else on standard error."""

    def __init__(self) -> None:
        self._bad = 0

    def __call__(self, event: Event) -> None:
        """Writes a line."""
        kind = event.get("event")
        if kind == "bad_line":
            self._bad += 1
            if self._bad > MOST_BAD_LINES:
                return
        stream = sys.stderr if kind in ("bad_line", "listening", "summary") else sys.stdout
        print(json.dumps(event, ensure_ascii=False, allow_nan=False), file=stream, flush=True)
        if kind == "bad_line" and self._bad == MOST_BAD_LINES:
            more = {"event": "more_bad_lines", "problem": "from here on they are counted, not named"}
            print(json.dumps(more), file=sys.stderr, flush=True)


class View(Live):
    """Bars of the classes, the gesture under way and the last ones, rate and latency; use it in a ``with``.

    Args:
        session: Whose answers.
        console: Where.
        clock: Seconds.
    """

    def __init__(self, session: Session, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._answer: Event | None = None
        self._gestures: deque[Event] = deque(maxlen=5)
        self._notes: deque[str] = deque(maxlen=2)
        self._drawn_s = float("-inf")
        self._answered: deque[float] = deque(maxlen=30)
        super().__init__(console=console, auto_refresh=False)

    def __call__(self, event: Event) -> None:
        """Takes in what was said; draws now and then."""
        kind = event.get("event")
        if kind is None:
            self._answer = event
            self._answered.append(self._clock())
        elif kind == "end":
            self._gestures.append(event)
        elif kind != "start":
            self._notes.append(" ".join(map(str, event.values())))
        if self._clock() - self._drawn_s >= 1 / VIEW_HZ:
            self._drawn_s = self._clock()
            self.refresh()

    def get_renderable(self) -> Table:
        """The picture."""
        session, answer = self._session, self._answer
        table = Table(show_header=False, box=None, pad_edge=False)
        values = session.probabilities
        if answer is not None and values is not None:
            sure = "unsure" if answer["unsure"] else f"{answer['confidence']:.0%}"
            moving = {True: "moving", False: "at rest", None: ""}[answer.get("moving")]
            table.add_row(Text(answer["label"], style="bold"), sure, moving)
            for name, value in zip(session.model.classes, values.tolist(), strict=True):
                mark = "bold" if name == answer["label"] else ""
                table.add_row(Text(name, style=mark), Text("█" * round(BAR * value), style=mark), f"{value:.2f}")
            span_s = self._answered[-1] - self._answered[0]
            rate = f"{(len(self._answered) - 1) / span_s:.0f} answers/s" if span_s > 0 else ""
            table.add_row(f"{answer['time_s']:.1f} s", rate, f"{answer['latency_ms']:.1f} ms")
        counts = session.body.counts
        table.add_row(f"{counts.frames} frames", f"{session.left_out} answers left out", "")
        for gesture in self._gestures:
            sure = "unsure" if gesture["unsure"] else f"{gesture['confidence']:.0%}"
            table.add_row(f"{gesture['start_s']:.1f} to {gesture['end_s']:.1f} s", Text(str(gesture["label"])), sure)
        for note in self._notes:
            table.add_row("", Text(note, style="dim"), "")
        return table
