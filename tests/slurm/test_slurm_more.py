"""Several devices under Slurm, and the plain batch script."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gesturelab.runs.folder import RunDir
from gesturelab.runs.slurm import my_tasks
from noted import HONOURED, require_honoured
from slurm_testbed import ONE_CORE, SMALL, gesturelab, slurm, status, tell_to_leave, until

UNMEASURED = True
pytestmark = pytest.mark.slurm

SCRIPT = Path(__file__).parents[2] / "slurm" / "gesturelab.sbatch"


@pytest.mark.parametrize(("devices", "nodes"), [(2, 1), (1, 2)])
def test_processes_train_together_on_one_node_and_over_nodes(testbed, tmp_path, devices, nodes):
    shape = ("trainer=ddp", "trainer.device=cpu", f"trainer.devices={devices}", f"trainer.num_nodes={nodes}")
    small = [part for part in SMALL if part != "trainer=debug"]
    epochs = ("trainer.max_epochs=2", "trainer.batches_per_epoch=2")
    done = gesturelab("train", "-m", "seed=0", *shape, *small, *epochs, *ONE_CORE, folder=tmp_path)
    folder = tmp_path / "multirun" / "gestures" / "job"
    log = (folder / "train.log").read_text()
    assert done.returncode == 0, done.stdout + log
    assert log.count("epoch   2 of 2") == 1
    assert RunDir(folder, "tiny").complete
    (script,) = (tmp_path / "multirun" / "gestures").glob(".slurm/*/*_submission.sh")
    lines = script.read_text().splitlines()
    assert f"#SBATCH --nodes={nodes}" in lines
    assert f"#SBATCH --ntasks-per-node={devices}" in lines
    steps = slurm("sacct", "-nP", "-j", status(folder)["slurm_job"], "--format=NNodes,NTasks").split()
    assert f"{nodes}|2" in steps


def test_the_plain_batch_script_loads_modules_and_trains_the_four_sizes(testbed, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "modules" / "init").mkdir(parents=True)
    (tmp_path / "modules" / "init" / "bash").write_text('module() { echo "module $*"; }\n')
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"MODULESHOME": str(tmp_path / "modules"), "GESTURELAB_VENV": "", "PATH": path}
    command = ("sbatch", "--parsable", "--cpus-per-task=2", SCRIPT, *SMALL, "trainer.max_epochs=1", "name=first")
    submitted = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    job = submitted.stdout.strip()
    until(lambda: RunDir(tmp_path / "multirun/first/model=tiny", "tiny").complete)
    tell_to_leave(job, "--batch")
    until(lambda: not my_tasks(), 240)
    said = (tmp_path / "logs" / f"gesturelab_{job}.log").read_text()
    assert "module load rocm" in said
    assert "module load python" in said
    assert "back into the queue" in said
    assert "attempt 2" in said
    assert "skipped    model=tiny" in said
    assert "Recommended" in said
    for size in ("tiny", "small", "medium", "large"):
        assert RunDir(tmp_path / f"multirun/first/model={size}", size).complete


def test_the_plain_batch_script_says_which_module_is_not_there(testbed, tmp_path):
    (tmp_path / "logs").mkdir()
    environment = os.environ | {"MODULESHOME": str(tmp_path), "GESTURELAB_VENV": ""}
    done = subprocess.run(("sbatch", "--wait", "--cpus-per-task=1", SCRIPT), cwd=tmp_path, env=environment, check=False)
    assert done.returncode != 0
    (log,) = (tmp_path / "logs").glob("gesturelab_*.log")
    assert "module" in log.read_text()
    assert not (tmp_path / "multirun").exists()


def test_what_hydra_does_around_a_job_is_done_on_a_node(testbed, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[1]}:{os.environ.get('PYTHONPATH', '')}")
    done = gesturelab("train", "-m", "seed=1,2", *SMALL, "trainer.max_epochs=1", *ONE_CORE, *HONOURED, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    require_honoured(tmp_path / "multirun" / "gestures", (1, 2))
