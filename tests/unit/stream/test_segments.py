"""Where movements begin and end."""

import numpy as np
import pytest
from made_stream import moving

from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.stream.segments import Movement, Segmenter, SegmentOptions

RATE = 30
WRIST = KINECT_V2.index("WristLeft")


def body(raised_m: np.ndarray, seed: int = 0) -> np.ndarray:
    """A body that raises its left wrist so far at each frame, seen by a sensor with some noise."""
    draws = np.random.default_rng(seed)
    positions = np.repeat(moving(1), len(raised_m), axis=0) + draws.normal(0, 0.003, (len(raised_m), 25, 3))
    positions[:, WRIST, 1] += raised_m
    return positions


def seconds(count: float) -> np.ndarray:
    return np.zeros(round(count * RATE))


def up_and_down(hold_s: float = 0.0) -> np.ndarray:
    """Half a metre up in a second, and down again."""
    up = 0.25 * (1 - np.cos(np.linspace(0, np.pi, RATE)))
    return np.concatenate([up, np.full(round(hold_s * RATE), 0.5), up[::-1]])


def found(positions: np.ndarray, longest_s: float = 20.0) -> list[Movement]:
    segmenter = Segmenter(KINECT_V2, SegmentOptions(), longest_s)
    said = [segmenter.take(number / RATE, frame) for number, frame in enumerate(positions)]
    return [one for one in [*said, segmenter.stop()] if one is not None]


def test_a_body_at_rest_makes_no_gesture():
    assert found(body(seconds(20))) == []


def test_each_movement_has_its_start_and_end():
    rest = seconds(2)
    said = found(body(np.concatenate([rest, up_and_down(), rest, up_and_down(), rest])))
    assert [one.end_s is None for one in said] == [True, False, True, False]
    for (begun, ended), first_s in zip([said[:2], said[2:]], (2.0, 6.0), strict=True):
        assert begun.start_s == ended.start_s == pytest.approx(first_s, abs=0.3)
        assert ended.end_s == pytest.approx(first_s + 2, abs=0.4)


def test_a_pause_at_the_top_does_not_cut_a_movement_in_two():
    short = SegmentOptions().still_s / 2
    said = found(body(np.concatenate([seconds(2), up_and_down(short), seconds(2)])))
    assert len(said) == 2
    assert said[1].end_s == pytest.approx(4 + short, abs=0.4)


def test_a_limb_that_stays_elsewhere_has_a_new_rest():
    up = up_and_down()[:RATE]
    said = found(body(np.concatenate([seconds(2), up, np.full(5 * RATE, 0.5), up[::-1], seconds(3)])))
    assert [one.end_s is None for one in said] == [True, False, True, False]
    assert said[1].end_s == pytest.approx(3, abs=0.4)
    assert said[2].start_s == pytest.approx(8, abs=0.4)


def test_a_body_that_walks_stiffly_makes_no_gesture():
    positions = body(seconds(6))
    positions[:, :, 0] += np.linspace(0, 3, len(positions))[:, None]
    assert found(positions) == []


def test_one_jump_of_a_joint_is_no_gesture():
    raised = seconds(6)
    raised[60] = 0.6
    assert found(body(raised)) == []


def test_a_body_that_leaves_ends_its_movement():
    said = found(body(np.concatenate([seconds(2), up_and_down()[:40]])))
    assert len(said) == 2
    assert said[1].end_s == pytest.approx(2 + 39 / RATE, abs=0.1)


def test_a_movement_without_end_is_ended():
    waving = 0.3 * np.sin(np.arange(30 * RATE) / 5)
    said = found(body(waving), longest_s=10)
    ends = [one.end_s - one.start_s for one in said if one.end_s is not None]
    assert len(ends) >= 3
    assert max(ends) <= 10.1
