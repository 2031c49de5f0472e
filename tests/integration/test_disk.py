"""A disk that is full, read-only or slow, and folders with odd names: one clear error, and nothing half-written."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from command import gesturelab
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

import gesturelab.training.experiment as train_module
from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.config.store import LONGEST_FOLDER_NAME, job_folder
from gesturelab.errors import RunError
from gesturelab.files import write_json, write_text
from gesturelab.runs.status import read_status
from trained import train_in

CONFIG = compose(
    [
        "data.people=6",
        "data.repetitions=1",
        "trainer=cpu",
        "model.hidden=8",
        "trainer.max_epochs=2",
    ]
)


def train(folder: Path):
    return train_in(folder, CONFIG, OmegaConf.to_yaml(OmegaConf.structured(CONFIG)))[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Undisturbed, in a folder whose name no shell would like."""
    return train(tmp_path_factory.mktemp("runs") / "a 'b' \"c\" $(d)\nü 🙂 <e> -f")


@pytest.fixture
def small_disk(tmp_path):
    """Four megabytes of memory as a disk; remounts it read-only or writable."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "gesturelab-test", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount a tmpfs (root)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leaves no room for anything but a few lines."""
    free = shutil.disk_usage(disk).free - os.sysconf("SC_PAGE_SIZE")
    (disk / "filler").write_bytes(b"x" * max(free, 0))


@pytest.mark.parametrize("moment", ["fit", "write_weights"])
def test_a_full_disk_ends_a_training_with_one_error_and_room_lets_it_go_on(moment, run, small_disk, monkeypatch):
    folder = small_disk / "run"
    right = getattr(train_module, moment)

    def on_a_full_disk(*arguments, **options):
        fill(small_disk)
        return right(*arguments, **options)

    monkeypatch.setattr(train_module, moment, on_a_full_disk)
    with pytest.raises(RunError, match=r"cannot write .*No space left on device"):
        train(folder)
    monkeypatch.undo()
    assert not list(folder.glob("info_*.json")), "it is not finished"
    for path in folder.rglob("*"):
        assert path.name == ".lock" or not path.name.startswith("."), f"{path} is half of a file"
    for path in folder.glob("*.json"):
        json.loads(path.read_text())
    (small_disk / "filler").unlink()
    again = train(folder)
    assert read_status(folder).get("state") == "done"
    here, there = (torch.load(one.weights, weights_only=True)["state_dict"] for one in (again, run))
    assert all(torch.equal(here[name], there[name]) for name in there)


def test_a_read_only_folder_is_named(run, small_disk):
    whole = small_disk / "run"
    shutil.copytree(run.path, whole)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    try:
        with pytest.raises(RunError, match=r"cannot write .*/other.*Read-only file system"):
            train(small_disk / "other")
        with pytest.raises(RunError, match=r"cannot write .*/table\.csv: Read-only file system"):
            write_text(small_disk / "table.csv", "text")
        assert main(["compare", str(whole)]) == 0
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_while_a_slow_disk_writes_readers_see_the_old_file(tmp_path, monkeypatch):
    """As on a network file system: until the rename the name means the old file, and after it the new one."""
    target = tmp_path / "status.json"
    write_json(target, {"epoch": 1})
    seen: list[int] = []
    synced = os.fsync

    def slow(handle: int) -> None:
        seen.append(json.loads(target.read_text())["epoch"])
        synced(handle)
        seen.append(json.loads(target.read_text())["epoch"])

    monkeypatch.setattr(os, "fsync", slow)
    write_json(target, {"epoch": 2})
    assert seen[:2] == [1, 1]
    assert set(seen[2:]) == {2}, "the folder is synced after the rename, so that the rename lasts"


def test_any_name_of_a_folder_does(run, tmp_path, capsys):
    assert run.complete
    folder = str(run.path)
    page = tmp_path / 'it\'s <a> "page".html'
    assert main(["compare", folder, "--csv", str(tmp_path / "ü;\n.csv"), "--figures", str(tmp_path / "p q")]) == 0
    assert main(["report", folder, "-o", str(page)]) == 0
    assert main(["audit", folder]) == 0
    assert "all checks passed" in capsys.readouterr().out
    assert "<e>" not in page.read_text()


def test_damaged_runs_are_named_and_the_others_shown(run, tmp_path, capsys):
    for name in ("good", "info", "config", "scaler", "keys", "status"):
        shutil.copytree(run.path, tmp_path / name)
    (tmp_path / "info" / run.info.name).write_text('{"schema": 1, "na')
    (tmp_path / "keys" / run.info.name).write_text('{"schema": 1}')
    (tmp_path / "config" / "config.yaml").write_text("{" * 500)
    (tmp_path / "scaler" / run.scaler.name).write_text("[]")
    (tmp_path / "status" / "status.json").write_text('{"state": "running", "heartbeat": 7, "epoch": "x"}')
    assert main(["audit", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    for name in ("info", "keys", "config", "scaler"):
        part = said.split(f"/{name} (tiny)")[1].split("(tiny)")[0]
        assert "FAIL" in part
        assert f"/{name}/" in part or name == "scaler", part
    assert "FAIL" not in said.split("/good (tiny)")[1].split("(tiny)")[0]
    main(["status", str(tmp_path)])
    said = capsys.readouterr().out
    assert all(name in said for name in ("good", "scaler", "status"))
    assert main(["compare", str(tmp_path), "--full"]) == 0
    said = capsys.readouterr().out
    assert said.count("unreadable") == 2
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "page.html")]) == 0


long_texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)


@settings(max_examples=100, database=None)
@given(long_texts, long_texts)
def test_a_jobs_folder_fits_every_file_system_and_is_its_own(one, other):
    name = job_folder(one)
    assert 0 < len(name.encode()) <= LONGEST_FOLDER_NAME
    assert not set(name) & set('/\\:*?"<>|\n\0')
    assert name not in (".", "..")
    assert (job_folder(other) == name) == (one == other)


def test_overrides_of_200_characters_make_folders_of_their_own(tmp_path):
    """A whole sweep, planned: names that differ at their very end."""
    notes = [f"{'long ' * 40}{end}" for end in ("a", "b")]
    words = ["train", "-m", "--dry-run", 'name="it\'s ü"', f'notes="{notes[0]}","{notes[1]}"']
    done = gesturelab(*words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    folders = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("start")]
    assert len(set(folders)) == 2
    assert all(len(Path(folder).name.encode()) <= LONGEST_FOLDER_NAME for folder in folders)
    assert not list(tmp_path.rglob("config.yaml"))
