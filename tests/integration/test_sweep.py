"""``gesturelab train -m`` with a training that takes no time: folders, continuing, failures, exit status."""

import json
import logging

import pytest
from hydra.core.global_hydra import GlobalHydra

from gesturelab.cli.main import main
from gesturelab.errors import DataError, StoppedError
from gesturelab.files import write_text
from gesturelab.runs.folder import RunDir
from gesturelab.runs.lifecycle import report_status
from gesturelab.runs.status import read_status
from gesturelab.training.train import TrainResult


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Runs a sweep; gives the exit status, the seeds trained and what was printed. A job with notes=X meets X."""
    monkeypatch.chdir(tmp_path)
    trained = []
    troubles = {
        "raises": ValueError("bad luck"),
        "no_data": DataError("no recordings"),
        "ctrl_c": StoppedError("stopped by Ctrl-C"),
    }

    def quick(config, folder, *, config_text):
        run = RunDir(folder, config.model.name)
        with report_status(folder, config.trainer.max_epochs):
            trained.append((config.model.name, config.seed))
            write_text(run.config, config_text)
            if config.notes in troubles:
                raise troubles[config.notes]
            for path in run.artefacts:
                path.touch()
        return TrainResult(run, {})

    monkeypatch.setattr("gesturelab.training.train.train", quick)
    monkeypatch.setattr("gesturelab.cli.train_result.print_result", lambda run, info: None)
    monkeypatch.setattr("sys.argv", ["gesturelab"])

    def run(*arguments):
        trained.clear()
        GlobalHydra.instance().clear()
        try:
            status = main(["train", "-m", *arguments])
        except SystemExit as stop:
            status = stop.code
        close_logs()
        said = capsys.readouterr()
        return status, list(trained), said.out + said.err

    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield run
    close_logs()
    root.handlers[:], root.level = before[0], before[1]


def close_logs():
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.close()


def folders(root):
    return sorted(path.parent.relative_to(root).as_posix() for path in root.rglob("config.yaml"))


def test_folders_are_named_by_what_varies_and_a_second_call_trains_only_what_is_new(sweep, tmp_path):
    status, trained, _ = sweep("model=tiny,small", "seed=0,1", "trainer=cpu")
    assert status == 0
    assert len(trained) == 4
    assert folders(tmp_path / "multirun" / "gestures") == [
        "model=small,seed=0",
        "model=small,seed=1",
        "model=tiny,seed=0",
        "model=tiny,seed=1",
    ]
    status, trained, said = sweep("seed=0,1", "model=tiny,small,large", "trainer=cpu")
    assert (status, trained) == (0, [("large", 0), ("large", 1)])
    assert "6 jobs: 2 done, 4 skipped" in said


def test_a_failure_loses_no_other_result_and_is_told(sweep, tmp_path):
    status, trained, said = sweep("notes=fine,raises,no_data,good", "seed=7")
    assert status == 1
    assert len(trained) == 4
    assert "4 jobs: 2 done, 2 failed" in said
    assert "ValueError: bad luck" in said
    folder = tmp_path / "multirun" / "gestures" / "notes=raises"
    assert f"log: {folder.relative_to(tmp_path)}/train.log" in said
    assert "bad luck" in (folder / "train.log").read_text()
    assert "Traceback" in read_status(folder)["traceback"]
    status, trained, said = sweep("notes=fine,raises,no_data,good", "seed=7")
    assert (status, len(trained)) == (1, 2)
    assert "2 skipped, 2 failed" in said


def test_a_dry_run_says_what_would_be_done_and_does_nothing(sweep, tmp_path):
    sweep("seed=0")
    before = sorted(tmp_path.rglob("*"))
    status, trained, said = sweep("seed=0,1", "--dry-run")
    assert (status, trained) == (0, [])
    assert "skip    multirun/gestures/job" in said
    assert "start   multirun/gestures/seed=1" in said
    assert "2 jobs, 1 to do; nothing was begun" in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_of_a_single_run_trains_nothing(sweep, tmp_path, capsys):
    GlobalHydra.instance().clear()
    assert main(["train", "seed=0", "--dry-run"]) == 1
    close_logs()
    assert "--dry-run says what a sweep would do" in capsys.readouterr().err
    assert not list(tmp_path.rglob("config.yaml"))


def test_ctrl_c_ends_the_sweep_and_keeps_what_is_done(sweep):
    status, trained, said = sweep("notes=fine,ctrl_c,never", "seed=1")
    assert status == 130
    assert len(trained) == 2
    assert "3 jobs: 1 done, 1 stopped, 1 not begun" in said


def test_a_changed_configuration_is_refused_or_kept_beside(sweep, tmp_path):
    sweep("seed=0,1")
    status, trained, said = sweep("seed=0,1", "optimizer.lr=0.5")
    assert (status, trained) == (1, [])
    assert "optimizer.lr: 0.002 -> 0.5" in said or "-> 0.5" in said
    status, trained, _ = sweep("seed=0,1", "optimizer.lr=0.5", "hydra.sweeper.on_change=beside")
    assert (status, len(trained)) == (0, 2)
    assert folders(tmp_path / "multirun" / "gestures") == ["seed=0", "seed=0-2", "seed=1", "seed=1-2"]
    assert sweep("seed=0,1", "optimizer.lr=0.5")[1] == []


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["seed=1", "seed=2,3"], ["seed=2", "seed=3"]),
        (["seed=2,3", "seed=1"], ["job"]),
        (["tags=[a,b],[c]"], ["tags=_a,b_-0a0fbb", "tags=_c_-5d5f5c"]),
        (["notes='x y','ä ö'"], None),
        (["notes=" + "n" * 200 + "," + "m" * 200], None),
        (["notes='" + "手" * 80 + "','" + "足" * 80 + "'"], None),
        (["optimizer=adam,sgd", "loss=plain"], ["optimizer=adam", "optimizer=sgd"]),
        (["seed=range(0,3)"], ["seed=0", "seed=1", "seed=2"]),
        (["+callbacks.mine.x=1,2"], ["+callbacks.mine.x=1", "+callbacks.mine.x=2"]),
        (["data.people=8", "notes=a/b,'../c'"], None),
    ],
)
def test_any_override_makes_a_good_folder_which_is_found_again(sweep, tmp_path, arguments, names):
    status, trained, said = sweep(*arguments)
    assert status == 0, said
    made = folders(tmp_path / "multirun" / "gestures")
    assert len(made) == len(trained)
    assert all("/" not in name and len(name.encode()) <= 100 for name in made)
    if names is not None and not any("_-" in name for name in names):
        assert made == names
    again, trained, said = sweep(*arguments)
    assert (again, trained) == (0, []), said


def test_what_an_experiment_file_sweeps_over_names_the_folders(sweep, tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "seeds.yaml").write_text(
        "# @package _global_\nname: seeds\nhydra:\n  sweeper:\n    params:\n      seed: 0,1\n      model.hidden: 8\n"
    )
    arguments = ["--config-dir", str(tmp_path / "mine"), "experiment=seeds", "model=tiny"]
    assert sweep(*arguments)[:2] == (0, [("tiny", 0), ("tiny", 1)])
    assert folders(tmp_path / "multirun") == ["seeds/seed=0", "seeds/seed=1"]
    assert sweep(*arguments, "seed=1,2")[1] == [("tiny", 2)]


def test_a_folder_that_is_no_sweep_is_left_alone(sweep, tmp_path):
    (tmp_path / "multirun" / "gestures").mkdir(parents=True)
    (tmp_path / "multirun" / "gestures" / "thesis.txt").touch()
    status, trained, said = sweep("seed=0,1")
    assert (status, trained) == (1, [])
    assert "is not a sweep's folder" in said


def test_a_bad_value_in_the_last_job_is_told_before_the_first_begins(sweep, tmp_path):
    status, trained, said = sweep("model.hidden=8,0")
    assert (status, trained) == (1, [])
    assert "model.hidden=0: must be at least 2 (in the job model.hidden=0)" in said
    assert not (tmp_path / "multirun" / "gestures" / "model.hidden=8").exists()


def test_a_misspelt_option_of_the_sweeper_is_told(sweep):
    status, trained, said = sweep("seed=0,1", "hydra.sweeper.on_change=overwrite")
    assert (status, trained) == (1, [])
    assert "must be one of refuse, beside" in said


def test_a_status_is_json_with_what_status_shows(sweep, tmp_path):
    sweep("seed=5,6")
    status = json.loads((tmp_path / "multirun" / "gestures" / "seed=5" / "status.json").read_text())
    assert status["state"] == "done"
    assert {"pid", "host", "started", "heartbeat", "finished", "attempt", "schema"} <= status.keys()
