"""What users bring along, damaged: recordings and labels of their own, skeletons, and models from elsewhere."""

import io
import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import other_programs
from fuzzing_case import Case
from fuzzing_inputs import damaged
from gesturelab.config.data import Unit, Up
from gesturelab.datasets.folder.labels import read_labels
from gesturelab.datasets.formats.csv_table import columns
from gesturelab.datasets.formats.files import read_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.runs.info import SYNTHETIC
from gesturelab.skeletons.definition import read_definition
from gesturelab.skeletons.landmarks import AZURE_KINECT, OPENPOSE_25, Layout
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


USUAL = Reading(KINECT_V2, rate_hz=30.0)


def _motion(file: Path, seed: bytes, reading: Reading = USUAL) -> Case:
    def read(data: bytes) -> None:
        file.write_bytes(data)
        motion = read_motion(file, reading)
        assert np.isfinite(motion.positions).all()

    read(seed)
    return Case(lambda rng: damaged(rng, seed), read, file.name)


def _of_other_program(name: str, seed: bytes, skeleton: Layout = KINECT_V2) -> Callable[[Path], Case]:
    """A recording of another program, damaged; unit and axis are said, so that reading comes as far as it can."""

    def case(place: Path) -> Case:
        return _motion(place / name, seed, Reading(skeleton, rate_hz=30.0, fill_frames=9, unit=Unit.cm, up=Up.y))

    return case


_POSES = other_programs.person(5)
OTHER_PROGRAMS = {
    "trc": _of_other_program("one.trc", other_programs.trc(_POSES / 10)),
    "bvh": _of_other_program("one.bvh", other_programs.bvh(_POSES)),
    "ntu": _of_other_program("one.skeleton", other_programs.ntu(100 * _POSES, 100 * _POSES + 1)),
    "azure": _of_other_program("one.json", other_programs.azure(_POSES / 10), AZURE_KINECT),
    "openpose": _of_other_program("one.json", other_programs.openpose(_POSES), OPENPOSE_25),
    "long": _of_other_program("one.csv", other_programs.long_table({"a": _POSES}).to_csv(index=False).encode()),
}


def parquet(place: Path) -> Case:
    """A long table in Parquet."""
    table = other_programs.long_table({"a": _POSES}).drop(columns="recording")
    return _of_other_program("one.parquet", table.to_parquet())(place)


def c3d(place: Path) -> Case:
    """Markers of a laboratory; each is read in a process of its own."""
    (place / "markers.yaml").write_text(other_programs.MARKERS)
    other_programs.write_c3d(place / "seed.c3d", _POSES / 10)
    seed = (place / "seed.c3d").read_bytes()
    return _of_other_program("one.c3d", seed, read_definition(place / "markers.yaml"))(place)


if find_spec("pyarrow"):
    OTHER_PROGRAMS["parquet"] = parquet
if find_spec("ezc3d"):
    OTHER_PROGRAMS["c3d"] = c3d


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
