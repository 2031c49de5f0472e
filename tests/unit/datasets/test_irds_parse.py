from pathlib import Path

import numpy as np
import pytest
from irds_samples import JOINTS, raw, raw_line, simplified, standing

from gesturelab.config.data import Form
from gesturelab.datasets.irds import read as irds_read
from gesturelab.datasets.irds.files import irds_files
from gesturelab.datasets.irds.read import fill_untracked, impossible_values, parse, parse_raw, parse_simplified
from gesturelab.errors import RecordingError

POSITIONS = standing(30)


def test_simplified_is_read_to_the_bit() -> None:
    track = parse_simplified(simplified(POSITIONS))
    np.testing.assert_array_equal(track.positions, POSITIONS.astype(np.float32))
    assert track.tracked.all()
    assert track.lines.tolist() == list(range(1, 31))


def test_line_ends_and_a_missing_last_one_do_not_matter() -> None:
    unix = simplified(POSITIONS)
    for data in (unix.replace(b"\n", b"\r\n"), unix.rstrip(b"\n"), unix + b"\n\n"):
        np.testing.assert_array_equal(parse_simplified(data).positions, POSITIONS.astype(np.float32))


def test_files_longer_than_a_block_are_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(irds_read, "_BLOCK", 7)
    np.testing.assert_array_equal(parse_simplified(simplified(POSITIONS)).positions, POSITIONS.astype(np.float32))
    with pytest.raises(RecordingError, match="line 16: column 1 is 'x'"):
        parse_simplified(simplified(POSITIONS[:15]) + b"x" + b",1" * 74)


def _with_line(number: int, line: bytes) -> bytes:
    lines = simplified(POSITIONS).splitlines()
    lines[number - 1] = line
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"\x00\x05\x16\x07" * 50, "binary"),
        (b"\xff\xd8\xff" * 50, "line 1 has 1 columns, not 75"),
        (_with_line(3, b",".join([b"1"] * 74)), "line 3 has 74 columns, not 75"),
        (_with_line(3, b""), "line 3 has 1 columns"),
        (_with_line(4, b",".join([b"1"] * 70 + [b"one"] + [b"1"] * 4)), "line 4: column 71 is 'one', not a number"),
        (_with_line(4, b",".join([b"1"] * 74 + [b""])), "line 4: column 75 is '', not a number"),
        (simplified(POSITIONS)[:-300], "line 30 has .* columns, not 75 .*cut off"),
        (raw(POSITIONS, range(30)), "data.form=raw"),
        (b"\n" * 1_100_000 + b"1", "lines"),
    ],
)
def test_bad_simplified_bytes_are_refused_with_the_line(data: bytes, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        parse_simplified(data)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nan", "line 5: z of SpineBase is nan, which is not finite"),
        ("-inf", "not finite"),
        ("1e300", "not finite"),
        ("2100", "2100, but at most 20 m"),
    ],
)
def test_impossible_values_are_named_by_line_and_joint(value: str, reason: str) -> None:
    track = parse_simplified(_with_line(5, f"0.1,0.2,{value}".encode() + b",1" * 72))
    assert reason in str(impossible_values(track))
    assert impossible_values(parse_simplified(simplified(POSITIONS))) is None


def test_raw_is_read_with_times_and_numbers() -> None:
    track = parse_raw(raw(POSITIONS, range(1000, 2500, 50)))
    np.testing.assert_array_equal(track.positions, POSITIONS.astype(np.float32))
    assert track.times_ms is not None
    assert track.frame_numbers is not None
    assert track.times_ms.tolist() == list(range(1000, 2500, 50))
    assert track.frame_numbers.tolist() == list(range(100, 130))
    assert (track.lines[0], track.header_lines, track.bodies) == (2, (1,), 1)
    assert track.tracked.all()


