import os
import zipfile
from pathlib import Path

import pytest

from gesturelab.config.data import Form
from gesturelab.datasets.irds.files import GESTURES, MIRRORED_GESTURES, irds_files, irds_forms, parse_label
from gesturelab.errors import DataError, RecordingError

NAME = "101_18_0_1_1_stand"


def test_a_name_says_who_what_and_how() -> None:
    label = parse_label("203_18_4_12_2_Stand-frame")
    assert (label.subject, label.group, label.gesture, label.repetition) == ("203", "patient", 4, 12)
    assert (label.correctness, label.posture) == (2, "stand-frame")
    assert parse_label(NAME).group == "healthy"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes", "SubjectID_DateID"),
        ("101_18_9_1_1_stand", "gesture 9"),
        ("101_18_0_1_4_stand", "correctness 4"),
        ("101_18_0_1_1", "SubjectID_DateID"),
        ("101_18_x_1_1_stand", "SubjectID_DateID"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name: str, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        parse_label(name)


def test_mirroring_swaps_left_and_right_by_name() -> None:
    swap = {"left": "right", "right": "left"}
    for gesture, mirrored in zip(GESTURES, MIRRORED_GESTURES, strict=True):
        stem, _, side = gesture.rpartition("_")
        assert GESTURES[mirrored] == (f"{stem}_{swap[side]}" if side in swap else gesture)


@pytest.mark.parametrize("place", ["", "Simplified", "SkeletonData/Simplified", "irds/SkeletonData/Simplified"])
def test_finds_recordings_from_each_level(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.txt").write_bytes(b"1")
    (folder / f"._{NAME}.txt").write_bytes(b"\0")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "readme.md").write_text("no recording")
    files = irds_files(tmp_path, Form.simplified)
    assert [file.name for file in files] == [NAME]
    assert files[0].read() == b"1"


def test_reads_members_of_the_zip_without_macos_files(tmp_path: Path) -> None:
    path = tmp_path / "SkeletonData.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"SkeletonData/Simplified/{NAME}.txt", "simplified")
        archive.writestr(f"SkeletonData/RawData/{NAME}.txt", "raw")
        archive.writestr("SkeletonData/.DS_Store", b"\0")
        archive.writestr(f"__MACOSX/SkeletonData/Simplified/._{NAME}.txt", b"\0")
        archive.writestr(f"__MACOSX/SkeletonData/Simplified/{NAME}.txt", b"\0")
    for form in Form:
        assert [file.read() for file in irds_files(path, form)] == [form.value.encode()]
    assert not list(tmp_path.glob("*/"))


@pytest.mark.parametrize("make", [False, True])
def test_says_what_was_looked_for(tmp_path: Path, make: bool) -> None:
    root = tmp_path / "nowhere"
    if make:
        root.mkdir()
    with pytest.raises(DataError) as caught:
        irds_files(root, Form.raw)
    for part in (str(root), "RawData", "SkeletonData", "gesturelab data fetch irds"):
        assert part in str(caught.value)
    assert ("does not exist" in str(caught.value)) is not make


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("not a zip")
    with pytest.raises(DataError, match=r"x\.zip is not a readable zip"):
        irds_files(tmp_path / "x.zip", Form.simplified)


def test_two_data_sets_below_one_root_are_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "SkeletonData" / "Simplified").mkdir(parents=True)
    with pytest.raises(DataError, match="several data sets"):
        irds_files(tmp_path, Form.simplified)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / f"{NAME}.txt").open("wb") as file:
        os.truncate(file.fileno(), 2**40)
    files = irds_files(tmp_path, Form.simplified)
    with pytest.raises(RecordingError, match="bytes; at most"):
        files[0].read()


def test_the_form_of_loose_files_is_what_they_say(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.txt").write_bytes(b"Version0.1\r\n1,2,3")
    assert list(irds_forms(tmp_path)) == [Form.raw]
    (tmp_path / f"{NAME}.txt").write_bytes(b"1,2,3")
    assert list(irds_forms(tmp_path)) == [Form.simplified]
