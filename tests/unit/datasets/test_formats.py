"""Recordings in every form that is read, with values worked out by hand; and files that must be refused."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from irds_samples import raw, simplified, standing

from gesturelab.datasets.formats import files
from gesturelab.datasets.formats.files import MAX_FILE_BYTES, parse_frames, to_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.datasets.recording import Motion
from gesturelab.errors import DataError
from gesturelab.skeletons.definition import from_plain
from gesturelab.skeletons.skeleton import KINECT_V2

TWO = from_plain({"name": "two", "joints": [["Hip"], ["Head", "Hip"]], "pairs": []})
HEADER = "Hip_x,Hip_y,Hip_z,Head_x,Head_y,Head_z"


def read_motion(path: Path, layout, **options) -> Motion:
    return files.read_motion(path, Reading(layout, **options))


def write(folder: Path, text: str, name: str = "one.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_columns_in_any_order_others_passed_over(tmp_path):
    text = 'who,Head_z,Head_y,Head_x,time_s,Hip_x,Hip_y,Hip_z\nAnna,6,5,4,0,1,2,3\n"Anna",6.5,5,4,0.5,1,2,3\n'
    motion = read_motion(write(tmp_path, text), TWO)
    assert motion.positions.tolist() == [[[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 5, 6.5]]]
    assert motion.positions.dtype == np.float32
    assert motion.rate_hz == 2


def test_what_windows_programs_write(tmp_path):
    text = f"\ufeff{HEADER.replace(',', ', ')}, time_ms\r\n1, 2, 3, 4, 5, 6, 0\r\n1,2,3,4,5,6e0,20\r\n"
    motion = read_motion(write(tmp_path, text), TWO)
    assert motion.positions[1].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert motion.rate_hz == 50


def test_irregular_times_come_to_the_median_rate(tmp_path):
    times = (0, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8)  # the hip's x is the time
    rows = "".join(f"{time},0,2,0,1,2,{time}\n" for time in times)
    motion = read_motion(write(tmp_path, f"{HEADER},timestamp\n{rows}"), TWO)
    assert motion.rate_hz == pytest.approx(10)
    np.testing.assert_allclose(motion.positions[:, 0, 0], np.arange(9) / 10, atol=1e-6)


def test_times_in_whole_milliseconds_are_a_regular_beat(tmp_path):
    rows = "".join(f"{number},2,0,0,1,0,{round(number * 1000 / 30)}\n" for number in range(20))
    motion = read_motion(write(tmp_path, f"{HEADER},time_ms\n{rows}"), TWO)
    assert motion.positions[:, 0, 0].tolist() == list(range(20)), "frames are left as they are"
    assert motion.rate_hz == pytest.approx(30, abs=0.1)


def test_a_rate_asked_for(tmp_path):
    rows = "".join(f"{number / 10},2,0,0,1,0,{number / 10}\n" for number in range(5))
    with_times, without = f"{HEADER},time_s\n{rows}", f"{HEADER}\n0,0,0,0,1,0\n"
    motion = read_motion(write(tmp_path, with_times), TWO, rate_hz=20)
    np.testing.assert_allclose(motion.positions[:, 0, 0], np.arange(9) / 20, atol=1e-6)
    assert motion.rate_hz == 20
    assert read_motion(write(tmp_path, without), TWO, rate_hz=25).rate_hz == 25
    with pytest.raises(DataError, match=r"one\.csv: it carries no times, so say how many frames a second"):
        read_motion(write(tmp_path, without), TWO)


@pytest.mark.parametrize("shape", [(4, 2, 3), (4, 6)])
@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_arrays(tmp_path, shape, kind):
    np.save(tmp_path / "one.npy", np.arange(24).reshape(shape).astype(kind) % 7)
    motion = read_motion(tmp_path / "one.npy", TWO, rate_hz=30)
    np.testing.assert_array_equal(motion.positions, (np.arange(24) % 7).reshape(4, 2, 3))


def test_intellirehabds_by_its_look(tmp_path):
    frames = standing(12)
    (tmp_path / "a").write_bytes(simplified(frames))
    (tmp_path / "b").write_bytes(raw(frames, [33 * number for number in range(12)]))
    one, other = (read_motion(tmp_path / name, KINECT_V2, rate_hz=30) for name in "ab")
    np.testing.assert_allclose(one.positions, frames, atol=1e-6)
    np.testing.assert_allclose(other.positions[1:3], frames[1:3] + (frames[2] - frames[1]) / 99, atol=1e-3)
    with pytest.raises(DataError, match="joints are those of kinect_v2, not of two"):
        read_motion(tmp_path / "b", TWO)


def test_short_gaps_are_filled_when_asked(tmp_path):
    path = write(tmp_path, f"{HEADER}\n0,2,0,0,1,0\n,,,0,1,0\nnan,2,0,0,1,0\n0.3,2,0.6,0,1,0\n0,2,0,0,,0\n")
    with pytest.raises(DataError, match=r"line 3: Hip is missing \(3 of 5 frames lack a joint, 2 of 2 joints"):
        read_motion(path, TWO, rate_hz=30)
    with pytest.raises(DataError, match="line 3: Hip is missing"):
        read_motion(path, TWO, rate_hz=30, fill_frames=1)
    with pytest.raises(DataError, match=r"line 6: Head is missing \(1 of 5"):
        read_motion(path, TWO, rate_hz=30, fill_frames=2)  # nothing comes after the last frame
    whole = write(tmp_path, f"{HEADER}\n0,2,0,0,1,0\n,,,0,1,0\nnan,2,0,0,1,0\n0.3,2,0.6,0,1,0\n")
    filled = read_motion(whole, TWO, rate_hz=30, fill_frames=2).positions[:, 0]
    np.testing.assert_allclose(filled[:, 0], [0, 0.1, 0.2, 0.3], atol=1e-6)
    np.testing.assert_allclose(filled[:, 2], [0, 0.2, 0.4, 0.6], atol=1e-6)


GOOD = "0,0,0,0,1,0\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        (HEADER, "a header and no frames"),
        (GOOD, "line 1 holds numbers: it must name the columns, such as time_s and Hip_x, Hip_y, Hip_z"),
        (HEADER.replace(",", ";") + "\n", "separated by ';'"),
        (HEADER.replace("Head_z", "head_z") + f"\n{GOOD}", "line 1 has no column Head_z: 1 of 2 joints of two lack"),
        (HEADER + ",Hip_x\n" + GOOD, "names the column Hip_x twice"),
        (HEADER + ",time_s,time_ms\n" + GOOD, "columns time_s and time_ms: keep one"),
        (HEADER + f"\n{GOOD}0,0,0\n", "line 3 has 3 columns, line 1 has 6"),
        (HEADER + f"\n{GOOD}0,0,x1,0,1,0\n", "line 3: column Hip_z is 'x1', not a number"),
        (HEADER + f"\n{GOOD}0,0,inf,0,1,0\n", "line 3: Hip is missing"),
        (HEADER + f"\n{GOOD}{GOOD}0,0,0,0,1700,0\n", r"line 4: y of Head is 1700, but at most 20 m are possible$"),
        (
            HEADER + "\n" + 9 * "0,0,0,0,1700,0\n",
            "measures 1,700 m from end to end, .*: set data.unit .* to mm;",
        ),
        (
            HEADER + "\n" + 9 * "0,0,0,0,170,0\n",
            "measures 170 m from end to end, .*: set data.unit .* to cm;",
        ),
        (HEADER + ",time_s\n0,0,0,0,1,0,0\n0,0,0,0,1,0,\n", "line 3: column time_s holds no time"),
        (HEADER + ",time_s\n0,0,0,0,1,0,0\n0,0,0,0,1,0,33\n", "give 0.0303 frames a second; columns time_s"),
        (HEADER + ",time_s\n0,0,0,0,1,0,1\n0,0,0,0,1,0,0\n", "times do not run forward"),
        ("a" * 2**20 + "b,", "line 1 is too long"),
        ("x," * 10_001, "line 1 is too long: at most 10,000 columns"),
        ("PK\x03\x04", "neither text in UTF-8 nor an array"),
    ],
    ids=range(20),
)
def test_refused_with_the_place(tmp_path, text, said):
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=said) as caught:
        read_motion(path, TWO, rate_hz=30 if "time" not in text else None)
    assert str(caught.value).startswith(str(path))


def test_arrays_that_are_refused(tmp_path):
    path = tmp_path / "one.npy"

    class Code:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    np.save(path, np.array([Code()], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="damaged, or no array of numbers"):
        read_motion(path, TWO, rate_hz=30)
    assert not (tmp_path / "ran").exists()
    for values, said in (
        (np.zeros((4, 3, 3)), r"shape \(4, 3, 3\), not \(frames, 2, 3\)"),
        (np.zeros((0, 2, 3)), "it holds 0 frames"),
        (np.zeros((2, 2, 3), dtype=complex), "it holds complex128, not numbers"),
        (np.full((2, 2, 3), np.nan), "frame 1: Hip is missing"),
    ):
        np.save(path, values)
        with pytest.raises(DataError, match=said):
            read_motion(path, TWO, rate_hz=30)
    np.save(path, np.zeros((4, 2, 3)))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="damaged"):
        read_motion(path, TWO, rate_hz=30)


def test_a_huge_file_is_refused_unread(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # takes no place on the disk
    with pytest.raises(DataError, match="bytes; at most"):
        read_motion(path, TWO)


@pytest.mark.parametrize(("name", "said"), [("none.csv", "no such file"), (".", "a folder"), ("pipe", "a pipe")])
def test_what_is_no_file(tmp_path, name, said):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match=said):
        read_motion(tmp_path / name, TWO)


@given(st.binary(max_size=300) | st.text("0123456789.,\n-eHip_xyzad").map(str.encode))
def test_whatever_the_bytes_there_is_one_kind_of_error(data):
    with contextlib.suppress(DataError):
        to_motion(parse_frames(data, Reading(TWO)), 30.0)


def test_a_joint_at_zero_was_lost_by_its_sensor(tmp_path):
    rows = [f"{at / 10},1,2,{at / 10},2,2" for at in range(6)]
    rows[2] = "0,0,0,0.2,2,2"
    rows[5] = "0,0,0,0,0,0"
    path = write(tmp_path, HEADER + "\n" + "\n".join(rows) + "\n")
    hip = read_motion(path, TWO, rate_hz=30).positions[:, 0]
    np.testing.assert_allclose(hip[:, 0], [0, 0.1, 0.2, 0.3, 0.4, 0.4], atol=1e-6)
    as_it_says = read_motion(path, TWO, rate_hz=30, zero_is_missing=False).positions
    assert (as_it_says[2, 0] == 0).all()
    assert (as_it_says[5] == 0).all()
    array = tmp_path / "same.npy"
    np.save(array, as_it_says)
    np.testing.assert_array_equal(read_motion(array, TWO, rate_hz=30).positions[:, 0], hip)


def test_a_joint_that_others_are_measured_from_is_not_lost(tmp_path):
    path = write(tmp_path, f"{HEADER}\n" + "".join(f"0,0,0,{at / 10},1,0.1\n" for at in range(1, 4)))
    assert (read_motion(path, TWO, rate_hz=30).positions[:, 0] == 0).all()
    with pytest.raises(DataError, match="every joint is at exactly 0, 0, 0 in every frame: the sensor saw nobody"):
        read_motion(write(tmp_path, f"{HEADER}\n" + "0,0,0,0,0,0\n" * 9), TWO, rate_hz=30)
