"""Real trainings that share a process, killed and resumed; old names of the launcher."""

import json
import subprocess
import sys
import time

import pytest
import torch
from command import gesturelab, untraced
from omegaconf import OmegaConf

from gesturelab.cli.job import train_folder
from gesturelab.config.composing import compose
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.status import is_alive, read_status
from processes import running

UNMEASURED = True
QUICK = (
    *("trainer=debug", "trainer.refit=false", "data.people=7", "data.repetitions=1", "model.hidden=16"),
    *("split=loso", "callbacks=none"),
)
EPOCHS = 25


def make_run(folder, fold):
    run = RunDir(folder, "tiny")
    run.path.mkdir(parents=True)
    config = compose([*QUICK, f"trainer.max_epochs={EPOCHS}", "trainer.threads=1", f"split.fold={fold}"])
    OmegaConf.save(OmegaConf.structured(config), run.config)
    return run


def weights(run):
    return torch.load(run.weights, weights_only=True)["state_dict"]


@pytest.mark.slow  # real processes: only they can be killed
def test_a_killed_process_is_resumed_and_its_runs_are_those_of_separate_processes(tmp_path):
    runs = [make_run(tmp_path / "shared" / str(fold), fold) for fold in range(2)]
    job_list = tmp_path / "list.json"
    job_list.write_text(json.dumps([str(run.path) for run in runs]))
    command = [sys.executable, "-m", "gesturelab.cli.job", str(job_list)]
    options = {"stdin": subprocess.PIPE, "env": untraced(), "start_new_session": True}
    with running(command, **options) as process:
        end = time.monotonic() + 300
        while read_status(runs[0].path).get("epoch", 0) < 2:
            assert time.monotonic() < end
            assert process.poll() is None, runs[0].log.read_text()
            time.sleep(0.02)
        process.kill()
    assert read_status(runs[0].path)["state"] == "running"
    assert not is_alive(runs[0].path, read_status(runs[0].path))
    assert not read_status(runs[1].path), "jobs follow each other"
    with running(command, **options) as process:
        assert process.wait(300) == 0
    assert read_status(runs[0].path)["first_epoch"] >= 1
    for fold, run in enumerate(runs):
        assert is_finished(run.path)
        assert run.log.read_text().count(f"epoch  {EPOCHS} of {EPOCHS}") == 1, "each run has its own log"
        assert [epoch["epoch"] for epoch in run.read_info()["training"]["history"]] == list(range(EPOCHS))
        separate = make_run(tmp_path / "separate" / str(fold), fold)
        assert train_folder(separate.path) == 0
        expected = weights(separate)
        assert all(torch.equal(expected[name], value) for name, value in weights(run).items())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["hydra/launcher=stacked"], "hydra/launcher=stacked is now called hydra/launcher=shared_process"),
        (["hydra/launcher=shared_process", "launcher.together=true"], "hydra.launcher.together was removed"),
        (["hydra/launcher=shared_process", "+launcher.together=true"], "hydra.launcher.together was removed"),
        (["hydra/launcher=shared_process", "+launcher.mine=1"], "hydra.launcher.mine: keys are _target_, n_jobs"),
    ],
)
def test_options_of_earlier_versions_and_unknown_ones_are_refused_in_one_sentence(tmp_path, options, sentence):
    done = gesturelab("train", "-m", "seed=0,1", *options, folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"gesturelab: error: {sentence}")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
