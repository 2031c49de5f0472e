"""A whole session: frames in, lines out; what is left out when there is no time; memory that does not grow."""

import json
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from made_stream import CAUSAL, MIRRORED, made_network, moving
from test_segments import body, seconds, up_and_down

from gesturelab.config.composing import compose
from gesturelab.config.data import Target
from gesturelab.errors import DataError
from gesturelab.export.contents import Contents
from gesturelab.export.model import Model
from gesturelab.preprocessing.scaler import no_scaler
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.stream.output import MOST_BAD_LINES, Lines
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Event, Session, StreamOptions, run
from gesturelab.stream.sources import (
    BadLine,
    Gone,
    Item,
    LineReader,
    LiveFrame,
    TcpSource,
    receive_one_by_one,
    receive_waiting,
)

CLASSES = tuple("abcdefghi")


def made_model(*overrides: str, temperature: float = 1.0) -> Model:
    network, window = made_network(*overrides)
    contents = Contents(
        name="made",
        size="tiny",
        target=Target.gesture,
        classes=CLASSES,
        model=compose(["model=tiny"]).model,
        features=network.features.config,
        window=window,
        skeleton=KINECT_V2,
        scaler=no_scaler(network.features.names),
        mirrored_classes=MIRRORED if network.mirrored_classes is not None else None,
        rate_hz=30.0,
        temperature=temperature,
        unsure_below=0.5,
        unsure_fitted=False,
        facts={"warnings": []},
    )
    return Model(contents, network)


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Sensor:
    """Gives a frame every thirtieth of a second by the clock, whether they are fetched or not."""

    def __init__(self, frames: np.ndarray, clock: Clock) -> None:
        self.frames, self.clock, self.given = frames, clock, 0
        self.most_waiting = 0

    def __iter__(self) -> Iterator[list[tuple[float, Item]]]:
        while self.given < len(self.frames):
            self.clock.now = max(self.clock.now, self.given / 30)
            came: list[tuple[float, Item]] = []
            while self.given < len(self.frames) and self.given / 30 <= self.clock.now:
                came.append((self.given / 30, LiveFrame(self.given / 30, self.frames[self.given].astype(np.float64))))
                self.given += 1
            self.most_waiting = max(self.most_waiting, len(came))
            yield came


def slowed(session: Session, clock: Clock, seconds_an_answer: float) -> None:
    """Makes each answer take so long."""
    answer = session.live.answer

    def slow():
        clock.now += seconds_an_answer
        return answer()

    session.live.answer = slow  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("overrides", "takes_s", "answers"),
    [((), 0.001, 90), ((), 0.05, 60), ((), 0.2, 15), (CAUSAL, 0.05, 60)],
)
def test_a_model_that_is_too_slow_answers_less_often_but_never_late(
    overrides: tuple[str, ...], takes_s: float, answers: int
):
    clock, said = Clock(), []
    session = Session(made_model(*overrides), StreamOptions(), clock)
    slowed(session, clock, takes_s)
    sensor = Sensor(moving(90), clock)
    run(session, sensor, said.append)
    found = [one for one in said if "latency_ms" in one]
    assert len(found) == pytest.approx(answers, abs=2)
    assert len(found) + sum(one["left_out"] for one in found) == 90, "every frame is answered or counted"
    assert session.body.counts.frames == 90, "every frame is taken in"
    assert sensor.most_waiting <= takes_s * 30 + 1, "what waits does not grow"
    for one in found:
        assert one["latency_ms"] <= 2 * 1000 * takes_s + 1, "and is no older at the end than at the beginning"
    assert found[-1]["time_s"] == pytest.approx(89 / 30, abs=1e-3), "the latest frame has an answer"
    assert session.summary()["left_out"] == 90 - len(found)


def played(session: Session, positions: np.ndarray) -> list[Event]:
    said: list[Event] = []
    items = (LiveFrame(number / 30, each.astype(np.float64)) for number, each in enumerate(positions))
    run(session, receive_one_by_one(items, session.clock), said.append)
    return said


def test_an_answer_says_what_the_network_says_calibrated():
    model = made_model(temperature=2.0)
    session = Session(model, StreamOptions(), Clock())
    frames = moving(40)
    one = [each for each in played(session, frames) if "label" in each][-1]
    window = torch.from_numpy(frames[[18, 21, 24, 27, 30, 33, 36, 39]][None])
    with torch.inference_mode():
        roots = model.recogniser.probabilities(window)[0].double().numpy() ** 0.5  # a temperature of 2
    expected = roots / roots.sum()
    assert one["label"] == CLASSES[expected.argmax()]
    assert one["confidence"] == pytest.approx(expected.max(), abs=1e-4)
    assert [value for _, value in one["top"]] == pytest.approx(sorted(expected, reverse=True)[:3], abs=1e-4)
    assert one["unsure"] == (expected.max() < 0.5)


