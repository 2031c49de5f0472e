"""A user's own recordings: labels.csv, what a gesture becomes in a mirror, and what is read."""

from pathlib import Path

import numpy as np
import pytest

from gesturelab.config.composing import compose
from gesturelab.config.data import FolderConfig, Form, Target
from gesturelab.datasets.folder.labels import read_labels
from gesturelab.datasets.irds.files import GESTURES, irds_files, parse_label
from gesturelab.datasets.irds.read import fill_untracked, parse
from gesturelab.datasets.load import load
from gesturelab.datasets.mirror_names import mirrored_gestures
from gesturelab.datasets.quality import check_folder
from gesturelab.datasets.recording import Dataset
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import ConfigError, DataError
from gesturelab.training.build import make_data

TWO = "joints:\n  - [Hip]\n  - [Head, Hip]\npairs: []\n"
HEADER = "Hip_x,Hip_y,Hip_z,Head_x,Head_y,Head_z"


def recording(number: int, frames: int = 40, times: str = "") -> str:
    rows = [f"{number / 100},0,2,0,{frame / 100},2" for frame in range(frames)]
    return "\n".join([HEADER + times, *(f"{row},{at / 60}" if times else row for at, row in enumerate(rows))]) + "\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four people wave with the left and the right hand; one file has 60 frames a second, two say so themselves."""
    folder = tmp_path / "mine"
    (folder / "b").mkdir(parents=True)
    (tmp_path / "two.yaml").write_text(TWO)
    rows = ["file,subject,gesture,group,rate_hz"]
    for at, person in enumerate(("Anna", "Bo", "Cleo", "Dörte")):
        for side in ("left", "right"):
            file = f"b/{at} {side}.csv"
            (folder / file).write_text(recording(at, times=",time_s" if at == 2 else ""))
            rows.append(f"{file},{person},wave {side},{'old' if at > 1 else 'young'},{60 if at == 3 else ''}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def config(root: Path, **changes) -> FolderConfig:
    values = {
        "root": str(root),
        "skeleton": str(root.parent / "two.yaml"),
        "cache_dir": str(root.parent / "cache"),
        "fill_frames": 0,
        "rate_hz": 30.0,
        "target": Target.gesture,
        "gestures": None,
        "correctness": [1, 2],
        "subjects": None,
        "postures": None,
        "max_files": None,
        "strict": False,
    }
    return FolderConfig(**(values | changes))


def read(root: Path, **changes) -> Dataset:
    return load(config(root, **changes))


def test_a_rate_that_no_file_and_no_line_says_is_told_once(root, caplog):
    with caplog.at_level("INFO", "gesturelab"):
        read(root)
    assert [text for text in caplog.messages if "no times" in text] == [
        "b/0 left.csv and the like say no times: taken as 30 frames a second (data.rate_hz)"
    ]


def test_what_is_read(root):
    dataset = read(root)
    assert dataset.people == {"Anna": "young", "Bo": "young", "Cleo": "old", "Dörte": "old"}
    assert dataset.gesture_names == ("wave left", "wave right")
    assert dataset.mirrored_gestures == (1, 0)
    assert dataset.names[:2] == ("b/0 left", "b/0 right")
    assert (dataset.source, dataset.synthetic, dataset.skeleton.joints) == ("folder", False, ("Hip", "Head"))
    assert set(dataset.rates_hz) == {30}
    assert dataset.frame_counts.tolist() == [40] * 4 + [20] * 4, "files of 60 frames a second come to 30"
    np.testing.assert_allclose(dataset[4].positions[:3, 1, 1], [0, 0.02, 0.04], atol=1e-6)
    again = read(root)
    assert isinstance(again.positions, np.memmap), "from the cache"
    assert (again.skeleton, again.fingerprint) == (dataset.skeleton, dataset.fingerprint)


def test_what_changes_the_fingerprint(root):
    seen = {read(root).fingerprint}
    (root / "b/0 left.csv").write_text(recording(9))
    seen.add(read(root).fingerprint)
    labels = (root / "labels.csv").read_text(encoding="utf-8")
    (root / "labels.csv").write_text(labels.replace("Anna", "Anne"), encoding="utf-8")
    seen.add(read(root).fingerprint)
    (root.parent / "two.yaml").write_text(TWO + "root: Head\n")
    seen.add(read(root).fingerprint)
    lines = labels.splitlines()
    said = [f"{line},{'mirrored' if at == 0 else 'none'}" for at, line in enumerate(lines)]
    (root / "labels.csv").write_text("\n".join(said), encoding="utf-8")
    seen.add(read(root).fingerprint)
    assert len(seen) == 5


def test_filters(root):
    few = read(root, subjects=["Anna", "Cleo"], gestures=["wave right"])
    assert (few.names, few.gesture_names, few.mirrored_gestures) == (("b/0 right", "b/2 right"), ("wave right",), (-1,))
    with pytest.raises(DataError, match=r"data\.subjects: no recording of Zoe; there are Anna, Bo"):
        read(root, subjects=["Zoe"])
    with pytest.raises(DataError, match=r"no recording of data.root=.*mine has data.correctness=\[2\]"):
        read(root, correctness=[2])


def test_a_recording_that_cannot_be_used(root):
    (root / "b/0 left.csv").write_text(recording(0).replace("0.0,0,2", ",0,2", 1))
    dataset = read(root)
    assert [(one.recording, one.reason.split(" (")[0]) for one in dataset.rejected] == [
        ("b/0 left", "line 2: Hip is missing")
    ]
    with pytest.raises(DataError, match=r"0 left\.csv: line 2: Hip is missing .*data\.strict=false leaves it out"):
        read(root, strict=True)


def test_correctness_needs_both_kinds(root):
    with pytest.raises(DataError, match=r"8 recordings used are all correct; .*the column correctness of labels"):
        read(root, target=Target.correctness)
    labels = (root / "labels.csv").read_text(encoding="utf-8").splitlines()
    said = [f"{line},{'correctness' if at == 0 else ('', 'Incorrect')[at % 2]}" for at, line in enumerate(labels)]
    (root / "labels.csv").write_text("\n".join(said), encoding="utf-8")
    assert read(root, target=Target.correctness).classes.tolist() == [1, 0] * 4


def test_made_up_motion_is_marked(root):
    (root / "MADE_UP.txt").touch()
    assert read(root).synthetic


def test_a_mirror_that_would_give_wrong_labels_is_refused(root):
    labels = (root / "labels.csv").read_text(encoding="utf-8")
    (root / "labels.csv").write_text(labels.replace("wave left", "wave l").replace("wave right", "wave r"), "utf-8")
    training = compose(["augment=light"])
    with pytest.raises(ConfigError, match=r"wave l, wave r becomes .* in the column mirrored of labels\.csv"):
        make_data(training, read(root))


@pytest.mark.parametrize(
    ("names", "said", "expected"),
    [
        (["LeftPunch", "RightPunch"], {}, (1, 0)),
        (["WAVE LEFT", "WAVE RIGHT"], {}, (1, 0)),
        (["left to right", "right to left"], {}, (1, 0)),
        (["Links", "Rechts"], {}, (1, 0)),
        (["turn clockwise", "turn anticlockwise"], {}, (1, 0)),
        (["clockwise", "counterclockwise", "anticlockwise"], {}, (1, 0, -1)),
        (["bow", "clap"], {}, (0, 1)),
        (["wave left", "Wave right"], {}, (-1, -1)),
        (["punch_l", "punch_r", "bright", "uprightrow"], {}, (-1, -1, -1, -1)),
        (["punch_l", "punch_r"], {"punch_l": "punch_r"}, (1, 0)),
        (["b", "d", "o"], {"b": "d"}, (1, 0, 2)),
        (["b", "o"], {"b": "none"}, (-2, 1)),
        (["b", "o"], {"b": "q"}, (-1, 1)),
        (["none", "o"], {"o": "none"}, (1, 0)),
    ],
)
def test_what_a_gesture_becomes_in_a_mirror(names, said, expected):
    assert mirrored_gestures(names, said) == expected


GOOD = "a.csv,Anna,wave\nb.csv,Bo,wave\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"labels\.csv, line 1: there is no column file; columns are file, subject, gesture, and may be group"),
        ("file,subject,gesture\n", r"labels\.csv names no recording"),
        ("file;subject;gesture\n", "line 1: its columns are separated by ';'"),
        (
            "file,subject,gesture,age\n" + GOOD,
            "line 1: unknown column 'age'; columns are file, subject",
        ),
        ("file,subject,gesture,file\n", "line 1: the column file stands there twice"),
        ("file,subject,gesture\na.csv,Anna\n", "line 2: it has 2 columns, line 1 has 3"),
        ("file,subject,gesture\n" + GOOD + "\na.csv,,wave\n", "line 5: the column subject is empty"),
        ("file,subject,gesture\n" + GOOD + "c.csv,Bo,wave\n", r"line 4: there is no file c\.csv in "),
        ("file,subject,gesture\n" + GOOD + "a.csv,Bo,clap\n", r"line 4: a\.csv is on line 2 already"),
        ("file,subject,gesture\n" + GOOD + "a.npy,Bo,clap\n", r"line 4: a\.npy and a\.csv have one name"),
        ("file,subject,gesture\n../a.csv,Bo,clap\n", r"line 2: file \.\./a\.csv must be a path below the folder"),
        ("file,subject,gesture\n.,Bo,clap\n", r"line 2: file \. must be a path below the folder"),
        ("file,subject,gesture\na.csv,Anna,wave\n", "names one subject only, Anna"),
        (
            "file,subject,gesture\na.csv,Anna,wave\nb.csv,anna,wave\n",
            "line 3: subject 'anna' is written 'Anna' on line 2",
        ),
        (
            "file,subject,gesture\na.csv,Anna,wave\nb.csv,Bo,Wave\n",
            "line 3: gesture 'Wave' is written 'wave' on line 2",
        ),
        ('file,subject,gesture\na.csv,"Anna\nMay",wave\n', "line 3: subject must be at most 100 letters on one line"),
        (
            "file,subject,gesture,group\na.csv,Anna,w,x\nb.csv,Anna,w,\n",
            "line 3: Anna has group '' here, and 'x'",
        ),
        ("file,subject,gesture,rate_hz\na.csv,Anna,wave,fast\n", "line 2: rate_hz is 'fast'; it must be a number"),
        (
            "file,subject,gesture,correctness\na.csv,A,w,4\n",
            "line 2: correctness is '4'; it must be one of 1 correct",
        ),
        (
            "file,subject,gesture,mirrored\na.csv,A,x,y\nb.csv,B,y,z\n",
            "line 3: x becomes y in a mirror, so y must become x",
        ),
        ("file,subject,gesture\na.csv,\xff,wave\n", "cannot be read: 'utf-8' codec"),
        ('file,subject,gesture\na.csv,"Anna,wave\n', "cannot be read: unexpected end of data"),
    ],
    ids=range(22),
)
def test_labels_refused_with_the_line(tmp_path, text, said):
    for name in ("a.csv", "b.csv", "a.npy"):
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=said) as caught:
        read_labels(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "labels.csv"))


