import dataclasses
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from irds_samples import config, raw, simplified, standing

from gesturelab.config.data import Form
from gesturelab.datasets.irds.read import resample
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import DataError, RecordingError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two people, gestures 0 and 8, two repetitions each; the second is incorrect, and from a chair."""
    place = tmp_path / "SkeletonData" / "Simplified"
    place.mkdir(parents=True)
    names = [f"{who}_18_{what}_{rep}_{rep}_{how}" for who in (101, 201) for what in (0, 8) for rep, how in REPETITIONS]
    for number, name in enumerate(names):
        (place / f"{name}.txt").write_bytes(simplified(standing(20 + number, seed=number)))
    return place


REPETITIONS = ((1, "stand"), (2, "Chair"))


def test_reads_all_with_what_the_names_say(folder: Path) -> None:
    dataset = read_dataset(config(folder.parent))
    assert len(dataset) == 8
    assert dataset.people == {"101": "healthy", "201": "patient"}
    assert (dataset.source, dataset.synthetic, dataset.rejected) == ("irds", False, ())
    last = dataset[7]
    assert (last.name, last.gesture, last.correctness, last.posture) == (
        *("201_18_8_2_2_Chair", "side_tap_right"),
        *(2, "chair"),
    )
    assert last.rate_hz == 30
    np.testing.assert_array_equal(last.positions, standing(27, seed=7).astype(np.float32))


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"correctness": [2]}, 4),
        ({"subjects": ["201"]}, 4),
        ({"postures": ["chair"], "subjects": ["101"]}, 2),
        ({"max_files": 4}, 4),
        ({"max_files": 100}, 8),
    ],
)
def test_filters(folder: Path, changes: dict[str, object], kept: int) -> None:
    assert len(read_dataset(config(folder, **changes))) == kept


def test_a_quick_try_has_all_people_and_gestures(folder: Path) -> None:
    dataset = read_dataset(config(folder, max_files=4))
    assert {(s, int(g)) for s, g in zip(dataset.subjects, dataset.gestures, strict=True)} == {
        ("101", 0),
        ("101", 8),
        ("201", 0),
        ("201", 8),
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subjects": ["101", "999"]}, r"data\.subjects: no recording of 999; there are 101, 201"),
        ({"postures": ["bed"]}, r"data\.postures: no recording of bed; there are chair, stand"),
        ({"correctness": [3]}, r"no recording .* has data\.correctness=\[3\]"),
    ],
)
def test_filters_that_leave_nothing_say_what_there_is(folder: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(config(folder, **changes))


BAD = {
    "101_18_1_1_1_stand": (b"", "empty"),
    "101_18_1_2_1_stand": (b"\x00\x01" * 99, "binary"),
    "101_18_1_3_1_stand": (simplified(standing(20))[:-40], "cut off"),
    "101_18_1_4_1_stand": (b",".join([b"1"] * 74) + b"\n", "74 columns"),
    "101_18_1_5_1_stand": (b",".join([b"1"] * 74 + [b"nan"]) + b"\n", "not finite"),
    "101_18_1_6_1_stand": (b",".join([b"1"] * 74 + [b"1000"]) + b"\n", "at most 20 m"),
    "101_18_1_7_1_stand": (b",".join([b"0"] * 75) + b"\n", "never tracked"),
    "readme": (b"hello", "its name"),
}


def test_what_cannot_be_used_is_left_out_by_name(folder: Path) -> None:
    good = read_dataset(config(folder))
    for name, (data, _) in BAD.items():
        (folder / f"{name}.txt").write_bytes(data)
    dataset = read_dataset(config(folder))
    assert dataset.names == good.names
    assert dataset.fingerprint == good.fingerprint
    assert [one.recording for one in dataset.rejected] == list(BAD)
    for one in dataset.rejected:
        assert BAD[one.recording][1] in one.reason


@pytest.mark.parametrize("name", BAD)
def test_strict_stops_at_what_cannot_be_used(folder: Path, name: str) -> None:
    (folder / f"{name}.txt").write_bytes(BAD[name][0])
    with pytest.raises(DataError, match=f"^{name}.txt: .*{BAD[name][1]}"):
        read_dataset(config(folder, strict=True))


def test_nothing_usable_is_an_error_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "101_18_1_1_1_stand.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"no usable recording: .*101_18_1_1_1_stand\.txt: it is empty"):
        read_dataset(config(tmp_path))


def test_one_person_with_one_gesture_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "205_18_1_1_1_stand.txt").write_bytes(simplified(standing(20)))
    dataset = read_dataset(config(tmp_path))
    assert (len(dataset), dataset.people) == (1, {"205": "patient"})


def test_the_fingerprint_is_of_the_content(folder: Path, tmp_path: Path) -> None:
    original = read_dataset(config(folder)).fingerprint
    copied = tmp_path / "elsewhere"
    shutil.copytree(folder, copied)
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for file in folder.iterdir():
            opened.write(file, f"SkeletonData/Simplified/{file.name}")
    assert read_dataset(config(copied)).fingerprint == original
    assert read_dataset(config(archive)).fingerprint == original
    assert read_dataset(config(folder, rate_hz=25.0)).fingerprint != original
    assert read_dataset(config(folder, subjects=["101"])).fingerprint != original
    one = next(copied.iterdir())
    positions = standing(22, seed=9)
    one.write_bytes(simplified(positions))
    changed = read_dataset(config(copied)).fingerprint
    positions[0, 0, 0] += 1e-6
    one.write_bytes(simplified(positions))
    assert len({original, changed, read_dataset(config(copied)).fingerprint}) == 3


def test_raw_is_brought_to_the_rate(tmp_path: Path) -> None:
    positions = standing(11)
    (tmp_path / "101_18_0_1_1_stand.txt").write_bytes(raw(positions, range(5000, 6100, 100)))
    recording = read_dataset(config(tmp_path, Form.raw, rate_hz=20.0))[0]
    assert (len(recording.positions), recording.rate_hz) == (21, 20)
    np.testing.assert_allclose(recording.positions[::2], positions, atol=1e-6)
    np.testing.assert_allclose(recording.positions[1::2], (positions[1:] + positions[:-1]) / 2, atol=1e-6)


def _line(times: list[float]) -> np.ndarray:
    """One joint that stands at t / 1000 metres at t milliseconds."""
    return (np.array(times)[:, None, None] / 1000 * np.ones((1, 25, 3))).astype(np.float32)


def test_resampling_follows_time_over_gaps_and_repeats() -> None:
    times = [0.0, 33, 66, 66, 99, 132, 150, 180, 200, 230, 1000]
    positions = _line(times)
    positions[3] = 9  # the same time again: passed over
    resampled = resample(positions, np.array(times), 10)
    np.testing.assert_allclose(resampled[:, 0, 0], np.arange(11) / 10, atol=1e-6)


def test_one_frame_stays_one_frame() -> None:
    assert resample(_line([500]), np.array([500.0]), 30).shape == (1, 25, 3)


@pytest.mark.parametrize(
    ("times", "reason"),
    [([0.0, 100, 50, 60, 200], "do not run forward"), ([0.0, 1e12], "hours"), ([0.0, 9e15], "hours")],
)
def test_impossible_times_are_refused(times: list[float], reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        resample(np.zeros((len(times), 25, 3), dtype=np.float32), np.array(times), 30)


@pytest.mark.irds
def test_the_real_recordings_are_all_usable(irds_root: Path) -> None:
    settings = config(irds_root, Form.raw, correctness=[1, 2, 3], strict=True)
    dataset = read_dataset(settings)
    assert (len(dataset), len(dataset.people)) == (186, 3)
    gap = dataset[dataset.names.index("101_18_0_6_1_chair")]
    assert not (gap.positions == 0).all(axis=2).any()
    assert len(gap.positions) > 7 * 30
    quick = read_dataset(dataclasses.replace(settings, form=Form.simplified, max_files=48))
    assert (len(quick), len(quick.people), len(set(quick.gestures.tolist()))) == (48, 30, 9)
