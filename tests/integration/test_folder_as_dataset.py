"""A public dataset as somebody's own folder: NPY files, a table, a skeleton of 20 joints, and defaults."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.datasets.msr_action3d import RATE_HZ, SKELETON
from gesturelab.evaluation.predictions import read_predictions
from trained import train_small

REAL = Path(os.environ.get("GESTURELAB_MSR", Path(__file__).parents[3] / "shared" / "msr_action3d"))


def write_folder(folder: Path, dataset) -> None:
    """Every recording as a file of its own; the table has what it needs and the rate, the skeleton joints and spine."""
    folder.mkdir()
    joints = SKELETON.joints
    bones = [[joint, joints[parent]] for joint, parent in zip(joints, SKELETON.parents, strict=True)]
    skeleton = {
        "joints": [[joint] if joint == parent else [joint, parent] for joint, parent in bones],
        "scale_bone": ["ShoulderCenter", "HipCenter"],
    }
    (folder / "skeleton.yaml").write_text(yaml.safe_dump(skeleton))
    with (folder / "labels.csv").open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["file", "subject", "gesture", "rate_hz"])
        for recording in (dataset[number] for number in range(len(dataset))):
            np.save(folder / f"{recording.name}.npy", recording.positions)
            table.writerow([f"{recording.name}.npy", recording.subject, recording.gesture, RATE_HZ])


def answers(folder: Path, *data: str) -> dict[str, str]:
    """The gesture that a training with defaults recognises in each of its test recordings."""
    run = train_small(folder, *data, "model=minirocket", "model.outputs=168", f"data.cache_dir={folder / 'cache'}")
    predictions = read_predictions(run.predictions)
    return dict(zip(predictions.names, (predictions.gestures[at] for at in predictions.predicted), strict=True))


def test_a_folder_with_a_skeleton_of_ones_own_gives_what_the_dataset_gives(tmp_path):
    if not REAL.is_dir():
        pytest.skip(f"MSR-Action3D is not at {REAL} (set GESTURELAB_MSR)")
    dataset = ("data=msr_action3d", f"data.root={REAL}", "data.max_files=80")
    write_folder(tmp_path / "mine", load(compose([*dataset, "data.cache_dir=null"]).data))
    skeleton = f"data.skeleton={tmp_path / 'mine' / 'skeleton.yaml'}"
    own = answers(tmp_path / "own", "data=folder", f"data.root={tmp_path / 'mine'}", skeleton)
    assert own == answers(tmp_path / "public", *dataset)
    assert len(own) > 10
