"""Several jobs at a time: one's end is no other's, none outlives the launcher, resources are shared fairly."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from gesturelab.config.sweeps import LocalLauncherConfig
from gesturelab.errors import ConfigError
from gesturelab.runs.status import is_alive, read_status
from gesturelab.sweeps.local import Task, Watcher, run_tasks
from gesturelab.sweeps.resources import Gpus, divide_resources, find_gpus
from processes import running

OPTIONS = {"_target_": "", "n_jobs": None, "threads": None, "gpus": None, "jobs_per_gpu": 1}
STUB = Path(__file__).with_name("stub_job.py")


def local(**changes):
    return LocalLauncherConfig(**{**OPTIONS, **changes})


def stub(folder):
    return [sys.executable, str(STUB), str(folder)]


def tasks(root, *kinds):
    return [Task(kind, root / kind) for kind in kinds]


class Recorder(Watcher):
    def __init__(self):
        self.running = 0
        self.most = 0
        self.names = []

    def began(self, task):
        self.running += 1
        self.most = max(self.most, self.running)

    def ended(self, task):
        self.running -= 1
        self.names.append(task.name)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def state(folder):
    return read_status(folder).get("state")


def test_one_job_that_dies_takes_no_other_with_it(tmp_path):
    recorder = Recorder()
    names = ("fine-1", "raises", "killed", "early", "leaves", "fine-2")
    run_tasks(tasks(tmp_path, *names), [{"OMP_NUM_THREADS": "3"}, {"OMP_NUM_THREADS": "3"}], recorder, stub)
    statuses = {name: read_status(tmp_path / name) for name in names}
    assert {name: (status["state"], status.get("reason")) for name, status in statuses.items()} == {
        "fine-1": ("done", None),
        "fine-2": ("done", None),
        "raises": ("failed", "ValueError: bad luck"),
        "killed": ("failed", "killed by SIGKILL (the system does so when memory runs out)"),
        "early": ("failed", "ended with exit status 3 before it began; see its log"),
        "leaves": ("stopped", "asked to leave before it began"),
    }
    assert recorder.most == 2
    assert sorted(recorder.names) == sorted(names)
    assert (tmp_path / "fine-1" / "threads").read_text() == "3"
    assert "bad luck" in (tmp_path / "raises" / "train.log").read_text()


def test_a_program_that_cannot_start_leaves_its_words_in_the_log(tmp_path):
    code = "import sys; sys.exit('no such library')"
    run_tasks(tasks(tmp_path, "one"), [{}], Watcher(), lambda folder: [sys.executable, "-c", code])
    assert state(tmp_path / "one") == "failed"
    assert "no such library" in (tmp_path / "one" / "train.log").read_text()


LAUNCHER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_local import stub, tasks
from gesturelab.sweeps.local import Watcher, run_tasks
try:
    run_tasks(tasks(Path(sys.argv[1]), "waits-1", "waits-2", "waits-3"), [{}, {}], Watcher(), stub)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def launcher(tmp_path):
    """A launcher in a process of its own, with two jobs that wait for ever and one that has no slot."""
    with running([sys.executable, "-c", LAUNCHER, str(tmp_path), str(STUB.parent), str(STUB.parents[2])]) as process:
        try:
            until(lambda: all(read_status(tmp_path / f"waits-{n}").get("epoch") == 1 for n in (1, 2)))
            yield process
        finally:
            process.kill()


def test_no_job_outlives_a_launcher_that_is_killed(launcher, tmp_path):
    pids = [read_status(tmp_path / f"waits-{n}")["pid"] for n in (1, 2)]
    launcher.kill()
    launcher.wait()
    until(lambda: not any(is_alive(tmp_path / f"waits-{n}") for n in (1, 2)))
    until(lambda: not any(_exists(pid) for pid in pids))


def test_ctrl_c_lets_jobs_say_that_they_were_stopped(launcher, tmp_path):
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(timeout=60) == 130
    assert [state(tmp_path / f"waits-{n}") for n in (1, 2, 3)] == ["stopped", "stopped", None]


def _exists(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_slots_divide_threads_and_gpus():
    two = Gpus("CUDA_VISIBLE_DEVICES", ("4", "7"))
    alone = [slot["OMP_NUM_THREADS"] for slot in divide_resources(local(n_jobs=3), None, 16, 99, environment={})]
    assert alone == ["5", "5", "5"]
    devices = [p["CUDA_VISIBLE_DEVICES"] for p in divide_resources(local(jobs_per_gpu=2), two, cores=8, jobs=99)]
    assert devices == ["4", "7", "4", "7"]
    assert len(divide_resources(local(n_jobs=9), two, cores=8, jobs=99)) == 2  # a GPU each, no more
    assert len(divide_resources(local(n_jobs=9), None, cores=8, jobs=2)) == 2
    assert divide_resources(local(gpus=[1]), two, cores=8, jobs=9)[0]["CUDA_VISIBLE_DEVICES"] == "7"
    assert "CUDA_VISIBLE_DEVICES" not in divide_resources(local(gpus=[]), two, cores=8, jobs=9)[0]
    assert divide_resources(local(threads=2), None, cores=1, jobs=9)[0]["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize(
    ("allowed", "expected"), [("1", "1"), ("4", "4"), ("64", "8"), ("0", "1"), ("many", "8"), ("", "8"), ("4,2", "4")]
)
def test_threads_that_the_user_has_limited_stay_limited(allowed, expected):
    (slot,) = divide_resources(local(n_jobs=1), None, cores=8, jobs=9, environment={"OMP_NUM_THREADS": allowed})
    assert set(slot.values()) == {expected}
    asked = divide_resources(local(n_jobs=1, threads=6), None, 8, 9, environment={"OMP_NUM_THREADS": allowed})
    assert asked[0]["OMP_NUM_THREADS"] == "6", "what is asked for here counts"


def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"there is no GPU 2; there are 1"):
        divide_resources(local(gpus=[2]), Gpus("CUDA_VISIBLE_DEVICES", ("0",)), cores=2, jobs=1)
    with pytest.raises(ConfigError, match=r"hydra.launcher.n_jobs=0: must be at least 1"):
        local(n_jobs=0)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CUDA_VISIBLE_DEVICES": "2,3"}, Gpus("CUDA_VISIBLE_DEVICES", ("2", "3"))),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None),
        ({"ROCR_VISIBLE_DEVICES": "1"}, Gpus("ROCR_VISIBLE_DEVICES", ("1",))),
        ({"ROCR_VISIBLE_DEVICES": "4,5", "HIP_VISIBLE_DEVICES": "1"}, Gpus("HIP_VISIBLE_DEVICES", ("1",))),
    ],
)
def test_variables_that_hide_gpus_are_respected(environment, expected):
    assert find_gpus(environment) == expected


def test_the_tests_know_processes():
    assert _exists(os.getpid())
