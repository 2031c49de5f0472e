"""The ring of frames."""

import numpy as np
import pytest

from gesturelab.stream.window import FrameBuffer


def test_it_holds_the_last_frames_and_reads_between_them_however_often_it_went_round():
    buffer = FrameBuffer(seconds=0.2, rate_hz=10, joints=2)
    draws = np.random.default_rng(0)
    times = np.cumsum(draws.uniform(0.05, 0.2, 95))
    positions = draws.normal(size=(95, 2, 3)).astype(np.float32)
    assert buffer.capacity == 10
    for number in range(95):
        buffer.append(float(times[number]), positions[number])
        first = max(0, number - 9)
        assert len(buffer) == number - first + 1
        assert (buffer.times == times[first : number + 1]).all()
        assert (buffer.positions == positions[first : number + 1]).all()
    wanted = np.linspace(times[85] - 1, times[94] + 1, 40)
    for joint in range(2):
        for axis in range(3):
            expected = np.interp(wanted, times[85:], positions[85:, joint, axis])
            assert buffer.at(wanted)[:, joint, axis] == pytest.approx(expected, abs=1e-5)


def test_one_frame_is_everywhere_and_none_is_left_when_it_is_cleared():
    buffer = FrameBuffer(1, 10, 1)
    buffer.append(5.0, np.ones((1, 3)))
    assert (buffer.at(np.array([0.0, 5.0, 9.0])) == 1).all()
    buffer.clear()
    assert len(buffer) == 0
