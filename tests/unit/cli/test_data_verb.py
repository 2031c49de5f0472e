import json
import subprocess
import sys
from pathlib import Path

import pytest

from gesturelab.cli.data import run
from gesturelab.errors import DataError

LINE = ",".join(f"{number / 100:.2f}" for number in range(1, 76)) + "\n"


def test_check_prints_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "101_18_0_1_1_stand.txt").write_text(LINE * 8)
    assert run(["check", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 recordings, 8 frames, 1 people" in said
    assert "101_18_0_1_1_stand  simplified  8 frames, a window has 20" in said


def test_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "101_18_0_1_1_stand.txt").write_text(LINE * 8)
    assert run(["check", str(tmp_path), "--json", "--window", "8"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["forms"]["simplified"]["recordings"] == 1
    assert {one["defect"] for one in report["findings"]} == {"repeated_frames", "near_zero_motion", "lacking_gestures"}


def test_check_of_nothing_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        run(["check", str(tmp_path / "no")])


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
