"""What Slurm is asked for, and how its answers are read; the real one is in tests/slurm."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from run_builder import begin, composed, finish

from gesturelab.config.store import conf_dir, register
from gesturelab.config.sweeps import SlurmLauncherConfig
from gesturelab.errors import ConfigError, RunError
from gesturelab.runs import slurm as cluster
from gesturelab.runs.slurm import SlurmTask, hide_overruling_variables
from gesturelab.runs.status import (
    State,
    Status,
    find_slurm_task,
    is_alive,
    mark_queued,
    read_status,
    write_status,
)
from gesturelab.sweeps.plan import Action, Job, OnChange, plan
from gesturelab.sweeps.slurm import (
    Shape,
    check_jobs,
    complete_job_status,
    describe_ending,
    divide_into_arrays,
    sbatch_parameters,
)

ONE = Shape(nodes=1, devices=1, device="auto")


def options(*overrides):
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        keys = [re.sub(r"^(\+?)", r"\1hydra.launcher.", override) for override in overrides]
        config = compose("train", overrides=["hydra/launcher=slurm", *keys], return_hydra_config=True)
    launcher = OmegaConf.to_object(config.hydra.launcher)
    assert isinstance(launcher, SlurmLauncherConfig)
    return launcher


def script(shape, *overrides):
    return sbatch_parameters(options(*overrides), shape, "s-1", Path("/code"))


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of made-up Slurm commands, the only ones there are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin" if not Path("/usr/bin/squeue").exists() else str(folder))
    monkeypatch.setattr(cluster, "_queue", (-1e9, None))

    def program(name, answer="", code=0):
        path = folder / name
        path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {code}\n".replace("echo", "printf '%s\\n'"))
        path.chmod(0o755)
        monkeypatch.setattr(cluster, "_queue", (-1e9, None))

    return program


@pytest.mark.parametrize(
    ("shape", "overrides", "gpus"),
    [
        (ONE, (), 1),
        (Shape(1, 4, device="auto"), (), 4),
        (Shape(1, 4, device="cpu"), (), None),
        (ONE, ("gpus_per_node=0",), None),
        (ONE, ("gres='gpu:mi250:1'",), None),
    ],
)
def test_gpus_follow_from_the_training(shape, overrides, gpus):
    parameters = script(shape, *overrides)
    assert parameters.get("gpus_per_node") == gpus
    assert parameters["ntasks_per_node"] == shape.devices
    assert parameters.get("gres") == ("gpu:mi250:1" if overrides and "gres" in overrides[0] else None)


def test_a_job_that_may_not_go_back_says_so_to_slurm():
    assert script(ONE, "max_requeues=0")["additional_parameters"] == {"no-requeue": True}
    assert script(ONE)["additional_parameters"] == {"requeue": True}


def test_the_first_setup_line_makes_any_failure_the_end():
    lines = script(ONE, "setup=[mine]", "modules=[rocm]")["setup"]
    assert (lines[0], lines[-1]) == ("set -e", "mine")
    assert lines.index("module load rocm") < lines.index("mine")
    assert not any("MASTER_ADDR" in line for line in lines)
    assert any("MASTER_ADDR" in line for line in script(Shape(2, 1, device="cpu"))["setup"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("timeout_min=2", "signal_delay_s=90"), "signal_delay_s=90: jobs of 2 minutes"),
        (("array_parallelism=0",), "array_parallelism=0: must be at least 1"),
        (("gres='gpu:1'", "gpus_per_node=1"), "both ask for GPUs"),
        (("mem_gb=-1",), "mem_gb"),
        (("+additional_parameters.job-name=x",), "leave it out"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(wrong, message):
    with pytest.raises(ConfigError, match=message):
        options(*wrong)


@pytest.mark.parametrize(
    ("device", "overrides", "flag"),
    [
        ("auto", (), "--nv"),
        ("auto", ("gpu_vendor=amd",), "--rocm"),
        ("rocm", (), "--rocm"),
        ("gpu", ("gpus_per_node=0",), None),
        ("cpu", ("gpus_per_node=1",), None),
    ],
)
def test_a_container_gets_the_flag_of_its_gpus_and_sees_what_the_training_reads(tmp_path, device, overrides, flag):
    (tmp_path / "data").mkdir()
    image = tmp_path / "lab.sif"
    text = f"data: {{root: {tmp_path / 'data'}, cache_dir: {tmp_path / 'nowhere'}}}"
    array = divide_into_arrays(jobs(tmp_path / "sweep", 1, device=device, text=text), largest=1)[0]
    words = array.python_command(options(f"container='{image}'", *overrides))
    assert [word for word in words if word in ("--nv", "--rocm")] == ([flag] if flag else [])
    bound = {words[number + 1] for number, word in enumerate(words) if word == "--bind"}
    assert bound == {str(Path.cwd()), str(tmp_path / "data"), str(tmp_path / "sweep")}
    assert words[-2:] == [str(image), "python3"]
    assert array.python_command(options("python=/opt/py"))[-1:] == ["/opt/py"]


def test_an_image_that_is_not_there_is_refused(tmp_path, programs):
    for name in ("sbatch", "srun", "squeue", "scontrol", "sinfo"):
        programs(name)
    with pytest.raises(ConfigError, match="no such image; build it"):
        check_jobs(jobs(tmp_path, 1), options("container=nowhere.sif"))


def jobs(root, count, **changes):
    return [
        Job(replace(composed(root, f"seed={i}"), **changes), root / f"seed={i}", Action.start) for i in range(count)
    ]


def test_an_array_is_cut_to_what_the_cluster_takes_and_keeps_the_order(tmp_path):
    cut = divide_into_arrays(jobs(tmp_path / "my sweep", 5), largest=2)
    assert [[job.folder.name for job in array.jobs] for array in cut] == [
        ["seed=0", "seed=1"],
        ["seed=2", "seed=3"],
        ["seed=4"],
    ]
    assert len({array.name for array in cut}) == 3
    assert all(array.name.startswith("my_sweep-") for array in cut)


def test_jobs_that_need_other_nodes_are_an_array_of_their_own(tmp_path):
    mixed = [*jobs(tmp_path, 2), *jobs(tmp_path, 2, devices=4)]
    assert [array.shape.devices for array in divide_into_arrays(mixed, largest=99)] == [1, 4]


def test_a_job_is_found_by_name_and_number():
    tasks = [SlurmTask("7_0", "a", "PENDING"), SlurmTask("7_1", "a", "RUNNING"), SlurmTask("8", "b", "RUNNING")]
    assert find_slurm_task(Status(slurm_name="a", slurm_index=1), tasks) == tasks[1]
    assert find_slurm_task(Status(slurm_name="b"), tasks) == tasks[2]
    assert find_slurm_task(Status(), tasks) is None


def test_a_job_in_slurm_is_left_alone_and_one_that_slurm_lost_begins_again(tmp_path, programs):
    begin(composed(tmp_path), epochs=0)
    mark_queued(tmp_path / "seed=1", "sweep-1", 3)
    programs("squeue", "7_3|sweep-1|PENDING||Resources")
    assert plan([composed(tmp_path)], OnChange.refuse)[0].action is Action.busy
    programs("squeue", "7_3|sweep-1|COMPLETED||None")
    assert plan([composed(tmp_path)], OnChange.refuse)[0].action is Action.start
    programs("squeue", "7_4|sweep-1|RUNNING|node1|None")
    assert not is_alive(tmp_path / "seed=1")


def test_a_controller_that_is_busy_is_asked_again_to_take_a_job_back(tmp_path, programs, monkeypatch):
    programs("scontrol")
    asked = tmp_path / "asked"
    (tmp_path / "bin" / "scontrol").write_text(
        f"""#!/bin/sh
