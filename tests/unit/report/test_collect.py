import json
from pathlib import Path

import pytest

from gesturelab.errors import RunError
from gesturelab.report.collect import NEEDED, collect, short_names
from info_builder import make_info, write_run


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path):
    with pytest.raises(RunError, match="nowhere does not exist"):
        collect([tmp_path / "nowhere"])
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file is not a folder"):
        collect([tmp_path / "file"])


def test_a_run_below_two_folders_is_read_once(tmp_path: Path):
    write_run(tmp_path / "outputs/a", make_info())
    finished, unread = collect([tmp_path, tmp_path / "outputs", tmp_path / "outputs/a"])
    assert [run.info["name"] for run in finished] == ["trial"]
    assert unread == []


def test_unfinished_and_unreadable_runs_are_kept_with_reasons(tmp_path: Path):
    write_run(tmp_path / "good", make_info())
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/config.yaml").write_text("")
    for name, text in {
        "damaged": '{"schema": 1, "na',
        "binary": "\udcff\udcfe",
        "list": "[1]",
        "newer": json.dumps({**make_info(), "schema": 2}),
        "deep": "[" * 100_000,
        "empty": "",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "info_tiny.json").write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "folder/info_tiny.json").mkdir(parents=True)
    finished, unread = collect([tmp_path])
    assert [run.path.name for run in finished] == ["good"]
    states = {run.path.name: run.state for run in unread}
    assert states.pop("unfinished") == "unfinished"
    states.pop("folder", None)
    assert states == dict.fromkeys(["damaged", "binary", "list", "newer", "deep", "empty"], "unreadable")
    newer = next(run for run in unread if run.path.name == "newer")
    assert "schema 2" in newer.reason


@pytest.mark.parametrize("key", NEEDED)
@pytest.mark.parametrize("damage", ["missing", "wrong type"])
def test_an_info_file_with_a_bad_key_names_it(tmp_path: Path, key: str, damage: str):
    info = make_info()
    *parents, last = key.split(".")
    inner = info
    for part in parents:
        inner = inner[part]
    if damage == "missing":
        del inner[last]
    else:
        inner[last] = None
    folder = write_run(tmp_path / "a", make_info())
    (folder / "info_tiny.json").write_text(json.dumps(info))
    finished, unread = collect([tmp_path])
    assert finished == []
    assert f"'{key}'" in unread[0].reason
    assert "info_tiny.json" in unread[0].reason


@pytest.mark.parametrize("value", [88.4, -0.1, True, "0.9"])
def test_an_accuracy_that_cannot_be_is_refused(tmp_path: Path, value: object):
    info = make_info()
    info["metrics"]["test"]["recording"]["accuracy"] = value
    write_run(tmp_path, info)
    finished, unread = collect([tmp_path])
    assert finished == []
    assert "metrics.test.recording.accuracy" in unread[0].reason


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, value: object):
    info = make_info()
    info["split"]["options"]["seed"] = value
    write_run(tmp_path, info)
    finished, unread = collect([tmp_path])
    assert finished == []
    assert "JSON cannot" in unread[0].reason


def test_the_folder_that_hydra_keeps_is_no_run(tmp_path: Path):
    write_run(tmp_path / "a", make_info())
    (tmp_path / "a/.hydra").mkdir()
    (tmp_path / "a/.hydra/config.yaml").write_text("")
    finished, unread = collect([tmp_path])
    assert (len(finished), unread) == (1, [])


def test_names_are_as_short_as_they_can_be():
    paths = [Path("/r/a/1"), Path("/r/b/1"), Path("/r/b/2"), Path("/s/b/1")]
    assert short_names(paths) == ["a/1", "r/b/1", "2", "s/b/1"]
    assert short_names([Path("/r"), Path("/r/r")]) == ["/r", "r/r"]
    assert short_names([Path("/x/one"), Path("/x/one")]) == ["one", "one"]
