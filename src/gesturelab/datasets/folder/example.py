"""A folder of made-up recordings, in the form that a user's own have."""

import csv
from pathlib import Path

import numpy as np

from gesturelab.config.data import SyntheticConfig, Target
from gesturelab.datasets.folder.labels import FILE
from gesturelab.datasets.folder.read import MADE_UP
from gesturelab.datasets.formats.csv_table import columns
from gesturelab.datasets.recording import CORRECTNESS, Recording
from gesturelab.datasets.synthetic.generate import make_synthetic
from gesturelab.errors import DataError
from gesturelab.files import atomic_write, write_text
from gesturelab.skeletons.skeleton import KINECT_V2

PEOPLE, REPETITIONS = 12, 2
GESTURES = ("elbow_flexion_left", "elbow_flexion_right", "shoulder_abduction_left", "shoulder_abduction_right")
SAID = (
    "The recordings in this folder are made up by `gesturelab data example`: nobody moved. Every result from them\n"
    "says so, as long as this file is here.\n"
)


def write_example(folder: Path) -> int:
    """Writes recordings as CSV, labels.csv, and the file that says that they are made up.

    Returns:
        How many recordings there are.

    Raises:
        DataError: If the folder holds something already.
        RunError: If it cannot be written.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError(f"{folder} is not empty: name a new folder")
    dataset = make_synthetic(_config())
    write_text(folder / MADE_UP, SAID)
    rows: list[list[object]] = []
    for number in range(len(dataset)):
        one = dataset[number]
        gesture = dataset.gesture_names[one.gesture]
        file = f"{one.subject}/{gesture}_{one.name.split('_')[3]}.csv"
        _write_recording(folder / file, one)
        rows.append([file, one.subject, gesture, one.group, CORRECTNESS[one.correctness]])
    with atomic_write(folder / FILE) as beside, beside.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerows([["file", "subject", "gesture", "group", "correctness"], *rows])
    return len(rows)


def _config() -> SyntheticConfig:
    return SyntheticConfig(
        rate_hz=30,
        target=Target.gesture,
        gestures=list(GESTURES),
        correctness=[1, 2],
        subjects=None,
        postures=None,
        max_files=None,
        strict=True,
        cache_dir=None,
        people=PEOPLE,
        repetitions=REPETITIONS,
        seed=0,
    )


def _write_recording(path: Path, one: Recording) -> None:
    times_s = np.arange(len(one.positions)) / one.rate_hz
    values = np.column_stack([times_s, one.positions.reshape(len(times_s), -1)])
    lines = [",".join(["time_s", *columns(KINECT_V2)]), *(",".join(f"{v:.3f}" for v in row) for row in values.tolist())]
    write_text(path, "\n".join(lines) + "\n")
