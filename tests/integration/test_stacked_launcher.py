"""A process that trains several models, killed and taken up again."""

import json
import subprocess
import sys
import time

import pytest
from command import untraced
from omegaconf import OmegaConf

from gesturelab.cli.job import train_folder
from gesturelab.config.compose import compose
from gesturelab.runs.folder import RunDir, is_finished
from gesturelab.runs.status import is_alive, read_status

UNMEASURED = True
QUICK = ("trainer=debug", "data.people=7", "data.repetitions=1", "model.hidden=16", "split=loso", "callbacks=none")


@pytest.mark.slow  # one real process: it shows what threads in a test's own process cannot
def test_a_killed_stack_goes_on_from_each_runs_last_checkpoint(tmp_path):
    runs = [RunDir(tmp_path / str(fold), "tiny") for fold in range(2)]
    for fold, run in enumerate(runs):
        run.path.mkdir()
        config = compose([*QUICK, "trainer.max_epochs=25", f"split.fold={fold}"])
        OmegaConf.save(OmegaConf.structured(config), run.config)
    listed = tmp_path / "list.json"
    listed.write_text(json.dumps({"folders": [str(run.path) for run in runs], "together": True}))
    command = [sys.executable, "-m", "gesturelab.cli.stack", str(listed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=untraced(), start_new_session=True) as process:
        end = time.monotonic() + 300
        while any((read_status(run.path) or {}).get("epoch", 0) < 2 for run in runs):
            assert time.monotonic() < end
            assert process.poll() is None, runs[0].log.read_text()
            time.sleep(0.02)
        process.kill()
    for run in runs:
        assert read_status(run.path)["state"] == "running"
        assert not is_alive(run.path, read_status(run.path))
        assert "epoch   2 of 25" in run.log.read_text()
        assert train_folder(run.path) == 0
        assert is_finished(run.path)
        assert read_status(run.path)["first_epoch"] >= 1
        assert [epoch["epoch"] for epoch in run.read_info()["training"]["history"]] == list(range(25))
