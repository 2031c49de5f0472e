"""What is wrong with a stream of frames, and what becomes of it."""

import numpy as np
import pytest
from made_stream import moving

from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.stream.session import GAP_S, NEW_CLOCK_FRAMES, Body
from gesturelab.stream.sources import LiveFrame

ELBOW, WRIST, HAND = (KINECT_V2.index(f"{name}Left") for name in ("Elbow", "Wrist", "Hand"))


@pytest.fixture
def frames() -> list[LiveFrame]:
    return [LiveFrame(number / 30, each.astype(np.float64)) for number, each in enumerate(moving(60))]


def test_whole_frames_pass_as_they_are(frames: list[LiveFrame]):
    body = Body(KINECT_V2, 30)
    for number, frame in enumerate(frames):
        seen = body.take(frame)
        assert seen.found == (number == 0)
        ((time_s, positions),) = seen.frames
        assert time_s == frame.time_s
        assert (positions == frame.positions).all()
    assert vars(body.counts) == dict.fromkeys(vars(body.counts), 0) | {"frames": 60}


def test_an_absent_joint_moves_along_with_its_parent(frames: list[LiveFrame]):
    body = Body(KINECT_V2, 30)
    for frame in frames[:10]:
        body.take(frame)
    bone = frames[9].positions[WRIST] - frames[9].positions[ELBOW]
    hand = frames[9].positions[HAND] - frames[9].positions[WRIST]
    for frame in frames[10:20]:
        frame.positions[[WRIST, HAND]] = np.nan
        ((_, positions),) = body.take(frame).frames
        assert positions[WRIST] == pytest.approx(frame.positions[ELBOW] + bone)
        assert positions[HAND] == pytest.approx(frame.positions[ELBOW] + bone + hand), "a chain of them too"
    assert body.counts.with_absent_joints == 10


def test_a_joint_that_was_never_seen_is_at_its_parent(frames: list[LiveFrame]):
    body = Body(KINECT_V2, 30)
    frames[0].positions[WRIST] = np.nan
    ((_, positions),) = body.take(frames[0]).frames
    assert (positions[WRIST] == frames[0].positions[ELBOW]).all()


@pytest.mark.parametrize("absent", [[KINECT_V2.root], list(range(1, 14))])
def test_without_root_or_most_joints_there_is_no_body_and_after_a_while_it_is_lost(
    frames: list[LiveFrame], absent: list[int]
):
    body = Body(KINECT_V2, 30)
    for frame in frames[:10]:
        body.take(frame)
    lost = []
    for frame in frames[10:40]:
        frame.positions[absent] = np.nan
        seen = body.take(frame)
        assert not seen.frames
        if seen.lost_s is not None:
            lost.append((frame.time_s, seen.lost_s))
    ((when, since),) = lost
    assert since == frames[9].time_s
    assert GAP_S < when - since < GAP_S + 2 / 30
    assert body.take(frames[40]).found, "and is found again"
    assert (body.counts.lost, body.counts.without_body) == (1, 30)


def test_short_gaps_are_crossed_in_a_straight_line_where_frames_count(frames: list[LiveFrame]):
    for fill, expected in ((True, 4), (False, 1)):
        body = Body(KINECT_V2, 30, fill=fill)
        body.take(frames[0])
        seen = body.take(frames[4])
        assert [time_s for time_s, _ in seen.frames] == pytest.approx([1 / 30, 2 / 30, 3 / 30, 4 / 30][-expected:])
        if fill:
            assert seen.frames[1][1] == pytest.approx((frames[0].positions + frames[4].positions) / 2)
        assert body.counts.missing == 3


def test_a_long_gap_loses_the_body(frames: list[LiveFrame]):
    body = Body(KINECT_V2, 30, fill=True)
    body.take(frames[0])
    seen = body.take(frames[20])
    assert (seen.lost_s, seen.found, len(seen.frames)) == (0.0, True, 1)


def test_frames_that_are_not_later_are_dropped_and_counted(frames: list[LiveFrame]):
    body = Body(KINECT_V2, 30)
    body.take(frames[5])
    for late in (frames[5], frames[4], frames[0]):
        assert body.take(late) == body.take(late) or not body.take(late).frames
    assert body.counts.out_of_order >= 3
    assert body.take(frames[6]).frames
    assert body.counts.lost == 0


def test_a_clock_that_begins_anew_is_believed_after_a_while(frames: list[LiveFrame]):
    body = Body(KINECT_V2, 30)
    body.take(LiveFrame(1e9, frames[0].positions))  # one wild time
    results = [body.take(frame) for frame in frames]
    assert [bool(seen.frames) for seen in results] == [number >= NEW_CLOCK_FRAMES for number in range(60)]
    assert results[NEW_CLOCK_FRAMES].found
    assert results[NEW_CLOCK_FRAMES].lost_s == 1e9
