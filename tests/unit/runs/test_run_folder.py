import json

import pytest

from gesturelab.errors import RunError
from gesturelab.files import atomic_write, write_json, write_text
from gesturelab.runs.folder import RunDir, find_runs
from gesturelab.runs.info import INFO_SCHEMA


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "info.json"
    write_text(target, "old")

    def fail():
        with atomic_write(target) as beside:
            beside.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_files_are_readable_for_others(tmp_path):
    write_text(tmp_path / "a.txt", "text")
    plain = tmp_path / "b.txt"
    plain.write_text("text")
    assert (tmp_path / "a.txt").stat().st_mode == plain.stat().st_mode


def test_numbers_that_are_not_json_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "info.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write .*file/x\.json"):
        write_text(tmp_path / "file" / "x.json", "text")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is unfinished: there is no info_tiny.json"),
        ("", "cannot be read"),
        ('{"schema": 1', "cannot be read"),
        ("[1]", "is not an info file of gesturelab"),
        ("{}", "is not an info file of gesturelab"),
        (json.dumps({"schema": INFO_SCHEMA + 1}), "update it"),
    ],
)
def test_an_info_file_that_cannot_be_used_says_why(tmp_path, text, message):
    run = RunDir(tmp_path, "tiny")
    if text is not None:
        run.info.write_text(text)
    with pytest.raises(RunError, match=message):
        run.read_info()


def test_runs_are_found_finished_or_not(tmp_path):
    for folder, name in (("b/done", "info_small.json"), ("a/begun", "config.yaml"), ("c/none", "notes.txt")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / name).write_text("{}")
    (tmp_path / "b/done/config.yaml").write_text("")
    runs = [(run.path.relative_to(tmp_path).as_posix(), run.size) for run in find_runs(tmp_path)]
    assert runs == [("a/begun", ""), ("b/done", "small")]
