"""What users bring along, damaged: recordings and labels of their own, skeletons, and models from elsewhere."""

import io
import random
from pathlib import Path

import numpy as np

from fuzzing_case import Case
from fuzzing_inputs import damaged
from gesturelab.datasets.folder.labels import read_labels
from gesturelab.datasets.formats.csv_table import columns
from gesturelab.datasets.formats.files import read_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.runs.info import SYNTHETIC
from gesturelab.skeletons.definition import read_definition
from gesturelab.skeletons.skeleton import KINECT_V2


def table(place: Path) -> Case:
    """A recording as CSV with a header."""
    rows = np.random.default_rng(0).normal(1, 0.3, (6, 75)).round(4)
    lines = [",".join(["time_s", *columns(KINECT_V2)])]
    lines += [",".join([f"{frame / 30:.4f}", *map(str, row.tolist())]) for frame, row in enumerate(rows)]
    return _motion(place / "recording.csv", "\n".join(lines).encode())


def npy(place: Path) -> Case:
    """A recording as an array."""
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).normal(1, 0.3, (4, 25, 3)))
    return _motion(place / "recording.npy", file.getvalue())


def _motion(file: Path, seed: bytes) -> Case:
    def read(data: bytes) -> None:
        file.write_bytes(data)
        motion = read_motion(file, Reading(KINECT_V2, rate_hz=30.0))
        assert np.isfinite(motion.positions).all()

    read(seed)
    return Case(lambda rng: damaged(rng, seed), read, file.name)


def labels(place: Path) -> Case:
    """A folder's table."""
    lines = ["file,subject,gesture,group,correctness,posture,rate_hz,mirrored"]
    for number in range(8):
        (place / f"{number}.csv").touch()
        lines.append(f"{number}.csv,p{number % 4},wave_{('left', 'right')[number % 2]},,correct,stand,30,")
    seed = "\n".join(lines).encode()
    file = place / "labels.csv"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_labels(place)

    read(seed)
    return Case(lambda rng: damaged(rng, seed), read, file.name)


DEFINITION = b"""name: three
joints: [[Hips], [HandLeft, Hips], [HandRight, Hips]]
root: Hips
pairs: [[HandLeft, HandRight]]
scale_bone: [HandLeft, Hips]
shoulders: [HandLeft, HandRight]
"""
"""A skeleton in YAML."""


def definition(place: Path) -> Case:
    """A skeleton of one's own."""
    file = place / "mine.yaml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_definition(file)

    def make(rng: random.Random) -> bytes:
        if rng.random() < 0.02:
            lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
            return "\n".join([*lines, "name: *a11"]).encode()
        return damaged(rng, DEFINITION)

    read(DEFINITION)
    return Case(make, read, file.name)


def _trained(place: Path) -> Path:
    """A run that has learned nothing to speak of."""
    from trained import train_small

    return train_small(place / "run", "trainer.batches_per_epoch=1", "logger=none").path


def bundle(place: Path) -> Case:
    """A model file."""
    from gesturelab.export.load import load, model_of, run_of, write_bundle

    file = place / "model.zip"
    write_bundle(model_of(run_of(_trained(place))), file)
    seed = file.read_bytes()
    rows = np.ones((40, 25, 3))

    def read(data: bytes) -> None:
        file.write_bytes(data)
        model = load(file)
        assert model.warnings == [SYNTHETIC]
        assert np.isfinite(model.predict(rows, 30).values).all()

    read(seed)
    return Case(lambda rng: damaged(rng, seed), read, file.name)


def graph(place: Path) -> Case:
    """A model as an ONNX graph."""
    from gesturelab.cli.main import main
    from gesturelab.export.load import load

    file = place / "model.onnx"
    assert main(["export", str(_trained(place)), "--format", "onnx", "-o", str(file)]) == 0
    seed = file.read_bytes()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load(file)

    read(seed)
    return Case(lambda rng: damaged(rng, seed), read, file.name)
