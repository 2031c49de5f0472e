"""Predictions made by hand, and fold runs that hold them."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gesturelab.evaluation.cross_validation import FoldRun
from gesturelab.evaluation.predictions import COLUMNS, Predictions
from info_builder import make_info, write_run

GESTURES = ("left", "right", "both")


def predictions_of(
    rows: Sequence[tuple[str, int, int]], *, confidence: float = 0.8, correctness: Sequence[int] | None = None
) -> Predictions:
    """One recording a row: subject, true gesture, predicted gesture; named in order within the subject."""
    names: list[str] = []
    for at, (subject, truth, _) in enumerate(rows):
        names.append(f"{subject}_{at:03d}_{truth}")
    probabilities = np.full((len(rows), 3), (1 - confidence) / 2)
    for at, (_, _, predicted) in enumerate(rows):
        probabilities[at, predicted] = confidence
    line = sorted(range(len(rows)), key=names.__getitem__)
    whole = Predictions(
        GESTURES,
        tuple(names),
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array(correctness or [1] * len(rows), dtype=np.int64),
        probabilities,
    )
    return whole.take(np.array(line, dtype=np.int64))


def random_predictions(people: Sequence[str], recordings: int, accuracy: float, seed: int) -> Predictions:
    """Recordings of each person, recognised at random with a rate that differs from person to person."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, int, int]] = []
    for person in people:
        rate = np.clip(accuracy + rng.normal(0, 0.12), 0.05, 0.99)
        for at in range(recordings):
            truth = at % 3
            rows.append((person, truth, truth if rng.random() < rate else int(rng.integers(3))))
    return predictions_of(rows, correctness=[1 + int(rng.random() < 0.3) for _ in rows])


PEOPLE = ("101", "102", "103", "201", "202", "203")


def fold_run(
    fold: int, *, seed: int = 0, size: str = "tiny", parameters: int = 500_000, accuracy: float = 0.8, **changes: Any
) -> FoldRun:
    """Leave one subject out over six people."""
    person = PEOPLE[fold]
    info = make_info(
        size, parameters, seed=seed, kind="loso", options={"seed": 0, "fold": fold}, test_people=(person,), **changes
    )
    others = [one for one in PEOPLE if one != person]
    info["split"]["train"]["subjects"], info["split"]["validation"]["subjects"] = others[1:], others[:1]
    info["gestures"] = list(GESTURES)
    info["data"]["groups"] = {one: "patient" if one.startswith("2") else "healthy" for one in PEOPLE}
    found = random_predictions([person], 12, accuracy, seed=1000 * seed + 10 * fold + parameters % 7)
    pairs = zip(found.truth.tolist(), found.predicted.tolist(), strict=True)
    info["confusion"] = np.zeros((3, 3), dtype=int).tolist()
    for truth, predicted in pairs:
        info["confusion"][truth][predicted] += 1
    info["data"]["postures"] = {name: "chair" if at % 2 else "stand" for at, name in enumerate(found.names)}
    return FoldRun(f"{size}/{fold}-{seed}", info, found)  # type: ignore[arg-type]


def write_fold_run(folder: Path, run: FoldRun) -> Path:
    """A finished run's folder with its info and predictions files."""
    size = run.info["model"]["size"]
    write_run(folder, run.info)  # type: ignore[arg-type]
    said = run.predictions
    with (folder / f"predictions_{size}.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([*COLUMNS, *(f"p_{name}" for name in said.gestures)])
        for at, name in enumerate(said.names):
            gestures = [said.gestures[int(one[at])] for one in (said.truth, said.predicted)]
            who = [name, said.subjects[at], gestures[0], said.correctness[at], gestures[1]]
            table.writerow([*who, *said.probabilities[at]])
    return folder


def write_windows_of(folder: Path, run: FoldRun, *, windows: int = 6, step_s: float = 0.8) -> Path:
    """The run's windows file: each recording's probabilities, growing from a draw to twice the recording's excess."""
    size, said = run.info["model"]["size"], run.predictions
    path = folder / f"windows_{size}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["recording", "start_s", "end_s", *(f"p_{name}" for name in said.gestures)])
        for at, name in enumerate(said.names):
            for number in range(windows):
                share = number / (windows - 1)
                row = (1 - share) / 3 + share * said.probabilities[at]
                table.writerow([name, f"{step_s * number:.2f}", f"{step_s * number + 1:.2f}", *np.round(row, 3)])
    return path
