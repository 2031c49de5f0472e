"""Lines of text to frames, and addresses and files to lines."""

import io

import numpy as np
import pytest
from made_stream import moving

from gesturelab.datasets.formats.csv_table import columns
from gesturelab.datasets.recording import Motion
from gesturelab.errors import DataError, StreamError
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.stream.sources import MAX_LINE_BYTES, BadLine, LineReader, LiveFrame, parse_address, read_lines, replay

FRAME = moving(1)[0].astype(np.float64)
CELLS = [f"{value:.6f}" for value in FRAME.flatten()]


def line(*cells: str) -> bytes:
    return ",".join(cells).encode() + b"\n"


def test_numbers_in_the_skeletons_order_with_and_without_time():
    reader = LineReader(KINECT_V2, 25)
    frames = [reader.read(line(*CELLS)), reader.read(line(*CELLS)), reader.read(line("7.5", *CELLS))]
    assert [frame.time_s for frame in frames if frame] == [0, 0.04, 7.5]
    assert all(frame is not None and frame.positions == pytest.approx(FRAME, abs=1e-6) for frame in frames)


def test_columns_that_are_named_stand_in_any_order():
    names = ["confidence", *reversed(columns(KINECT_V2)), "time_ms"]
    reader = LineReader(KINECT_V2, 30)
    assert reader.read(line(*names)) is None
    frame = reader.read(line("0.9", *reversed(CELLS), "1500"))
    assert frame is not None
    assert frame.time_s == 1.5
    assert frame.positions == pytest.approx(FRAME, abs=1e-6)


def test_other_names_are_refused():
    with pytest.raises(DataError, match=r"line 1 is neither numbers nor .* 75 of 75 are missing, such as SpineBase_x"):
        LineReader(KINECT_V2, 30).read(b"a,b,c\n")


@pytest.mark.parametrize("cell", ["", "nan", "inf", "-Infinity", "1e30", "25"])
def test_a_joint_with_a_value_that_cannot_be_is_absent(cell: str):
    frame = LineReader(KINECT_V2, 30).read(line(*CELLS[:9], cell, *CELLS[10:]))
    assert frame is not None
    assert np.isnan(frame.positions[3]).all()
    assert np.isnan(frame.positions).sum() == 3


def test_a_kinects_joint_at_zero_is_absent():
    frame = LineReader(KINECT_V2, 30).read(line(*CELLS[:9], "0", "0", "0", *CELLS[12:]))
    assert frame is not None
    assert np.isnan(frame.positions[3]).all()


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (CELLS[:-1], "74 columns, not 75"),
        ([*CELLS, "1", "2"], "77 columns"),
        (["x", *CELLS[1:]], "'x' is not a number"),
        (["nan", *CELLS], "time is no number"),
        (["1e300", *CELLS], "time is no number of seconds"),
    ],
)
def test_a_line_that_is_no_frame_is_named_and_the_next_one_is_read(cells: list[str], problem: str):
    file = io.BytesIO(line(*CELLS) + line(*cells) + b"\n" + line(*CELLS))
    first, bad, last = read_lines(file, LineReader(KINECT_V2, 30))
    assert isinstance(first, LiveFrame)
    assert isinstance(bad, BadLine)
    assert bad.line == 2
    assert problem in bad.problem
    assert isinstance(last, LiveFrame)
    assert last.time_s == pytest.approx(2 / 30), "the bad line was a frame's time"


def test_a_line_without_end_is_not_held():
    file = io.BytesIO(b"1," * MAX_LINE_BYTES + b"\n" + line(*CELLS))
    bad, good = read_lines(file, LineReader(KINECT_V2, 30))
    assert isinstance(bad, BadLine)
    assert "longer than" in bad.problem
    assert isinstance(good, LiveFrame)


def test_a_replay_keeps_the_pace_of_the_recording():
    now = [10.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    motion = Motion(moving(7), 30.0)
    frames = list(replay(motion, 2.0, clock=lambda: now[0], sleep=sleep))
    assert [frame.time_s for frame in frames if isinstance(frame, LiveFrame)] == pytest.approx(np.arange(7) / 30)
    assert sum(slept) == pytest.approx(6 / 30 / 2), "twice as fast"
    slept.clear()
    list(replay(motion, 0, clock=lambda: now[0], sleep=sleep))
    assert not slept


def test_addresses():
    assert parse_address("9000") == ("127.0.0.1", 9000)
    assert parse_address("0.0.0.0:1") == ("0.0.0.0", 1)
    assert parse_address("[::1]:5") == ("::1", 5)
    for wrong in ("", "host", "127.0.0.1:", "1.2.3.4:99999", "-1"):
        with pytest.raises(StreamError, match="give a port"):
            parse_address(wrong)
