"""Weights & Biases, offline: the folder read back."""

import json

import pytest
from tracked import assert_epochs, killed_and_resumed, needs

from gesturelab.runs.folder import find_runs

UNMEASURED = True


def wandb_records(folder):
    from gesturelab.training.trackers.wandb import read_records

    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return file.parent, list(read_records(file))


@needs("wandb")
@pytest.mark.slow
def test_wandb_offline_has_one_folder_of_a_run_that_was_killed_and_resumed(tmp_path):
    info = killed_and_resumed(tmp_path, "logger=wandb", "tags=[trial]", "split=random_window")
    folder, records = wandb_records(tmp_path)
    run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name) == ("gestures", "run")
    assert run.run_id == json.loads((tmp_path / "run" / "trackers.json").read_text())["id"]
    assert set(run.tags) == {"trial", "LEAKY", "SYNTHETIC"}
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["model.hidden"] == 16
    shown: dict[str, list[tuple[int, float]]] = {}
    for record in records:
        if record.WhichOneof("record_type") == "history":
            for item in record.history.item:
                name = item.key or item.nested_key[0]
                shown.setdefault(name, []).append((record.history.step.num, json.loads(item.value_json)))
    assert_epochs(shown, info)
    summary = {
        item.key or item.nested_key[0]: json.loads(item.value_json)
        for record in records
        if record.WhichOneof("record_type") == "summary"
        for item in record.summary.update
    }
    assert summary["test/recording_accuracy"] == info["metrics"]["test"]["recording"]["accuracy"]
    files = {path.name for path in (folder / "files").iterdir()}
    assert {"info_tiny.json", "predictions_tiny.csv", "curves_tiny.png", "gesturelab_config.yaml"} <= files
    assert len(list(folder.glob("files/media/images/*.png"))) == 2
    assert [found.path.name for found in find_runs(tmp_path)] == ["run"], "copies are no runs"
