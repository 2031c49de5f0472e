"""Which jobs share a process, which cannot, and what the status of each job says when the process ends."""

import sys
from pathlib import Path

import pytest
import yaml
from run_builder import composed

from gesturelab.errors import ConfigError
from gesturelab.runs.status import mark_queued, read_status
from gesturelab.sweeps import shared_process
from gesturelab.sweeps.local import Watcher
from gesturelab.sweeps.plan import Action, Job
from gesturelab.sweeps.shared_process import group_jobs, require_shareable, run_groups

PLAIN = {
    "trainer": {"devices": 1, "num_nodes": 1, "precision": "auto", "on_not_finite": "stop"},
    "logger": {"csv": {"_target_": "gesturelab.training.metrics_csv.MetricsCsv"}},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 1e-3},
    "callbacks": {"early_stopping": {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}},
}
STUB = Path(__file__).with_name("stub_job.py")


def job(root, name="job", **values):
    config = composed(root, name, yaml.safe_dump({**PLAIN, **values}))
    return Job(config, root / name, Action.start)


def names(groups):
    return [[job.name for job in group] for group in groups]


def test_jobs_that_differ_in_split_and_seed_only_share_a_process(tmp_path):
    jobs = [
        job(tmp_path, f"{model}-{fold}", model=model, split={"fold": fold}, seed=fold)
        for fold in range(3)
        for model in ("tiny", "small")
    ]
    jobs.append(job(tmp_path, "wide", model="wide", split={"fold": 0}, seed=0))
    tiny, small = (["tiny-0", "tiny-1", "tiny-2"], ["small-0", "small-1", "small-2"])
    assert names(group_jobs(jobs, 32, 1)) == [tiny, small, ["wide"]]
    assert names(group_jobs(jobs, 2, 1)) == [tiny[:1], tiny[1:], small[:1], small[1:], ["wide"]]


def test_jobs_are_divided_among_all_processes_evenly(tmp_path):
    jobs = [job(tmp_path, str(number), seed=number) for number in range(24)]
    assert [len(group) for group in group_jobs(jobs, 32, 2)] == [12, 12]
    assert [len(group) for group in group_jobs(jobs, 10, 2)] == [8, 8, 8]
    assert [len(group) for group in group_jobs(jobs[:3], 32, 8)] == [1, 1, 1]
    assert [member.name for group in group_jobs(jobs, 5, 1) for member in group] == [member.name for member in jobs]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"trainer": {"devices": 2, "num_nodes": 1, "precision": "auto"}}, r"trainer\.devices=2"),
        ({"logger": {"wandb": {"_target_": "gesturelab.training.trackers.wandb.Wandb"}}}, r"logger\.wandb"),
    ],
)
def test_what_cannot_share_a_process_is_named(tmp_path, changed, key):
    require_shareable(job(tmp_path))
    with pytest.raises(ConfigError, match=key):
        require_shareable(job(tmp_path, **changed))


def test_any_precision_optimizer_and_callback_can_share_a_process(tmp_path):
    own = {"optimizer": {"_target_": "my.Optimizer"}, "callbacks": {"mine": {"_target_": "my.Callback"}}}
    trainer = {**PLAIN["trainer"], "precision": "float16", "on_not_finite": "skip"}
    require_shareable(job(tmp_path, trainer=trainer, **own))


class Recorder(Watcher):
    def __init__(self):
        self.events = []

    def began(self, task):
        self.events.append(("began", task.name))

    def ended(self, task):
        self.events.append((read_status(task.folder)["state"], task.name))


def test_a_process_that_is_killed_says_so_of_the_jobs_it_was_at_and_no_other_process_minds(tmp_path, monkeypatch):
    """The stub trains one after another, and kills itself at the folder that is named so."""
    train = "import json, sys; sys.path.insert(0, sys.argv[2]); import stub_job; from pathlib import Path\n"
    train += "print('a word', flush=True)\n"
    train += "for folder in json.loads(Path(sys.argv[1]).read_text()): stub_job.main(Path(folder))"
    monkeypatch.setattr(
        shared_process,
        "_command",
        lambda folder: [sys.executable, "-c", train, str(folder / "list.json"), str(STUB.parent)],
    )
    jobs = [job(tmp_path, name) for name in ("fine-1", "killed-1", "fine-2", "fine-3")]
    for each in jobs:
        mark_queued(each.folder)
    recorder = Recorder()
    run_groups([tuple(jobs[:3]), tuple(jobs[3:])], [{}, {}], recorder)
    states = {each.name: read_status(each.folder)["state"] for each in jobs}
    assert states == {"fine-1": "done", "killed-1": "failed", "fine-2": "queued", "fine-3": "done"}
    reason = read_status(jobs[1].folder)["reason"]
    assert reason.startswith("killed by SIGKILL")
    assert Path(reason.split("; ")[1].removesuffix(" may say more")).read_text() == "a word\n"
    ended = sorted(entry for entry in recorder.events if entry[0] != "began")
    assert ended == [("done", "fine-1"), ("done", "fine-3"), ("failed", "killed-1")]
    assert sorted(name for what, name in recorder.events if what == "began") == ["fine-1", "fine-3", "killed-1"]


def test_processes_that_end_well_leave_nothing_beside_the_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_process, "_command", lambda _: ["true"])
    run_groups([(job(tmp_path, "fine-1"),)], [{}], Watcher())
    assert not list(tmp_path.iterdir())