def test_starts_and_ends_are_said_and_the_label_is_that_of_a_recording_of_the_gesture_alone():
    for overrides in ((), ("window.span=whole", "features=key")):
        model = made_model(*overrides)
        positions = body(np.concatenate([seconds(1), up_and_down(), seconds(1.5)]))
        session = Session(model, StreamOptions(segments=SegmentOptions(), every_s=1), Clock())
        events = [one for one in played(session, positions) if "event" in one]
        assert [one["event"] for one in events] == ["found", "start", "end"]
        end = events[-1]
        first, last = round(end["start_s"] * 30), round(end["end_s"] * 30)
        alone = model.predict(positions[first : last + 1], 30.0)
        assert end["label"] == alone.label
        assert end["confidence"] == pytest.approx(alone.confidence, abs=1e-3)


def test_a_body_that_is_lost_and_found_begins_anew():
    model = made_model(*CAUSAL)
    frames = moving(40).astype(np.float64)
    gone = np.full_like(frames[:30], np.nan)
    session = Session(model, StreamOptions(), Clock())
    said = played(session, np.concatenate([frames, gone, frames]))
    assert [one["event"] for one in said if "event" in one] == ["found", "lost", "found"]
    answers = [one for one in said if "label" in one]
    assert len(answers) == 80
    for once, again in zip(answers[:40], answers[40:], strict=True):
        assert [value for _, value in once["top"]] == pytest.approx([value for _, value in again["top"]], abs=2e-4)


def test_smoothing_keeps_answers_from_jumping():
    def jumps(smooth_s: float) -> float:
        session = Session(made_model(), StreamOptions(smooth_s=smooth_s), Clock())
        values: list[np.ndarray] = []
        for number, each in enumerate(moving(20)):
            session.take(0.0, LiveFrame(number / 30, each.astype(np.float64)))
            session.answer()
            assert session.probabilities is not None
            values.append(session.probabilities)
        return float(np.abs(np.diff(values, axis=0)).max())

    assert jumps(0.5) < jumps(0.0) / 3


def test_lines_go_where_they_belong_and_bad_ones_do_not_flood(capsys: pytest.CaptureFixture[str]):
    lines = Lines()
    lines({"time_s": 1.0, "label": "ü"})
    for number in range(100):
        lines({"event": "bad_line", "line": number, "problem": "x"})
    lines({"event": "summary"})
    out, errors = capsys.readouterr()
    assert out == '{"time_s": 1.0, "label": "ü"}\n'
    said = [json.loads(line) for line in errors.splitlines()]
    assert [one["event"] for one in said] == ["bad_line"] * MOST_BAD_LINES + ["more_bad_lines", "summary"]


def test_senders_come_and_go_on_a_port_of_this_machine():
    def lines(count: int) -> bytes:
        return b"".join(",".join(map(str, each.flatten())).encode() + b"\n" for each in moving(count))

    source = TcpSource("127.0.0.1", 0, lambda: LineReader(KINECT_V2, 30))
    assert source.host == "127.0.0.1"

    def send() -> None:
        for what in (lines(20), b"1,2\n" + lines(10), b"not,a,name\n" + lines(3)):
            with socket.create_connection((source.host, source.port)) as sender:
                sender.sendall(what)

    sender = threading.Thread(target=send)
    sender.start()
    inbox = receive_waiting(source, Clock())
    found: list[Item] = []
    while sum(isinstance(each, Gone) for each in found) < 3:
        found += [each for _, each in next(inbox)]
    sender.join()
    source.close()
    kinds = "".join({LiveFrame: "f", BadLine: "b", Gone: "g"}[type(each)] for each in found)
    assert kinds == "f" * 20 + "gb" + "f" * 10 + "gbg"


def test_an_error_of_the_source_reaches_the_session():
    def broken() -> Iterator[Item]:
        yield BadLine(1, "one")
        raise DataError("no more")

    with pytest.raises(DataError, match="no more"):
        run(Session(made_model(), StreamOptions(), Clock()), receive_waiting(broken(), Clock()), lambda event: None)