@pytest.mark.parametrize("at", [0, 1, 10, 31])
def test_a_second_header_may_stand_anywhere(at: int) -> None:
    lines = raw(POSITIONS, range(30)).splitlines()
    lines.insert(at, b"Version0.1")
    track = parse_raw(b"\n".join(lines))
    assert len(track.positions) == 30
    assert track.header_lines == tuple(sorted({1, 2 if at < 2 else at + 1}))
    np.testing.assert_array_equal(track.positions, POSITIONS.astype(np.float32))


def test_untracked_joints_are_filled_between_tracked_frames() -> None:
    lines = [raw_line(i, 100 * i, POSITIONS[i], lost=(0, 7) if i in (2, 3) else ()) for i in range(6)]
    track = parse_raw(b"Version0.1\r\n" + b"".join(lines))
    assert np.argwhere(~track.tracked).tolist() == [[2, 0], [2, 7], [3, 0], [3, 7]]
    filled = fill_untracked(track)
    before, after = POSITIONS[1, 7], POSITIONS[4, 7]
    np.testing.assert_allclose(filled[2, 7], before + (after - before) / 3, atol=1e-6)
    np.testing.assert_allclose(filled[3, 7], before + (after - before) * 2 / 3, atol=1e-6)
    np.testing.assert_array_equal(filled[track.tracked], track.positions[track.tracked])


def test_zero_joints_are_filled_and_held_at_the_ends() -> None:
    positions = POSITIONS.copy()
    positions[:2, 5] = 0
    positions[-1, 5] = 0
    filled = fill_untracked(parse_simplified(simplified(positions)))
    np.testing.assert_allclose(filled[[0, 1], 5], [POSITIONS[2, 5]] * 2, rtol=1e-6)
    np.testing.assert_allclose(filled[-1, 5], POSITIONS[-2, 5], rtol=1e-6)
    positions[:, 5] = 0
    with pytest.raises(RecordingError, match="ElbowLeft is never tracked"):
        fill_untracked(parse_simplified(simplified(positions)))


def test_of_several_bodies_the_longest_is_taken() -> None:
    lines = [raw_line(i, 33 * i, POSITIONS[i], body=i % 3 == 0) for i in range(9)]
    track = parse_raw(b"Version0.1\r\n" + b"".join(lines))
    assert track.bodies == 2
    np.testing.assert_array_equal(track.positions, POSITIONS[[1, 2, 4, 5, 7, 8]].astype(np.float32))


LINE = raw_line(1, 10, POSITIONS[0], ending="")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (LINE.replace(b"(Neck,", b"(Nose,"), r"line 2: column 18 is '\(Nose', not '\(Neck'"),
        (LINE.replace(b"Inferred", b"Guessed"), "column 33 is 'Guessed', not Tracked"),
        (LINE.replace(b"1,4,10,", b"one,4,10,"), "line 2: column 1 is 'one', not a number"),
        (LINE.replace(b"1,4,10,", b"1,4,1e99,"), "timestamp is not possible"),
        (LINE.replace(b"(SpineBase,Tracked,", b"(SpineBase,Tracked,y"), "line 2: column 6 is 'y"),
        (LINE[:-2], "cut off"),
        (LINE[:-400], "line 2 has .* columns, not 178 .*cut off"),
        (b"", "no frames"),
    ],
)
def test_bad_raw_lines_are_refused_with_the_line(line: bytes, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        parse_raw(b"Version0.1\r\n" + line)


def test_simplified_given_as_raw_says_so() -> None:
    with pytest.raises(RecordingError, match=r"data\.form=simplified"):
        parse_raw(simplified(POSITIONS))


@pytest.mark.irds
def test_both_forms_of_the_real_recordings_agree(irds_root: Path) -> None:
    simple = {file.name: file for file in irds_files(irds_root, Form.simplified)}
    raws = irds_files(irds_root, Form.raw)
    assert len(raws) == 186
    for file in raws[::5]:
        as_raw, as_simple = parse(file.read(), Form.raw), parse(simple[file.name].read(), Form.simplified)
        np.testing.assert_array_equal(as_raw.positions, as_simple.positions, err_msg=file.name)
        np.testing.assert_array_equal(as_raw.tracked, as_simple.tracked)
        assert as_raw.positions.shape[1] == JOINTS
