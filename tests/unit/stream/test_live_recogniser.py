"""What the live recogniser says frame after frame is what recordings get."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_stream import CAUSAL, made_network, moving

from conftest import dataset_of, walker
from gesturelab.config.data import WindowConfig
from gesturelab.models.recogniser import Recogniser, is_causal
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.preprocessing.windows import cut_live
from gesturelab.stream.live import LiveAnswer, LiveRecogniser

MODELS = {
    "body": ("features=body",),
    "movement": ("features=movement", "model.bidirectional=true", "augment.mirror_at_test=true"),
    "whole": ("features=key", "window.span=whole", "model.pooling=max"),
    "drop": ("features=raw", "window.short=drop"),
    "rolling": CAUSAL,
    "rolling, mirrored": (*CAUSAL, "augment.mirror_at_test=true", "model.pooling=mean"),
}
WINDOWS = [
    *((name, "10", 30.0) for name in MODELS),
    *((name, "null", 30.0) for name in ("body", "drop", "rolling, mirrored")),
    *((name, rate, hz) for name in ("body", "rolling") for rate, hz in (("12.5", 30.0), ("10", 25.0))),
]


def play(live: LiveRecogniser, positions: np.ndarray, times: np.ndarray) -> list[LiveAnswer]:
    """Answers while a body moves, frame after frame."""
    live.begin()
    found = []
    for number, (time_s, frame) in enumerate(zip(times, positions, strict=True)):
        live.take(float(time_s), frame)
        if live.rolling is None and number % 12 and number < len(times) - 1:
            continue  # which frames are asked for makes no difference to whole windows
        said = live.answer()
        live.settle()
        if said is not None:
            found.append(said)
    return found


def as_recordings(
    network: Recogniser, window: WindowConfig, positions: np.ndarray, rate_hz: float
) -> dict[int, np.ndarray]:
    """By the last frame: the probabilities of the windows that `gesturelab train` writes for its player."""
    dataset = dataset_of([replace(walker("one", len(positions), rate_hz=rate_hz), positions=positions)])
    live = cut_live(dataset, np.array([0]), window)
    store = FrameStore(dataset, live.windows, torch.device("cpu"), live.last)
    with torch.inference_mode():
        said = network.probabilities(store.gather(torch.arange(len(live.windows))).positions)
    return dict(zip(live.last.tolist(), said.numpy(), strict=True))


@pytest.mark.parametrize(("name", "rate", "rate_hz"), WINDOWS)
def test_each_answer_is_that_of_the_window_that_ends_there(name: str, rate: str, rate_hz: float):
    network, window = made_network(*MODELS[name], f"window.rate_hz={rate}")
    positions = moving(61)
    wanted = as_recordings(network, window, positions, rate_hz)
    live = LiveRecogniser(network, window, rate_hz=rate_hz)
    found = {round(one.time_s * rate_hz, 3): one for one in play(live, positions, np.arange(61) / rate_hz)}
    compared = 0
    for last, probabilities in wanted.items():
        if last not in found:
            continue  # the clock of open windows does not tick at this frame
        assert found[last].probabilities == pytest.approx(probabilities, abs=1e-5), last
        compared += 1
    assert compared >= (4 if rate_hz == 30 and rate != "12.5" else 1)
    spread = np.ptp([one.probabilities for one in found.values()], axis=0)
    assert spread.max() > 1e-3, "the answers differ from one another"


@pytest.mark.parametrize(
    ("pooling", "mirrored", "every_s"),
    [("last", True, 0.0), ("mean", False, 1 / 15), ("max", True, 0.2), ("attention", True, 0.0)],
)
def test_open_windows_answer_as_whole_ones(pooling: str, mirrored: bool, every_s: float):
    more = (f"model.pooling={pooling}", f"augment.mirror_at_test={str(mirrored).lower()}", "features.bones=true")
    network, window = made_network(*CAUSAL, *more, "model.layers=3")
    draws = np.random.default_rng(1)
    times = np.cumsum(draws.uniform(0.02, 0.06, 60))  # no regular clock
    live = LiveRecogniser(network, window, every_s=every_s)
    assert live.rolling is not None
    found = play(live, moving(60), times)
    whole = LiveRecogniser(network, window, rolling=False)
    assert whole.rolling is None
    for time_s, frame in zip(times, moving(60), strict=True):
        whole.take(float(time_s), frame)
    assert len(found) > 8
    for one in found[-8:]:
        again = whole.at(one.time_s)
        assert one.probabilities == pytest.approx(again, abs=1e-5)


def test_open_windows_are_as_many_as_are_asked_for():
    network, window = made_network(*CAUSAL)
    for every_s, count in ((0.0, 21), (0.1, 7), (0.2, 3), (0.4, 1)):
        live = LiveRecogniser(network, window, every_s=every_s)
        play(live, moving(30), np.arange(30) / 30)
        assert live.rolling is not None
        assert live.rolling.under_way in (count, count + 1)


@pytest.mark.parametrize(
    ("overrides", "causal"),
    [
        (CAUSAL, True),
        ((*CAUSAL, "features.centre=none", "features.angles=true"), True),
        ((*CAUSAL, "features.centre=window"), False),
        ((*CAUSAL, "features.body_scale=true"), False),
        ((*CAUSAL, "features.displacements=true"), False),
        ((*CAUSAL, "features.face_sensor=true"), False),
        ((*CAUSAL, "features.summary=true"), False),
        ((*CAUSAL, "model.bidirectional=true"), False),
    ],
)
def test_windows_are_kept_open_only_where_nothing_looks_ahead(overrides: tuple[str, ...], causal: bool):
    network, window = made_network(*overrides)
    assert is_causal(network) == causal
    assert (LiveRecogniser(network, window).rolling is not None) == causal


def test_a_body_found_anew_knows_nothing_of_the_one_before():
    network, window = made_network(*CAUSAL)
    live = LiveRecogniser(network, window)
    once = play(live, moving(40), np.arange(40) / 30)
    play(live, moving(40, seed=5), np.arange(40) / 30 + 100)
    again = play(live, moving(40), np.arange(40) / 30 + 200)
    for one, other in zip(once, again, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize("overrides", [CAUSAL, ()], ids=["rolling", "whole"])
def test_frames_that_wait_are_taken_in_and_the_latest_is_answered(overrides: tuple[str, ...]):
    network, window = made_network(*overrides)
    frames, times = moving(90), np.arange(90) / 30
    whole = LiveRecogniser(network, window, rolling=False)
    live = LiveRecogniser(network, window)
    for at in range(0, 60, 6):
        for each in range(at, at + 6):
            live.take(times[each], frames[each])
            whole.take(times[each], frames[each])
        said = live.answer()
        assert said is not None
        assert said.left_out == 5
        assert said.time_s == pytest.approx(times[at + 5], abs=1e-3)
        assert said.probabilities == pytest.approx(whole.at(said.time_s), abs=1e-5)


def test_far_behind_windows_are_given_up_and_what_remains_is_right():
    network, window = made_network(*CAUSAL)
    frames, times = moving(240), np.arange(240) / 30
    live = LiveRecogniser(network, window)
    play(live, frames[:30], times[:30])
    for at in range(30, 70):  # more than a second
        live.take(times[at], frames[at])
    live.answer()
    assert live.rolling is not None
    assert live.rolling.every == 3
    whole = LiveRecogniser(network, window, rolling=False)
    for at in range(70):
        whole.take(times[at], frames[at])
    for at in range(70, 150):
        live.take(times[at], frames[at])
        whole.take(times[at], frames[at])
        said = live.answer()
        assert (said is None) == bool(at % 3), "every third frame has an answer, those between need no step"
        if said is not None:
            assert said.left_out == (2 if at > 72 else said.left_out)
            assert said.probabilities == pytest.approx(whole.at(said.time_s), abs=1e-5)
    for at in range(150, 240):
        live.take(times[at], frames[at])
        whole.take(times[at], frames[at])
        if at % 15 == 14:  # half a second behind each time
            said = live.answer()
    assert live.rolling is None, "in the end no window is kept open"
    assert said is not None
    assert said.time_s == times[239]
    assert said.probabilities == pytest.approx(whole.at(said.time_s), abs=1e-5)
    live.begin()
    assert live.rolling is not None
    assert live.rolling.every == 1, "another body, another try"


def test_a_pause_longer_than_the_buffer_begins_anew():
    network, window = made_network(*CAUSAL)
    count = live_capacity = LiveRecogniser(network, window, longest_s=0.1).buffer.capacity
    frames, times = moving(count + 40), np.arange(count + 40) / 30
    live = LiveRecogniser(network, window, longest_s=0.1)
    live.take(times[0], frames[0])
    live.answer()
    live.settle()
    for at in range(1, count + 39):
        live.take(times[at], frames[at])
    assert len(live.buffer) == live_capacity, "it does not grow"
    said = live.answer()
    assert said is not None
    assert said.probabilities == pytest.approx(live.at(said.time_s), abs=1e-5)
    assert live.rolling is not None
    assert live.rolling.under_way < 24
    live.take(times[count + 39], frames[count + 39])
    assert live.answer() is not None
