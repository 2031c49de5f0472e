"""Hand-written info files for the report's tests."""

import copy
import json
import math
from pathlib import Path
from typing import Any

from gesturelab.runs.info import LEAKY, SYNTHETIC

GESTURES = [
    "elbow_flexion_left",
    "elbow_flexion_right",
    "shoulder_flexion_left",
    "shoulder_flexion_right",
    "shoulder_abduction_left",
    "shoulder_abduction_right",
    "shoulder_forward_elevation",
    "side_tap_left",
    "side_tap_right",
]


def scores(accuracy: float, loss: float = 0.4321) -> dict[str, Any]:
    return {"loss": loss, "accuracy": accuracy, "balanced_accuracy": accuracy, "macro_f1": accuracy, "count": 200}


def make_info(
    size: str = "tiny",
    parameters: int = 500_000,
    *,
    train: float = 0.95,
    validation: float = 0.9,
    test: float = 0.88,
    seed: int = 0,
    name: str = "trial",
    fingerprint: str = "f1",
    source: str = "irds",
    kind: str = "subject_holdout",
    options: dict[str, Any] | None = None,
    test_people: tuple[str, ...] = ("301", "302"),
    learning_rate: float = 1e-3,
    epochs: int = 40,
) -> dict[str, Any]:
    """Recording accuracies as given; each window accuracy is 0.05 lower, each loss tells its side and level."""
    leaky = kind.startswith("random")
    sides = {"train": train, "validation": validation, "test": test}
    losses = {"train": 0.1, "validation": 0.2, "test": 0.3}
    confusion = [[0] * 9 for _ in range(9)]
    for row in range(9):
        confusion[row][row] = 17 + row
        confusion[row][(row + 1) % 9] = row % 4
    history = [
        {
            "epoch": epoch,
            "train_loss": 2.2 * math.exp(-epoch / 8) + 0.05,
            "train_accuracy": 1 - 0.85 * math.exp(-epoch / 6),
            "validation_loss": 1.9 * math.exp(-epoch / 7) + 0.3 + 0.012 * epoch,
            "validation_accuracy": 0.9 - 0.75 * math.exp(-epoch / 6),
            "learning_rate": 1e-3,
        }
        for epoch in range(epochs)
    ]
    best = min(range(epochs), key=lambda epoch: history[epoch]["validation_loss"], default=0)
    info: dict[str, Any] = {
        "schema": 1,
        "name": name,
        "tags": [],
        "notes": "",
        "seed": seed,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:01:15+00:00",
        "warnings": [LEAKY] * leaky + [SYNTHETIC] * (source == "synthetic"),
        "gestures": GESTURES,
        "data": {
            "source": source,
            "synthetic": source == "synthetic",
            "fingerprint": fingerprint,
            "recordings": 900,
            "frames": 90_000,
            "subjects": 6,
            "options": {},
            "rejected": [],
        },
        "split": {
            "kind": kind,
            "leaky": leaky,
            "options": options or {"seed": 0, "test_fraction": 0.2},
            "train": {"subjects": ["101", "102", "103"], "recordings": 500, "windows": 5000},
            "validation": {"subjects": ["201"], "recordings": 200, "windows": 2000},
            "test": {"subjects": list(test_people), "recordings": 200, "windows": 2000},
        },
        "window": {"length_frames": 20},
        "features": {"centre": "frame"},
        "model": {"size": size, "parameters": parameters, "hyperparameters": {"dropout": 0.3}},
        "training": {
            "epochs": epochs,
            "keep": "best",
            "best_epoch": best,
            "stopped_early": True,
            "seconds": 75.0,
            "device": "cpu",
            "precision": "32",
            "batch_size": 16,
            "optimizer": {"lr": learning_rate},
            "scheduler": None,
            "history": history,
        },
        "metrics": {
            side: {
                "window": scores(round(value - 0.05, 6), losses[side] + 0.01),
                "recording": scores(value, losses[side]),
            }
            for side, value in sides.items()
        },
        "confusion": confusion,
        "versions": {},
        "git": None,
        "files": {},
    }
    return copy.deepcopy(info)


def write_run(folder: Path, info: dict[str, Any]) -> Path:
    """A finished run's folder, as far as a comparison reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("name: trial\n", encoding="utf-8")
    (folder / f"info_{info['model']['size']}.json").write_text(json.dumps(info), encoding="utf-8")
    return folder
