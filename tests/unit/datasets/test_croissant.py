import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gesturelab.cli.data import run
from gesturelab.errors import DataError

TOLD = ("--license=https://creativecommons.org/licenses/by/4.0/", "--creator=A. Nobody", "--url=https://example.org/data",
        "--published=2026-11-28", "--cite=nothing yet", "--version=1.0.0")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    for name in "ab":
        np.save(tmp_path / "mine" / f"{name}.npy", np.zeros((2, 25, 3)))
    (tmp_path / "mine" / "labels.csv").write_text("file, Gesture,subject,rate_hz\na.npy,wave,x,15\nb.npy,bow,y,30\n")
    return tmp_path / "mine"


def test_a_folder_is_described_with_the_checksum_of_each_file(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["describe", str(folder)]) == 0
    assert "--license" in capsys.readouterr().out, "what it lacks"
    description = json.loads((folder / "croissant.json").read_text())
    files = {each["contentUrl"]: each["sha256"] for each in description["distribution"]}
    assert files == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("labels.csv", "a.npy", "b.npy")
    }
    with pytest.raises(DataError, match="move it away first"):
        run(["describe", str(folder)])
    (folder / "croissant.json").unlink()
    (folder / "labels.csv").write_text("file,subject,gesture\na.npy,x,wave\n")
    np.save(folder / "a.npy", np.random.default_rng(0).normal(0, 0.3, (30, 25, 3)))
    for command in (["describe"], ["check"], ["view", "-o", str(folder / "view.html")]):
        assert run([*command, str(folder)]) == 0, "one person is enough, as nobody is trained on"


READ = """
import json, sys
import mlcroissant

dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = dataset.metadata.ctx.issues
records = [
    [cell.decode() if isinstance(cell, bytes) else cell for cell in record.values()]
    for record in dataset.records("recordings")
]
print(json.dumps([list(issues.errors), list(issues.warnings), records]))
"""


def test_the_description_is_valid_and_its_records_are_the_table(folder: Path):
    """By the reference implementation, in a process of its own: its libraries warn of each other."""
    if find_spec("mlcroissant") is None:
        pytest.skip("mlcroissant (an extra of dev) is not installed")
    run(["describe", str(folder), *TOLD])
    command = [sys.executable, "-W", "ignore", "-c", READ, str(folder / "croissant.json")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    read = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert json.loads(read.stdout) == [[], [], [["a.npy", "wave", "x", 15.0], ["b.npy", "bow", "y", 30.0]]]
