"""A search of 20 trials with real trainings: killed, taken up again, with pruning."""

import json
import time

import pytest
from command import Command, gesturelab

from gesturelab.runs.folder import RunDir
from gesturelab.runs.status import read_status

UNMEASURED = True

# a rate of 0.00001 learns nothing in these few steps, so its trials are hopeless; equal trials are trained once
SPACE = ("optimizer.lr=1e-5,3e-3,1e-2", "model.dropout=0.0,0.3")
QUICK = (
    "trainer=debug",
    "data.people=6",
    "data.repetitions=1",
    "model.hidden=8",
    "model.layers=1",
    "logger=none",
    "trainer.refit=false",
)
SEARCH = (
    *("train", "-m", "hydra/sweeper=optuna", *QUICK, *SPACE),
    *("trainer.max_epochs=30", "trainer.batches_per_epoch=4", "callbacks=none", "scheduler=constant"),
    *("hydra.sweeper.n_trials=20", "hydra.sweeper.warmup_epochs=1", "hydra.sweeper.warmup_trials=3"),
)


def ended(root):
    path = root / "search.json"
    trials = json.loads(path.read_text(encoding="utf-8"))["trials"] if path.exists() else []
    return [trial for trial in trials if trial["state"] != "running"]


def half_done(root):
    """The folder of a run that is at work, with some epochs done; None if there is none."""
    for folder in sorted(root.glob("trial=*")):
        status = read_status(folder)
        if status.get("state") == "running" and status.get("epoch", 0) >= 2:
            return folder
    return None


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_and_prunes(tmp_path):
    root = tmp_path / "multirun" / "gestures"
    with Command(*SEARCH, folder=tmp_path) as first:
        end = time.monotonic() + 150  # the third trial cannot be pruned yet
        while len(ended(root)) < 2 or (interrupted := half_done(root)) is None:
            assert time.monotonic() < end
            assert first.poll() is None
            time.sleep(0.02)
    before = {trial["number"]: trial for trial in ended(root)}
    written = {path: path.stat().st_mtime_ns for path in root.glob("trial=*/info_*.json")}
    config = (interrupted / "config.yaml").read_text()
    again = gesturelab(*SEARCH, folder=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    found = json.loads((root / "search.json").read_text(encoding="utf-8"))
    assert [trial["number"] for trial in found["trials"]] == list(range(20))
    for number, trial in before.items():
        assert found["trials"][number] == trial, "finished trials count as they were"
    for path, changed in written.items():
        assert path.stat().st_mtime_ns == changed
    assert (interrupted / "config.yaml").read_text() == config
    assert read_status(interrupted)["attempt"] == 2
    assert read_status(interrupted)["first_epoch"] >= 1
    assert "resuming from" in (interrupted / "train.log").read_text()
    assert f"resumed   {interrupted.name}" in again.stdout
    pruned = [trial for trial in found["trials"] if trial["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        assert trial["epochs"][0] < 30
        assert (root / trial["folders"][0] / "checkpoints" / "last.ckpt").exists()
        assert not (root / trial["folders"][0] / "info_tiny.json").exists()
    for trial in found["trials"]:
        if trial["state"] == "completed":
            info = RunDir(root / trial["folders"][0], "tiny").read_info()
            best = info["training"]["history"][info["training"]["best_epoch"]]
            assert trial["value"] == pytest.approx(best["validation_loss"], rel=1e-4), "of the weights that are kept"
    shown = gesturelab("compare", str(root), folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
