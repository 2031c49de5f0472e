"""The example trains, its recordings are those of the files, and it is refused where it is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.errors import DataError

HERE = Path(__file__).parent


def write_files(folder: Path, people: int = 6, repetitions: int = 2) -> None:
    """People who wave (the right wrist goes up and down) or bow (the head goes forward)."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.3, (25, 3)) + np.array([0, 1, 2.5])
    moves = {"wave": (10, 1), "bow": (3, 2)}
    for person in range(people):
        for gesture, (joint, axis) in moves.items():
            for again in range(repetitions):
                positions = np.tile(body, (45, 1, 1)) + rng.normal(0, 0.005, (45, 25, 3))
                positions[:, joint, axis] += 0.3 * np.sin(np.linspace(0, 6, 45) + rng.uniform(0, 0.5))
                name = f"p{person}_{gesture}_{again}"
                np.savez(folder / name, positions=positions, rate_hz=30.0, subject=f"p{person}", gesture=gesture)


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    write_files(tmp_path / "npz")
    return ["data=npz_folder", f"data.root={tmp_path / 'npz'}", f"data.cache_dir={tmp_path / 'cache'}", "augment=none"]


def test_recordings_are_those_of_the_files(overrides: list[str], tmp_path: Path) -> None:
    np.savez(tmp_path / "npz" / "nobody", positions=np.zeros((9, 25, 3)))
    dataset = load(compose(overrides, HERE).data)
    assert (len(dataset), len(dataset.people), dataset.gesture_names) == (24, 6, ("bow", "wave"))
    assert [(left.recording, left.reason) for left in dataset.rejected] == [("nobody", "it does not say who moved")]
    with np.load(tmp_path / "npz" / "p3_wave_1.npz") as file:
        expected = file["positions"].astype(np.float32)
    np.testing.assert_array_equal(dataset[dataset.names.index("p3_wave_1")].positions, expected)
    few = load(compose([*overrides, "data.subjects=[p1,p2]", "data.max_files=3"], HERE).data)
    assert set(few.subjects) == {"p1", "p2"}


def test_millimetres_are_refused_by_name(overrides: list[str], tmp_path: Path) -> None:
    file = tmp_path / "npz" / "p3_wave_1.npz"
    np.savez(file, positions=np.full((9, 25, 3), 1500.0), rate_hz=30.0, subject="p3", gesture="wave")
    with pytest.raises(DataError, match=r"p3_wave_1\.npz: frame 1 has a joint 1500 m .* must be in metres"):
        load(compose([*overrides, "data.strict=true"], HERE).data)
    assert [left.recording for left in load(compose(overrides, HERE).data).rejected] == ["p3_wave_1"]


def test_it_trains(overrides: list[str], tmp_path: Path) -> None:
    quick = [
        "trainer=cpu",
        "trainer.max_epochs=30",
        "trainer.batch_size=8",
        "model.hidden=16",
        "callbacks=none",
        "optimizer.lr=0.01",
        "features.joints=[WristRight,Head]",
    ]
    command = [sys.executable, "-m", "gesturelab", "train", "--config-dir", str(HERE), *overrides, *quick]
    subprocess.run([*command, "hydra.run.dir=run"], cwd=tmp_path, check=True, capture_output=True, text=True)
    info = json.loads((tmp_path / "run" / "info_tiny.json").read_text())
    assert (info["data"]["source"], info["data"]["recordings"]) == ("NpzFolder", 24)
    assert info["metrics"]["test"]["recording"]["accuracy"] == 1
