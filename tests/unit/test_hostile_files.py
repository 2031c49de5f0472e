"""Files that would fill the memory, wait for ever, or write where they should not."""

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from rich.console import Console

from fuzzing_parsers import simplified_text
from gesturelab.config.composing import compose
from gesturelab.datasets.irds.fetch import unpack
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import DataError, FetchError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and limits are POSIX's")

FILES = {
    "recording": "101_18_0_1_1_stand.txt",
    "info": "info_tiny.json",
    "scaler": "scaler_tiny.json",
    "predictions": "predictions_tiny.csv",
    "windows": "windows_tiny.csv",
    "config": "config.yaml",
    "folds": "folds.json",
    "status": "{}",  # as if it were not there
    "search": "None",
    "stop": "stop.txt",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, dict[str, str]]:
    """What a process of little memory said of each file; a reader that waits for ever ends here."""
    script = Path(__file__).with_name("hostile_reader.py")
    folder = tmp_path_factory.mktemp("hostile")
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["huge", "pipe", "device", "folder"])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_small_file_is_refused_by_name(kind, name, said):
    reason = {
        "huge": "bytes; at most",
        "pipe": "a pipe or a device",
        "device": "a pipe or a device",
        "folder": "folder",
    }[kind]
    if (kind, name) == ("folder", "info"):
        return  # a folder of that name is no info file: `collect` finds no run there
    found = said[kind][name]
    assert FILES[name] in found
    assert found in ("None", "{}") or reason in found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("full size", "it is a binary file"),
        ("a million columns", "2,000,000 bytes and 1,000,001 columns"),
        ("a long number", "that is no frame"),
        ("a bomb", "grow absurdly"),
        ("a lying bomb", "101_18_0_1_1_stand.txt: it cannot be read"),
    ],
)
def test_recordings_that_fill_the_memory_are_refused(name, reason, said):
    assert said["recordings"][name].startswith("error: 101_18_0_1_1_stand.txt")
    assert reason in said["recordings"][name]


def test_nothing_of_this_needs_torch(said):
    assert said["torch"]["imported"] == "False"


def read_one(folder: Path, content: bytes, name: str = "101_18_0_1_1_stand.txt"):
    (folder / name).write_bytes(content)
    return read_dataset(compose(["data=irds", f"data.root={folder}", "data.strict=true"]).data)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\r\n\r\n", "it is empty"),
        (simplified_text().decode().encode("utf-16"), "it is UTF-16: save it as plain text"),
        (simplified_text().decode().encode("utf-16-le"), "it is a binary file"),
    ],
)
def test_other_encodings_are_refused_by_name(content, reason, tmp_path):
    with pytest.raises(DataError, match=rf"101_18_0_1_1_stand\.txt: {reason}"):
        read_one(tmp_path, content)


def test_marks_and_line_ends_of_windows_do_not_matter(tmp_path):
    plain = simplified_text().replace(b"\r\n", b"\n")
    (tmp_path / "windows").mkdir()
    found = read_one(tmp_path / "windows", b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
    assert found.fingerprint == read_one(tmp_path, plain).fingerprint


def test_a_link_to_nothing_is_named(tmp_path):
    (tmp_path / "101_18_1_1_1_stand.txt").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=r"101_18_1_1_1_stand\.txt: it cannot be read: No such file"):
        read_one(tmp_path, simplified_text())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / "101_18_1_1_1_stand.txt").touch(mode=0)
    with pytest.raises(DataError, match=r"101_18_1_1_1_stand\.txt: it cannot be read: Permission denied"):
        read_one(tmp_path, simplified_text())


def test_a_name_that_is_no_text_can_be_written_into_any_file(tmp_path):
    (tmp_path / "101_18_0_1_1_stand.txt").write_bytes(simplified_text())
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.txt")).touch()
    dataset = read_dataset(compose(["data=irds", f"data.root={tmp_path}"]).data)
    assert [one.recording for one in dataset.rejected] == ["\\udcff"]


ESCAPES = ("../out.txt", "/out.txt", "a/../../out.txt", "C:\\out.txt", "a\\..\\out.txt", "./../out.txt", "link")


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_is_unpacked_outside_the_folder(name, tmp_path):
    archive = tmp_path / "in" / "SkeletonData.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("SkeletonData/Simplified/101_18_0_1_1_stand.txt", simplified_text())
        info = zipfile.ZipInfo()
        info.filename = name
        if name == "link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, "/etc")
    with pytest.raises(FetchError, match=r"SkeletonData\.zip: member .*nothing was unpacked"):
        unpack(archive, archive.parent / "SkeletonData", Console(file=io.StringIO()))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["SkeletonData.zip", "in"]
