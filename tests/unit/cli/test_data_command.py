import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gesturelab.cli.data import run
from gesturelab.errors import DataError
from gesturelab.skeletons.skeleton import KINECT_V2

LINE = ",".join(f"{number / 100:.2f}" for number in range(1, 76)) + "\n"


def test_check_prints_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "101_18_0_1_1_stand.txt").write_text(LINE * 8)
    assert run(["check", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "1 recordings, 8 frames, 1 people" in output
    assert "101_18_0_1_1_stand  simplified  8 frames, a window has 20" in output


def test_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "101_18_0_1_1_stand.txt").write_text(LINE * 8)
    assert run(["check", str(tmp_path), "--json", "--window", "8"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["forms"]["simplified"]["recordings"] == 1
    assert {finding["defect"] for finding in report["findings"]} == {
        "repeated_frames",
        "near_zero_motion",
        "lacking_gestures",
    }


def test_check_of_nothing_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        run(["check", str(tmp_path / "no")])
    (tmp_path / "deep").mkdir()
    for _ in ("an empty folder", "a recording without a table"):
        with pytest.raises(DataError, match=r"labels\.csv .*gesturelab data convert makes one"):
            run(["check", str(tmp_path)])
        (tmp_path / "deep/one.NPY").touch()
    with pytest.raises(DataError, match="gesturelab data convert makes one"):
        run(["check", str(tmp_path / "deep/one.NPY")])


@pytest.mark.parametrize("arguments", [[], ["check"], ["fetch", "other"], ["check", ".", "--window", "0"]])
def test_wrong_arguments_end_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2
    assert "usage: gesturelab data" in capsys.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom gesturelab.cli.data import run\n"
        "try:\n    run(['check', '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'lightning', 'pandas', 'numpy', 'rich'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_an_example_of_ones_own_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert run(["example", str(folder)]) == 0
    with pytest.raises(DataError, match="is not empty: name a new folder"):
        run(["example", str(folder)])
    header, first, *_ = (folder / "labels.csv").read_text().splitlines()
    assert header == "file,subject,gesture,group,correctness"
    text = (folder / first.split(",")[0]).read_text().splitlines()
    assert text[0].startswith("time_s,SpineBase_x,SpineBase_y,SpineBase_z,")
    (folder / "101/elbow_flexion_left_1.csv").write_text("\n".join([*text[:9], text[9] + ",1"]))
    (folder / "101/elbow_flexion_left_2.csv").write_text("\n".join(text))
    (folder / "102/elbow_flexion_left_2.csv").write_text("\n".join(text))
    capsys.readouterr()
    assert run(["check", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    details = {(finding["defect"], finding["recording"]): finding["detail"] for finding in report["findings"]}
    assert "line 10 has 77 columns, line 1 has 76" in details["unreadable", "101/elbow_flexion_left_1"]
    shared = details["shared_frames", "101/elbow_flexion_left_2"]
    assert shared == f"{len(text) - 1} frames also in 102/elbow_flexion_left_2 (ANOTHER person)"
    assert report["notes"][0] == "MADE UP: nobody moved, and every result says so"


def test_check_of_recordings_without_a_table(tmp_path: Path) -> None:
    (tmp_path / "one.csv").touch()
    with pytest.raises(DataError, match=r"labels\.csv does not exist: .* with the columns file, subject, gesture"):
        run(["check", str(tmp_path)])


def test_check_says_what_will_surprise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "labels.csv").write_text("file,subject,gesture\na.npy,x,grip_l\nb.csv,y,grip_l\nc.csv,y,bow\n")
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(30, 25, 3)))
    names = ",".join(f"{joint}_{axis}" for joint in KINECT_V2.joints for axis in "xyz")
    rows = "".join(f"{at / 60},{','.join(['1'] * 74)},{at}\n" for at in range(9))
    for name in "bc":
        (tmp_path / f"{name}.csv").write_text(f"time_s,{names}\n{rows}")
    assert run(["check", str(tmp_path)]) == 0
    output = capsys.readouterr().out
    for words in (
        "In a mirror: bow stays",
        "is unknown: grip_l. Say so in the column mirrored of labels.csv, or train with augment=none",
        "Gestures that fewer than 3 people do: bow (1), grip_l (2)",
        "without times, for which labels.csv has no rate_hz: 1; they are taken to have 30 frames a second",
        "recordings have 60 frames a second, brought to 30",
        "b  folder  9 frames, a window has 20",
        "x  folder  bow",
    ):
        assert words in output, words
