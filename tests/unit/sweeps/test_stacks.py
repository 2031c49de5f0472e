"""Which jobs share a process, what cannot, and what is said of each job when the process ends."""

import sys
from pathlib import Path

import pytest
import yaml
from made_run import composed

from gesturelab.errors import ConfigError
from gesturelab.runs.status import queue, read_status
from gesturelab.sweeps import shared_process as stacks
from gesturelab.sweeps.local import Watcher
from gesturelab.sweeps.plan import Action, Job
from gesturelab.sweeps.shared_process import divide, require_stackable, run_stacks

PLAIN = {
    "trainer": {"devices": 1, "num_nodes": 1, "precision": "auto", "on_not_finite": "stop"},
    "logger": {"csv": {"_target_": "gesturelab.training.metrics_csv.MetricsCsv"}},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 1e-3},
    "callbacks": {"early_stopping": {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}},
}
STUB = Path(__file__).with_name("stub_job.py")


def job(root, name="job", **values):
    made = composed(root, name, yaml.safe_dump({**PLAIN, **values}))
    return Job(made, root / name, Action.start)


def names(divided):
    return [[each.name for each in stack] for stack in divided]


def test_jobs_that_differ_in_split_and_seed_only_are_together(tmp_path):
    jobs = [
        job(tmp_path, f"{model}-{fold}", model=model, split={"fold": fold}, seed=fold)
        for fold in range(3)
        for model in ("tiny", "small")
    ]
    jobs.append(job(tmp_path, "wide", model="wide", split={"fold": 0}, seed=0))
    tiny, small = (["tiny-0", "tiny-1", "tiny-2"], ["small-0", "small-1", "small-2"])
    assert names(divide(jobs, 32, 1)) == [tiny, small, ["wide"]]
    assert names(divide(jobs, 2, 1)) == [tiny[:1], tiny[1:], small[:1], small[1:], ["wide"]]


def test_a_group_is_shared_among_all_places_evenly(tmp_path):
    jobs = [job(tmp_path, str(number), seed=number) for number in range(24)]
    assert [len(stack) for stack in divide(jobs, 32, 2)] == [12, 12]
    assert [len(stack) for stack in divide(jobs, 10, 2)] == [8, 8, 8]
    assert [len(stack) for stack in divide(jobs[:3], 32, 8)] == [1, 1, 1]
    assert [each.name for stack in divide(jobs, 5, 1) for each in stack] == [each.name for each in jobs]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"trainer": {"devices": 2, "num_nodes": 1, "precision": "auto"}}, r"trainer\.devices=2"),
        ({"logger": {"wandb": {"_target_": "gesturelab.training.trackers.wandb.Wandb"}}}, r"logger\.wandb"),
        ({"trainer": {"devices": 1, "num_nodes": 1, "precision": "float16"}}, r"trainer\.precision=float16"),
        ({"trainer": {**PLAIN["trainer"], "on_not_finite": "skip"}}, r"trainer\.on_not_finite=skip"),
        ({"optimizer": {"_target_": "torch.optim.RMSprop"}}, r"optimizer\._target_=torch\.optim\.RMSprop"),
        ({"callbacks": {"mine": {"_target_": "my.Callback"}}}, r"callbacks\.mine"),
    ],
)
def test_what_cannot_be_stacked_is_named(tmp_path, changed, key):
    require_stackable(job(tmp_path), together=True)
    with pytest.raises(ConfigError, match=key):
        require_stackable(job(tmp_path, **changed), together=True)


def test_one_after_another_takes_any_optimizer_and_callback(tmp_path):
    own = {"optimizer": {"_target_": "my.Optimizer"}, "callbacks": {"mine": {"_target_": "my.Callback"}}}
    require_stackable(job(tmp_path, **own), together=False)


class Recorder(Watcher):
    def __init__(self):
        self.said = []

    def began(self, task):
        self.said.append(("began", task.name))

    def ended(self, task):
        self.said.append((read_status(task.folder)["state"], task.name))


def test_a_process_that_is_killed_says_so_of_the_jobs_it_was_at_and_no_other_stack_minds(tmp_path, monkeypatch):
    """The stub trains one after another, and kills itself at the folder that is named so."""
    train = "import json, sys; sys.path.insert(0, sys.argv[2]); import stub_job; from pathlib import Path\n"
    train += "print('a word', flush=True)\n"
    train += "for folder in json.loads(Path(sys.argv[1]).read_text())['folders']: stub_job.main(Path(folder))"
    monkeypatch.setattr(
        stacks, "_command", lambda folder: [sys.executable, "-c", train, str(folder / "list.json"), str(STUB.parent)]
    )
    jobs = [job(tmp_path, name) for name in ("fine-1", "killed-1", "fine-2", "fine-3")]
    for each in jobs:
        queue(each.folder)
    recorder = Recorder()
    run_stacks([tuple(jobs[:3]), tuple(jobs[3:])], [{}, {}], recorder, together=True)
    states = {each.name: read_status(each.folder)["state"] for each in jobs}
    assert states == {"fine-1": "done", "killed-1": "failed", "fine-2": "queued", "fine-3": "done"}
    reason = read_status(jobs[1].folder)["reason"]
    assert reason.startswith("killed by SIGKILL")
    assert Path(reason.split("; ")[1].removesuffix(" may say more")).read_text() == "a word\n"
    ended = sorted(entry for entry in recorder.said if entry[0] != "began")
    assert ended == [("done", "fine-1"), ("done", "fine-3"), ("failed", "killed-1")]
    assert sorted(name for what, name in recorder.said if what == "began") == ["fine-1", "fine-3", "killed-1"]


def test_stacks_that_end_well_leave_nothing_beside_the_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(stacks, "_command", lambda _: ["true"])
    run_stacks([(job(tmp_path, "fine-1"),)], [{}], Watcher(), together=False)
    assert not list(tmp_path.iterdir())
