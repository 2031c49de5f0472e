"""Windows' probabilities to gestures: against all sequences of classes, one by one, and what a stream may rely on."""

from itertools import groupby, pairwise, product

import numpy as np
import pytest

from gesturelab.stream.decoding import DecodedGesture, Decoder, DecoderOptions

CLASSES = ("wave", "rest", "clap")
EVERY_S, WINDOW_S = 0.2, 1.0


def decoder(**options: float) -> Decoder:
    longest_s = options.pop("longest_s", 20.0)
    return Decoder(CLASSES, "rest", WINDOW_S, DecoderOptions(**options), longest_s)


def feed(decoder: Decoder, rows: np.ndarray) -> list[list[DecodedGesture]]:
    """What is reported after each window; the first window begins at 0."""
    return [decoder.take(WINDOW_S + number * EVERY_S, row) for number, row in enumerate(rows)]


def ended(gestures: list[DecodedGesture]) -> list[tuple[str, float, float | None]]:
    return [(each.label, round(each.start_s, 6), round(each.end_s, 6)) for each in gestures if each.end_s is not None]


def best_sequence(rows: np.ndarray, change: float, background: float) -> tuple[int, ...]:
    """The most probable sequence, found by trying all."""
    logs = np.log(rows)
    logs[:, 1] -= background
    steps_s = [0.5] + [EVERY_S] * (len(rows) - 1)  # the first window counts for its first half

    def score(sequence: tuple[int, ...]) -> float:
        changes = sum(before != after for before, after in pairwise(sequence))
        return sum(logs[at, each] * steps_s[at] for at, each in enumerate(sequence)) - change * changes

    return max(product(range(len(CLASSES)), repeat=len(rows)), key=score)


@pytest.mark.parametrize("seed", range(8))
def test_the_most_probable_sequence_of_all_is_found(seed):
    draws = np.random.default_rng(seed)
    rows = draws.dirichlet([0.3] * 3, size=8).clip(0.01)
    change, background = float(draws.uniform(0.1, 0.6)), float(draws.uniform(0, 1))
    expected, place = [], 0
    for label, run in groupby(best_sequence(rows, change, background)):
        end = place + len(list(run))
        start_s = 0.0 if place == 0 else WINDOW_S / 2 + (place - 0.5) * EVERY_S
        end_s = WINDOW_S + 7 * EVERY_S if end == 8 else WINDOW_S / 2 + (end - 0.5) * EVERY_S
        if CLASSES[label] != "rest":
            expected.append((CLASSES[label], round(start_s, 6), round(end_s, 6)))
        place = end
    finder = decoder(change=change, background=background)
    reported = [each for some in feed(finder, rows) for each in some]
    assert ended([*reported, *finder.stop()]) == expected


def certain(*parts: tuple[str, int]) -> np.ndarray:
    """Windows that are fairly sure of one class after another."""
    rows = [[0.8 if name == label else 0.1 for name in CLASSES] for label, count in parts for _ in range(count)]
    return np.array(rows)


def test_a_gesture_is_reported_while_the_stream_goes_on():
    finder = decoder()
    reports = feed(finder, certain(("rest", 20), ("wave", 25), ("rest", 40)))
    starts = [at for at, some in enumerate(reports) for each in some if each.end_s is None]
    ends = [at for at, some in enumerate(reports) for each in some if each.end_s is not None]
    assert len(starts) == len(ends) == 1
    assert 20 <= starts[0] < 45 <= ends[0] < 85
    (gesture,) = (each for each in reports[ends[0]])
    assert (gesture.label, gesture.start_s, gesture.end_s) == ("wave", pytest.approx(4.4), pytest.approx(9.4))
    assert gesture.confidence == pytest.approx(0.8)
    assert finder.stop() == []


def test_a_short_doubt_neither_makes_nor_splits_a_gesture():
    rows = certain(("rest", 20), ("clap", 1), ("rest", 20), ("wave", 12), ("clap", 1), ("wave", 12), ("rest", 40))
    finder = decoder()
    reported = [each for some in feed(finder, rows) for each in some]
    assert [each[0] for each in ended(reported)] == ["wave"]


def test_windows_that_began_before_the_body_was_seen_do_not_count():
    finder = decoder()
    finder.begin(10.0)
    for end_s in np.arange(10.0, 10.9, EVERY_S):
        assert finder.take(float(end_s), np.array([0.98, 0.01, 0.01])) == []
    assert not finder.moving
    assert finder.stop() == []


def test_what_is_not_decided_for_long_is_taken_as_it_is_so_that_memory_does_not_grow():
    finder = decoder(change=50.0, longest_s=5.0)
    reports = feed(finder, certain(("wave", 60), ("clap", 400), ("rest", 400)))
    chains = []
    run = finder._runs[0]
    while run is not None:
        chains.append(run)
        run = run.parent
    assert len(chains) < 4
    assert {each.label for some in reports for each in some} >= {"wave", "clap"}
