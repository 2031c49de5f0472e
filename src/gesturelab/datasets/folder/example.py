"""A folder of made-up recordings, in the form that a user's own have."""

import csv
from pathlib import Path

from gesturelab.config.data import SyntheticConfig
from gesturelab.datasets.folder.labels import FILE
from gesturelab.datasets.folder.read import MADE_UP
from gesturelab.datasets.formats.csv_table import write_table
from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.datasets.source import read_dataset
from gesturelab.errors import DataError
from gesturelab.files import atomic_write, write_text
from gesturelab.skeletons.skeleton import KINECT_V2

PEOPLE, REPETITIONS = 12, 2
GESTURES = ("elbow_flexion_left", "elbow_flexion_right", "shoulder_abduction_left", "shoulder_abduction_right")
NOTICE = (
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
    dataset = read_dataset(SyntheticConfig(gestures=list(GESTURES), people=PEOPLE, repetitions=REPETITIONS))
    write_text(folder / MADE_UP, NOTICE)
    rows: list[list[object]] = []
    for number in range(len(dataset)):
        recording = dataset[number]
        file = f"{recording.subject}/{recording.gesture}_{recording.name.split('_')[3]}.csv"
        write_table(folder / file, recording.positions, recording.rate_hz, KINECT_V2, decimals=3)
        rows.append([file, recording.subject, recording.gesture, recording.group, CORRECTNESS[recording.correctness]])
    with atomic_write(folder / FILE) as beside, beside.open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerows([["file", "subject", "gesture", "group", "correctness"], *rows])
    return len(rows)
