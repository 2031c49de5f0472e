"""The loop of a live session: take in all that has come, answer for the latest frame, then do what could wait."""

from collections.abc import Callable

from gesturelab.stream.inbox import Arrivals
from gesturelab.stream.session import Event, Session


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
    while (came := arrivals.take()) is not None:
        for arrived_s, item in came:
            for event in session.take(arrived_s, item):
                say(event)
        if (answer := session.answer()) is not None:
            say(answer)
        for event in session.settle():
            say(event)
    for event in session.finish():
        say(event)
