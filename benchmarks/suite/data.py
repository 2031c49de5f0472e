"""Item 1: preparing data cold and warm against the original's way: time, peak memory, bytes copied."""

import shutil
from pathlib import Path
from statistics import median

import data_preparation
import numpy as np

from gesturelab.config.data import SyntheticConfig
from gesturelab.datasets.irds.files import FOLDERS, GESTURES
from gesturelab.datasets.irds.files import Form as Published
from gesturelab.datasets.source import read_dataset
from suite.row import Row
from suite.settings import Settings

COLD_GOAL, COLD_BOUND = 1 / 3, 0.7
WARM_GOAL_S = 0.3
WARM_BOUND = 0.3


def write_made_up(root: Path, people: int = 6, repetitions: int = 2) -> None:
    """Made-up recordings in files as IntelliRehabDS publishes them (simplified form)."""
    dataset = read_dataset(SyntheticConfig(people=people, repetitions=repetitions))
    folder = root / FOLDERS[Published.simplified]
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(dataset)):
        frames = dataset.positions[dataset.offsets[number] : dataset.offsets[number + 1]].reshape(-1, 75)
        gesture = int(dataset.gestures[number]) % len(GESTURES)
        name = f"{dataset.subjects[number]}_18_{gesture}_{number}_1_stand.txt"
        np.savetxt(folder / name, frames, delimiter=",", fmt="%.6f")


def rows(settings: Settings, turns: int = 2) -> list[Row]:
    """Each way in a process of its own, in turns."""
    root = settings.root
    if root is None:
        root = settings.scratch / "irds"
        write_made_up(root)
    results: dict[str, list[dict[str, float]]] = {"original": [], "cold": [], "warm": []}
    for _ in range(turns):
        cache = settings.scratch / "cold"
        for what, found in results.items():
            found.append(data_preparation.run(what, root, cache))
        shutil.rmtree(cache)

    def ratio(what: str, key: str) -> float:
        return median(a[key] / b[key] for a, b in zip(results[what], results["original"], strict=True))

    seconds = {what: min(one["seconds"] for one in found) for what, found in results.items()}
    windows = results["original"][0]["windows"]
    copied = windows * data_preparation.WINDOW * 75 * 4
    said = f"{seconds['cold']:.2f} s cold, {seconds['warm']:.3f} s warm, original {seconds['original']:.2f} s"
    peaks = {what: found[0]["peak_mb"] for what, found in results.items()}
    goal = WARM_GOAL_S if settings.root is not None else None
    return [
        Row(
            "data", "cold start against the original's way", ratio("cold", "seconds"), COLD_GOAL, COLD_BOUND, note=said
        ),
        Row("data", "warm start against the original's way", ratio("warm", "seconds"), None, WARM_BOUND, note=said),
        Row("data", "warm start, seconds", seconds["warm"], goal),
        Row(
            "data",
            "peak memory, cold, against the original's way",
            ratio("cold", "peak_mb"),
            None,
            1.0,
            note=f"{peaks['cold']:.0f} MB cold, {peaks['warm']:.0f} MB warm, {peaks['original']:.0f} MB; windows "
            f"copied: {2 * copied / 1e6:.0f} MB by the original (cut, then stacked), none by ours",
        ),
    ]
