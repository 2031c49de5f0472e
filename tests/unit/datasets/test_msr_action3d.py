"""MSR-Action3D: what names say, lost frames, and the facts of the published files where they are present."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gesturelab.config.composing import compose
from gesturelab.datasets.recording import Dataset
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import DataError
from gesturelab.training.build import make_data

REAL = Path(os.environ.get("GESTURELAB_MSR", Path(__file__).parents[4] / "shared" / "msr_action3d"))


def write(path: Path, positions: np.ndarray) -> None:
    with_confidence = np.concatenate([positions, np.ones((*positions.shape[:2], 1))], axis=2)
    np.savetxt(path, with_confidence.reshape(-1, 4), "%.6f")


def read(root: Path, *overrides: str) -> Dataset:
    return read_dataset(compose(["data=msr_action3d", f"data.root={root}", *overrides]).data)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two people, two actions; joint j is at (j / 10, frame, 2) m / 10."""
    positions = np.full((30, 20, 3), 2.0)
    positions[:, :, 0] = np.arange(20) / 10
    positions[:, :, 1] = np.arange(30)[:, None] / 100
    for action in (1, 20):
        for subject in (1, 10):
            write(tmp_path / f"a{action:02}_s{subject:02}_e01_skeleton3D.txt", positions)
    return tmp_path


def test_names_say_who_and_what(root):
    dataset = read(root)
    assert dataset.people == {"s01": "", "s10": ""}
    assert [dataset[at].gesture for at in range(4)] == ["high_arm_wave"] * 2 + ["pickup_and_throw"] * 2
    assert (dataset.skeleton.joints[19], set(dataset.rates_hz), dataset.synthetic) == ("Head", {15.0}, False)
    np.testing.assert_allclose(dataset[0].positions[10, 19], [1.9, 0.1, 2])


def test_frames_without_a_person_are_no_person_at_the_sensor(root):
    file = root / "a01_s01_e01_skeleton3D.txt"
    positions = np.full((12, 20, 3), 2.0)
    positions[:, :, 1] = np.arange(12)[:, None] / 100
    positions[[0, 1, 5, 6, 11]] = 0
    write(file, positions)
    kept = read(root)[0].positions
    np.testing.assert_allclose(kept[:, 0, 1], np.arange(2, 11) / 100, atol=1e-6)
    positions[:8] = 0
    write(file, positions)
    (left,) = read(root).rejected
    assert (left.recording, left.reason) == ("a01_s01_e01", "the sensor saw nobody in 9 of 12 frames")
    with pytest.raises(DataError, match=r"a01_s01_e01_skeleton3D\.txt: the sensor saw nobody"):
        read(root, "data.strict=true")


@pytest.mark.parametrize("text", ["", "1 2 3 4\n", "a b c d\n" * 20])
def test_a_damaged_file_is_left_out_by_name(root, text):
    (root / "a01_s01_e01_skeleton3D.txt").write_text(text)
    assert [left.recording for left in read(root).rejected] == ["a01_s01_e01"]


def test_a_folder_without_recordings(tmp_path):
    with pytest.raises(DataError, match=r"holds no recording: looked for .*aAA_sSS_eEE_skeleton3D\.txt"):
        read(tmp_path)


def test_the_published_files():
    if not REAL.is_dir():
        pytest.skip(f"MSR-Action3D is not at {REAL} (set GESTURELAB_MSR)")
    config = compose(["experiment=msr_action3d", f"data.root={REAL}", "data.cache_dir=null"])
    dataset = read_dataset(config.data)
    assert len(dataset) + len(dataset.rejected) == 567
    left_out = Counter(left.recording for left in dataset.rejected)
    assert {"a13_s09_e02", "a13_s09_e03"} <= left_out.keys()
    assert len(left_out) == 7, "files of which more than half is lost"
    assert not (dataset.positions == 0).all(axis=(1, 2)).any()
    assert (len(dataset.people), len(dataset.gesture_names)) == (10, 20)
    heights = dataset.positions[:, dataset.skeleton.index("Head"), 1] - dataset.positions[:, 17:19, 1].mean(axis=1)
    assert 1.2 < np.median(heights) < 2.0, "metres, y up"
    sides = make_data(config, dataset).subsets
    windows = make_data(config, dataset).windows
    tested = {dataset.subjects[at] for at in windows.recording[sides.test].tolist()}
    assert tested == {"s02", "s04", "s06", "s08", "s10"}