def test_a_gesture_of_one_person(root):
    labels = (root / "labels.csv").read_text(encoding="utf-8")
    (root / "labels.csv").write_text(labels.replace("Bo,wave left", "Bo,bow"), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"labels\.csv, line 4: gesture bow is done by Bo only.*\[wave left,wave right\]"
    ):
        read(root)
    assert len(read(root, gestures=["wave left", "wave right"])) == 7


def test_a_folder_without_a_table(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv does not exist: .* columns file, subject, gesture"):
        read(tmp_path, skeleton="kinect_v2")
    for name, text in (("labels.csv", "file,subject,gesture\n" + GOOD), ("a.csv", ""), ("b.csv", "")):
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=r"data\.skeleton=kinect: must be kinect_v2, mediapipe_pose, .*, or"):
        read(tmp_path, skeleton="kinect")


@pytest.mark.irds
def test_the_published_recordings_are_the_same_in_a_folder(irds_root, tmp_path):
    files = irds_files(irds_root, Form.simplified)[::23]
    rows = ["file,subject,gesture,correctness"]
    for file in files:
        said = parse_label(file.name)
        (tmp_path / f"{file.name}.txt").symlink_to(file.path)
        rows.append(f"{file.name}.txt,{said.subject},{GESTURES[said.gesture]},{said.correctness}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    folder = read_dataset(config(tmp_path, skeleton="kinect_v2", correctness=[1, 2, 3]))
    assert len(folder) == len(files)
    for file in files:
        expected = fill_untracked(parse(file.path.read_bytes(), Form.simplified))
        np.testing.assert_array_equal(folder[folder.names.index(file.name)].positions, expected, err_msg=file.name)


def test_lost_frames_are_named_by_data_check_not_called_shared(root):
    for at in (0, 1):
        rows = recording(at).splitlines()
        rows[10:14] = ["0,0,0,0,0,0"] * 4
        (root / f"b/{at} left.csv").write_text("\n".join(rows) + "\n")
    report = check_folder(root, skeleton=str(root.parent / "two.yaml"), rate_hz=30)
    lost = {each.recording: each.detail for each in report.of("untracked")}
    assert lost == dict.fromkeys(("b/0 left", "b/1 left"), "2 joints in 4 frames, first on line 11: Hip, Head")
    shared = [each.detail for each in report.of("shared_frames") if each.recording == "b/0 left"]
    assert not any("also in b/1 left" in detail for detail in shared)
