import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from irds_samples import raw_line, simplified, standing
from rich.console import Console

from gesturelab.datasets import quality
from gesturelab.datasets.irds.files import GESTURES, recording_label
from gesturelab.datasets.irds.read import Track, parse_raw, parse_simplified
from gesturelab.datasets.quality import Report, check_irds, check_track, print_report

LEFT_MOVES = "WristRight"  # the sensor's view is mirrored


def track(positions: np.ndarray) -> Track:
    return parse_simplified(simplified(positions))


def timed(numbers: list[int], times_ms: list[int]) -> Track:
    frames = standing(len(times_ms))
    rows = zip(numbers, times_ms, frames, strict=True)
    return parse_raw(b"Version0.1\r\n" + b"".join(raw_line(number, time, frame) for number, time, frame in rows))


def test_a_good_recording_has_no_defect() -> None:
    assert check_track(track(standing(30)), 20) == {}
    assert check_track(timed(list(range(30)), list(range(0, 990, 33))), 20) == {}


def test_short_counts_frames() -> None:
    assert check_track(track(standing(19)), 20) == {"short": "19 frames, a window has 20"}
    assert check_track(track(standing(20)), 20) == {}


def test_gaps_are_listed_from_500_ms_and_counted_from_100() -> None:
    gappy = timed([0, 1, 2, 3, 4], [0, 100, 201, 701, 1300])
    assert check_track(gappy, 2)["long_gap"] == "3 over 100 ms: 0.60 s before line 6"
    assert check_track(timed([0, 1], [0, 101]), 2)["gap"] == "1 over 100 ms"
    assert not {"gap", "long_gap"} & check_track(timed([0, 1], [0, 100]), 2).keys()


def test_repeated_and_backward_frames() -> None:
    repeated = timed([5, 6, 6, 9], [0, 33, 20, 66])
    assert check_track(repeated, 2)["repeated_frames"] == "1 frame numbers stand twice"
    assert check_track(repeated, 2)["backward_times"] == "1 frames are no later than the one before"
    positions = standing(30)
    positions[7:9] = positions[6]
    assert check_track(track(positions), 20)["repeated_frames"] == "2 frames equal the one before"
    assert check_track(track(positions), 20, tolerated_repeats=0.1) == {}


def test_recordings_that_skip_frame_numbers_are_counted(tmp_path: Path) -> None:
    for repetition, numbers in enumerate(([5, 6, 6, 9], [5, 6, 7, 8])):
        rows = zip(numbers, standing(4), strict=True)
        data = b"Version0.1\r\n" + b"".join(raw_line(number, 33 * number, frame) for number, frame in rows)
        (tmp_path / f"101_18_0_{repetition}_1_stand.txt").write_bytes(data)
    assert check_irds(tmp_path).forms["raw"].with_skipped_frames == 1


def test_jumps_are_of_the_whole_body() -> None:
    positions = standing(30)
    positions[10:] += [0.3, 0, 0]
    assert check_track(track(positions), 20)["jump"] == "0.30 m before line 11"
    positions = standing(30)
    positions[10:, :5] += [0.3, 0, 0]
    assert "jump" not in check_track(track(positions), 20)


def test_untracked_joints_are_named() -> None:
    positions = standing(30)
    positions[4:6, 3] = 0
    assert check_track(track(positions), 20)["untracked"] == "1 joints in 2 frames, first on line 5: Head"
    assert "jump" not in check_track(track(positions), 20)


def test_still_people_are_found() -> None:
    positions = standing(30)
    positions[:] = positions[0]
    positions[:, 0, 0] += np.linspace(-0.05, 0.05, 30)
    assert "no joint strays more than 3.0 cm" in check_track(track(positions), 20)["near_zero_motion"]


def test_the_wrong_limb_is_judged_by_the_class() -> None:
    limbs = {"101": LEFT_MOVES, "102": LEFT_MOVES, "201": LEFT_MOVES, "202": "WristLeft"}
    tracks = {subject: track(standing(30, joint)) for subject, joint in limbs.items()}
    assert list(quality.wrong_limbs(tracks, dict.fromkeys(limbs, "shoulder_abduction_left"))) == ["202"]
    assert quality.wrong_limbs(tracks, dict.fromkeys(limbs, "shoulder_forward_elevation")) == {}, "both arms move"


def test_shared_frames_are_counted_by_pair() -> None:
    one, other, third = (standing(30, seed=seed) for seed in range(3))
    other[5:9] = one[20:24]
    third[0] = third[1]
    hashes = {
        name: quality.frame_hashes(track(frames)) for name, frames in zip("abc", (one, other, third), strict=True)
    }
    assert quality.shared_frames(hashes) == {("a", "b"): 4}


def test_people_lacking_gestures() -> None:
    labels = [recording_label(f"101_18_{gesture}_1_1_stand") for gesture in range(9)]
    labels.append(recording_label("205_18_1_1_1_sit"))
    lacking = quality.lacking_gestures(labels, {gesture: gesture for gesture in GESTURES})
    assert list(lacking) == ["205"]
    assert lacking["205"].count(",") == len(GESTURES) - 2


def printed(report: Report, most: int | None = 5) -> str:
    console = Console(width=60)
    with console.capture() as capture:
        print_report(report, console, most=most)
    return capture.get()


