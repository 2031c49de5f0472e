"""A sweep as one job array on a real Slurm."""

import json
import re
import subprocess

import pytest

from gesturelab.runs.folder import RunDir
from gesturelab.runs.slurm import my_tasks
from slurm_testbed import ONE_CORE, SMALL, command, gesturelab, slurm, status, until

UNMEASURED = True
pytestmark = pytest.mark.slurm


@pytest.fixture(scope="module")
def sizes(testbed, tmp_path_factory):
    """Four sizes through ``hydra/launcher=slurm_amd``, from a shell that hides GPUs."""
    folder = tmp_path_factory.mktemp("sizes")
    options = ("hydra/launcher=slurm_amd", "launcher.poll_s=0.5", "trainer.max_epochs=2", "trainer.batches_per_epoch=4")
    small = (
        "data.people=7",
        "data.repetitions=1",
        "launcher.cpus_per_task=1",
        "launcher.setup=['env > env.$SLURM_ARRAY_TASK_ID']",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIP_VISIBLE_DEVICES", "3")
        done = gesturelab("train", "-m", "model=tiny,small,medium,large", *options, *small, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_four_sizes_are_one_array_of_four_and_each_asks_for_a_gpu(sizes):
    folder, said = sizes
    assert "submitted 4 jobs to Slurm as job array" in said
    (record,) = (json.loads(path.read_text()) for path in folder.glob("multirun/gestures/.slurm/*/array.json"))
    fields = slurm("sacct", "-nPX", "-j", record["id"], "--format=JobID,ReqTRES").split()
    assert [line.split("|")[0] for line in fields] == [f"{record['id']}_{number}" for number in range(4)]
    assert all("gres/gpu=1" in line for line in fields)


def test_slurm_chooses_the_gpu_and_no_hip_variable_is_left(sizes):
    for number in range(4):
        environment = (sizes[0] / f"env.{number}").read_text().splitlines()
        assert any(line.startswith("ROCR_VISIBLE_DEVICES=") for line in environment)
        assert not any(line.startswith("HIP_VISIBLE_DEVICES") for line in environment)


def test_all_artefacts_appear_and_compare_shows_four_rows(sizes):
    folder, said = sizes
    assert "4 jobs: 4 done" in said
    for size in ("tiny", "small", "medium", "large"):
        run = RunDir(folder / "multirun" / "gestures" / f"model={size}", size)
        assert run.complete
        assert "epoch   2 of 2" in run.log.read_text()
    shown = gesturelab("compare", "--full", folder=folder)
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines() if re.match(r"[0-9]  ", line)]
    assert [row[1] for row in rows[:4]] == ["tiny", "small", "medium", "large"]


def test_a_finished_sweep_asks_slurm_for_nothing(sizes):
    before = slurm("sacct", "-nPX", "-S", "now-1day", "--format=JobID")
    again = gesturelab(
        "train",
        "-m",
        "model=tiny,small",
        "hydra/launcher=slurm_amd",
        "trainer.max_epochs=2",
        "trainer.batches_per_epoch=4",
        "data.people=7",
        "data.repetitions=1",
        folder=sizes[0],
    )
    assert again.returncode == 0
    assert "2 jobs: 2 skipped" in again.stdout
    assert slurm("sacct", "-nPX", "-S", "now-1day", "--format=JobID") == before


def test_dry_run_prints_script_and_jobs_and_does_nothing(testbed, tmp_path):
    options = (
        "launcher.partition=urgent",
        "launcher.account=lab",
        "launcher.mem_gb=1.5",
        "launcher.modules=[rocm/6.2]",
        "+launcher.environment.A=x y",
        "+launcher.additional_parameters.reservation=now",
    )
    done = gesturelab("train", "-m", "seed=0,1", *SMALL, *ONE_CORE, *options, "--dry-run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in (
        "start   multirun/gestures/seed=0",
        "#SBATCH --array=0-1%2",
        "#SBATCH --partition=urgent",
        "#SBATCH --mem=1536M",
        "#SBATCH --account=lab",
        "#SBATCH --reservation=now",
        "set -e",
        "module load rocm/6.2",
        "export A='x y'",
    ):
        assert line in done.stdout
    assert not list(tmp_path.iterdir())


def test_code_is_the_snapshot_of_the_submission(testbed, tmp_path):
    """Edits while a job waits change nothing."""
    import shutil

    import gesturelab as package

    code = tmp_path / "src"
    for name in ("gesturelab", "hydra_plugins"):
        shutil.copytree(f"{package.__path__[0]}/../{name}", code / name)
    shutil.copytree(f"{package.__path__[0]}/../../conf", tmp_path / "conf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(code))
        done = gesturelab(
            "train",
            "-m",
            "seed=0",
            *SMALL,
            *ONE_CORE,
            "+launcher.additional_parameters.hold=true",
            "launcher.detach=true",
            folder=tmp_path,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (code / "gesturelab").rglob("*.py"):
        path.write_text("raise RuntimeError('edited')")
    folder = tmp_path / "multirun" / "gestures" / "job"
    (task,) = [task for task in my_tasks() if task.name == status(folder)["slurm_name"]]
    slurm("scontrol", "release", task.id)
    until(lambda: status(folder).get("state") in ("done", "failed"))
    assert status(folder)["state"] == "done", status(folder)


def test_detach_status_and_cancel(testbed, tmp_path):
    long = (
        "trainer.max_epochs=10000",
        "launcher.detach=true",
        "launcher.array_parallelism=1",
        "launcher.timeout_min=30",
    )
    submitted = gesturelab("train", "-m", "seed=0,1", *SMALL, *ONE_CORE, *long, folder=tmp_path)
    assert submitted.returncode == 0, submitted.stderr
    assert "submitted 2 jobs to Slurm as job array" in submitted.stdout
    first = tmp_path / "multirun" / "gestures" / "seed=0"
    until(lambda: status(first).get("epoch"))
    shown = gesturelab("status", folder=tmp_path)
    assert shown.returncode == 0
    lines = {line.split()[0]: line for line in shown.stdout.splitlines() if line.startswith("seed=")}
    assert "running" in lines["seed=0"]
    assert "node" in lines["seed=0"]
    assert "pending" in lines["seed=1"]
    assert "JobArrayTaskLimit" in lines["seed=1"]
    cancelled = gesturelab("cancel", "multirun/gestures", folder=tmp_path)
    assert "cancelled 2 of 2 jobs: 1 were waiting, 1 running" in cancelled.stdout
    until(lambda: not my_tasks())
    shown = gesturelab("status", "multirun/gestures", folder=tmp_path)
    assert shown.returncode == 1
    assert shown.stdout.count("stopped") >= 2
    assert "cancelled" in shown.stdout


def test_from_inside_a_job(testbed, tmp_path):
    """Inherited variables neither size the new jobs nor send them to the old one's files."""
    inner = " ".join(command("train", "-m", "seed=0,1", *SMALL, *ONE_CORE))
    outer = (
        "sbatch",
        "--wait",
        "--mem-per-cpu=100",
        "--cpus-per-task=1",
        "--array=5",
        "--output=outer.log",
        f"--wrap={inner} name=inner",
    )
    done = subprocess.run(outer, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=240)
    log = (tmp_path / "outer.log").read_text()
    assert done.returncode == 0, log
    assert "2 jobs: 2 done" in log


def test_a_setup_line_that_fails_ends_the_job_and_is_told(testbed, tmp_path):
    done = gesturelab(
        "train", "-m", "seed=0", *SMALL, *ONE_CORE, "launcher.setup=['test -e nowhere','touch there']", folder=tmp_path
    )
    assert done.returncode == 1
    assert "ended as FAILED, exit code 1:0" in done.stdout
    assert status(tmp_path / "multirun" / "gestures" / "job")["state"] == "failed"
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("launcher.partition=night",),
            "there is no such partition; choose gpu, urgent",
        ),
        (("launcher.partitoin=gpu",), "Did you mean partition?"),
        (("launcher.timeout_min=soon",), "hydra.launcher.timeout_min=soon"),
        (("launcher.timeout_min=2", "launcher.signal_delay_s=120"), "hydra.launcher.signal_delay_s=120"),
        (("+launcher.environment.HIP_VISIBLE_DEVICES=0",), "Slurm hands GPUs out"),
        (("launcher.nodelist=nowhere",), "Slurm refuses the jobs"),
    ],
)
def test_what_cannot_be_submitted_is_one_clear_error(testbed, tmp_path, options, message):
    done = gesturelab("train", "-m", "seed=0,1", *SMALL, *ONE_CORE, *options, folder=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not my_tasks()
