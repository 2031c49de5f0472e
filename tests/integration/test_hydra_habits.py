"""What users of Hydra do by habit works under every launcher, or is refused in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import gesturelab

from noted import HONOURED, require_honoured

QUICK = (
    *("data.people=5", "data.repetitions=1", "trainer=debug", "trainer.max_epochs=1"),
    *("trainer.refit=false", "model.hidden=8"),
)
TESTS = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
UNMEASURED = True


@pytest.mark.parametrize("launcher", ["basic", "local", "shared_process"])
def test_what_hydra_does_around_a_job_is_done_under_every_launcher(tmp_path, launcher):
    sweep = ("-m", "seed=1,2", f"hydra/launcher={launcher}")
    done = gesturelab("train", *sweep, *QUICK, *HONOURED, folder=tmp_path, PYTHONPATH=TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    require_honoured(tmp_path / "multirun" / "gestures", (1, 2))


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_values_that_name_the_jobs_folder_and_number_are_the_same_when_a_sweep_resumes(tmp_path, launcher):
    logger = '+logger.mine={_target_: lightning.pytorch.loggers.CSVLogger, save_dir: "${hydra:runtime.output_dir}"}'
    sweep = ("-m", "seed=1,2", f"hydra/launcher={launcher}", logger, "notes='job ${hydra:job.num}'", *QUICK)
    sweep = ("train", *sweep)
    assert gesturelab(*sweep, folder=tmp_path).returncode == 0
    second = tmp_path / "multirun" / "gestures" / "seed=2"
    assert list(second.rglob("logs/metrics.csv"))
    (second / "info_tiny.json").unlink()
    again = gesturelab(*sweep, folder=tmp_path)
    assert "2 jobs: 1 resumed, 1 skipped" in again.stdout, again.stdout + again.stderr
    assert "notes: job 1" in (second / "config.yaml").read_text()


def test_keys_can_be_left_out_of_a_folders_name(tmp_path):
    """Hydra's documented way to group the seeds of a configuration."""
    subdir = 'hydra.sweep.subdir="${hydra.job.override_dirname}/seed=${seed}"'
    naming = ("hydra.job.config.override_dirname.exclude_keys=[seed]", subdir)
    sweep = ("train", "-m", "model.hidden=8,16", "seed=1,2", *naming, *QUICK[:-1], "hydra/launcher=shared_process")
    done = gesturelab(*sweep, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    root = tmp_path / "multirun" / "gestures"
    folders = sorted(str(path.parent.relative_to(root)) for path in root.rglob("info_tiny.json"))
    assert folders == [f"model.hidden={hidden}/seed={seed}" for hidden in (16, 8) for seed in (1, 2)]
    assert "4 jobs: 4 skipped" in gesturelab(*sweep, folder=tmp_path).stdout
    assert "model.hidden=8/seed=2" in gesturelab("status", str(root), folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-m", "seed=1,2", "hydra.sweep.subdir=${hydra.job.num}"), "hydra.job.num cannot name a folder"),
        (("--cfg", "job", "-m", "seed=1,2"), "leave -m out"),
        (("--cfg", "job", "+model.foo=1"), "model.foo: there is no such key"),
        (("--cfg", "job", "trainer.devices=-1"), "trainer.devices=-1: must be at least 1"),
        (("--cfg", "job", "model=null"), "every training needs one; choose model="),
        (("--cfg", "job", "~optimizer"), "every training needs one; choose optimizer="),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_printed_or_written(tmp_path, arguments, sentence):
    done = gesturelab("train", *arguments, folder=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_wrong_type_is_no_misspelt_key(tmp_path):
    done = gesturelab("train", "--cfg", "job", "model.hidden=abc", folder=tmp_path)
    assert "could not be converted to Integer" in done.stderr
    assert "Did you mean" not in done.stderr


@pytest.mark.parametrize("argument", ["logger=null", "~logger", "callbacks=null", "~callbacks"])
def test_loggers_and_callbacks_can_be_left_out(tmp_path, argument):
    done = gesturelab("train", "--cfg", "job", argument, folder=tmp_path)
    assert f"{argument.removeprefix('~').partition('=')[0]}: {{}}" in done.stdout


def test_one_callback_can_be_switched_off(tmp_path):
    done = gesturelab("train", "callbacks.weight_averaging=null", *QUICK, folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_whole_traceback_is_shown_on_request(tmp_path):
    plain = gesturelab("train", "--cfg", "job", "sed=1", folder=tmp_path)
    full = gesturelab("train", "--cfg", "job", "sed=1", folder=tmp_path, HYDRA_FULL_ERROR="1")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in full.stderr


def test_a_launcher_of_ours_in_another_application_says_that_it_is_none_of_its_own(tmp_path):
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "app.py").write_text(
        "import hydra\n"
        "@hydra.main(version_base='1.3', config_path='.', config_name='config')\n"
        "def main(config): ...\n"
        "main()\n"
    )
    target = "hydra.launcher._target_=hydra_plugins.gesturelab_launchers.LocalLauncher"
    command = [sys.executable, "app.py", "-m", "seed=1,2", target]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "launches trainings of gesturelab only" in done.stderr