def test_of_many_defects_the_first_are_named_and_the_others_counted(tmp_path: Path) -> None:
    names = [f"101_18_1_{number}_1_stand" for number in range(7)]
    for name in names:
        (tmp_path / f"{name}.txt").write_bytes(b"")
    report = check_irds(tmp_path, window=20)
    assert [name in printed(report) for name in names] == [True] * 5 + [False] * 2
    assert "and 2 more: --all names them" in printed(report)
    assert all(name in printed(report, most=None) for name in names)


def test_every_unusable_file_is_reported_by_name(tmp_path: Path) -> None:
    bad = {
        "101_18_1_1_1_stand": (b"", "unreadable", "empty"),
        "101_18_1_2_1_stand": (b"\x00\x01" * 99, "unreadable", "binary"),
        "101_18_1_3_1_stand": (simplified(standing(20))[:-40], "unreadable", "cut off"),
        "101_18_1_4_1_stand": (b",".join([b"1"] * 74) + b"\n", "unreadable", "74 columns"),
        "101_18_1_5_1_stand": (b",".join([b"1"] * 74 + [b"nan"]) + b"\n", "impossible_values", "not finite"),
        "[red]": (b"", "unreadable", "its name"),
    }
    for name, (data, _, _) in bad.items():
        (tmp_path / f"{name}.txt").write_bytes(data)
    (tmp_path / "101_18_1_6_1_stand.txt").write_bytes(simplified(standing(25)))
    report = check_irds(tmp_path, window=20)
    for name, (_, defect, reason) in bad.items():
        (found,) = [one for one in report.of(defect) if one.recording == name]
        assert reason in found.detail
        assert name in printed(report)
    counts = report.forms["simplified"]
    assert (counts.recordings, counts.subjects, counts.gestures["elbow_flexion_right"]) == (7, {"101": 6}, 6)
    assert "lacking_gestures" in {one.defect for one in report.findings}
    assert json.loads(json.dumps(asdict(report)))["window"] == 20
    assert "Shorter than a window (30 frames): 2" in printed(check_irds(tmp_path, window=30))
    assert printed(replace(report, findings=())).count("none") >= 14


@pytest.fixture(scope="module")
def real(irds_root: Path) -> Report:
    return check_irds(irds_root)


def names(report: Report, defect: str, form: str = "simplified") -> list[str]:
    return [one.recording for one in report.of(defect) if one.form == form]


@pytest.mark.irds
def test_finds_the_known_defects_of_the_real_recordings_by_name(real: Report) -> None:
    simple = real.forms["simplified"]
    assert (simple.recordings, len(simple.subjects), real.forms["raw"].recordings) == (2589, 30, 186)
    assert simple.frames == 228301
    assert list(simple.gestures.values()) == [258, 279, 376, 318, 277, 257, 260, 274, 290]
    assert (simple.postures["stand-frame"], simple.correctness["poorly executed"]) == (52, 12)
    assert names(real, "unreadable") == names(real, "unreadable", "raw") == []
    short = names(real, "short")
    assert len(short) == 7
    assert {"205_18_1_13_1_stand", "206_18_4_1_2_chair", "217_18_0_2_2_wheelchair"} <= set(short)
    for form in ("simplified", "raw"):
        assert names(real, "untracked", form) == ["101_18_0_6_1_chair"]
        assert "101_18_0_6_1_chair" in names(real, "jump", form)
    assert real.of("untracked")[0].detail.startswith("9 joints in 1 frames")
    long_gaps = {one.recording: one.detail for one in real.of("long_gap")}
    assert sorted(long_gaps) == ["101_18_0_6_1_chair", "205_18_5_1_1_stand"]
    assert "7.16 s" in long_gaps["101_18_0_6_1_chair"]
    headers = [f"204_18_3_{n}_2_chair" for n in range(1, 8)]
    headers += [f"205_18_1_{n}_{1 + (n > 15)}_stand" for n in range(1, 18)]
    assert names(real, "doubled_header", "raw") == sorted(headers)
    assert real.forms["raw"].with_skipped_frames > 0
    lacking = [each.recording for each in real.of("lacking_gestures")]
    assert lacking == ["201", "202", "203", "205", "207", "209", "210"]


@pytest.mark.irds
def test_finds_shared_frames_and_wrong_limbs_of_the_real_recordings(real: Report) -> None:
    shared = real.of("shared_frames")
    assert len(shared) == 11
    assert sum(int(one.detail.split()[0]) for one in shared) == 44
    assert sum("ANOTHER gesture" in one.detail for one in shared) == 5
    details = {one.recording: one.detail for one in shared}
    assert details["207_18_3_15_2_stand"] == "12 frames also in 207_18_8_7_2_stand (ANOTHER gesture)"
    wrong = names(real, "wrong_limb")
    assert sum(name.startswith("202_18_4_") for name in wrong) == 25
    assert sum(name.startswith("203_18_2_") for name in wrong) == 18
    assert len(wrong) == 46
    still = names(real, "near_zero_motion")
    assert {"211_18_7_6_3_stand", "202_18_8_22_2_stand"} <= set(still)
    assert 4 <= sum(not name.startswith("212_18_7_") for name in still) <= 8  # 212 taps from a wheelchair