echo "$*" >> {asked}
echo 'Socket timed out' >&2
test "$(/usr/bin/wc -l < {asked})" -eq 3
"""
    )
    monkeypatch.setattr(cluster, "FRESH_S", 0)
    cluster.requeue_job("7_3")
    assert asked.read_text().splitlines() == ["requeue 7_3"] * 3
    with pytest.raises(RunError, match="does not take the job back: Socket timed out; the same command resumes it"):
        cluster.requeue_job("7_3")


def test_without_accounting_the_controller_is_asked_how_a_job_ended(programs):
    programs("sacct", code=1)
    programs(
        "scontrol",
        "JobId=9 ArrayJobId=7 ArrayTaskId=2 JobName=s JobState=TIMEOUT NodeList=node3 ExitCode=0:15",
    )
    (ended,) = cluster.ended_tasks(["7_2"]).values()
    assert describe_ending(ended) == (State.failed, "Slurm job 7_2 met its time limit on node3")


@pytest.mark.parametrize(
    ("state", "code", "text"),
    [
        ("OUT_OF_MEMORY", "0:125", "ran out of memory on n1"),
        ("NODE_FAIL", "1:0", "its node was lost on n1"),
        ("FAILED", "0:9", "was killed by SIGKILL on n1"),
        ("FAILED", "3:0", "ended as FAILED, exit code 3:0 on n1"),
        ("COMPLETED", "0:0", "ended as COMPLETED"),
    ],
)
def test_endings_in_words(state, code, text):
    ending, reason = describe_ending(SlurmTask("7", "s", state, "n1", code))
    assert ending is State.failed
    assert text in reason
    assert describe_ending(SlurmTask("7", "s", "CANCELLED by 0", "n1", "0:15"))[0] is State.stopped


def test_a_time_limit_shorter_than_an_epoch_is_warned_of(tmp_path, programs):
    for name in ("sbatch", "srun", "squeue", "scontrol", "sinfo"):
        programs(name, "gpu")
    (job,) = jobs(tmp_path, 1)
    mark_queued(job.folder)
    write_status(job.folder, {"state": State.failed, "epoch_s": 700.0})
    assert check_jobs([job], options("timeout_min=20")) == []
    (warning,) = check_jobs([job], options("timeout_min=10"))
    assert "timeout_min=10: an epoch took 12 minutes" in warning
    with pytest.raises(ConfigError, match="choose gpu"):
        check_jobs([job], options("partition=night"))


def test_no_slurm_names_the_local_launcher(programs):
    with pytest.raises(ConfigError, match="hydra/launcher=local"):
        cluster.require_slurm()


def test_variables_that_would_overrule_the_script_are_hidden_and_come_back(monkeypatch):
    for name in ("SBATCH_ACCOUNT", "SBATCH_PARTITION", "SBATCH_JOB_NAME", "SLURM_CONF", "SLURM_MEM_PER_CPU"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with hide_overruling_variables({"partition": "ours"}):
        assert os.environ["SBATCH_ACCOUNT"] == "theirs"
        assert not {"SBATCH_PARTITION", "SBATCH_JOB_NAME"} & set(os.environ)
    assert os.environ["SBATCH_PARTITION"] == "theirs"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with hide_overruling_variables({}):
        assert not {"SBATCH_ACCOUNT", "SLURM_MEM_PER_CPU"} & set(os.environ)
        assert os.environ["SLURM_CONF"] == "theirs"
    assert os.environ["SLURM_MEM_PER_CPU"] == "theirs"


def test_jobs_that_were_cancelled_while_they_waited_share_a_row(programs):
    programs("sacct", "7_[2-4%1]|s|CANCELLED by 0|None assigned|0:0")
    ended = cluster.ended_tasks(["7_3", "7_5"])
    assert list(ended) == ["7_3"]
    assert describe_ending(ended["7_3"])[0] is State.stopped


def test_a_finished_run_that_was_killed_before_it_said_so_is_done(tmp_path):
    run = finish(composed(tmp_path))
    write_status(run.path, {"state": State.running, "slurm_name": "s-1"})
    complete_job_status(run.path)
    assert read_status(run.path)["state"] == State.done
