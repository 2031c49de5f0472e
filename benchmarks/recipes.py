"""Recipes beside each other on validation and on test people, by the kept weights of finished sweeps over folds.

python benchmarks/recipes.py multirun/default multirun/irds_best    each, and how far it is above the first one
python benchmarks/recipes.py --mirror multirun/default              also as it would be with mirror images at test

Recordings of all folds are pooled; a person who is a validation person of several folds counts in each. In brackets:
95 % intervals from a bootstrap over people. Choose a recipe by validation people; test people are beside them.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gesturelab.config.data import Target
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.windows import combine_windows
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.runs.folder import RunDir, find_runs
from gesturelab.training.build import make_data, make_module, make_scaler

SIDES = ("validation", "test")


@dataclass
class Cases:
    """Recordings, one entry for each fold that they are in; arrays of one length."""

    person: np.ndarray
    patient: np.ndarray
    correct: np.ndarray
    right: np.ndarray


def cases_of(runs: list[RunDir], mirror: bool) -> dict[str, Cases]:
    """What the kept weights of each run say of its validation and test people."""
    found: dict[str, list[np.ndarray]] = {side: [] for side in SIDES}
    for run in runs:
        config = read_config(run.config)
        config.augment.mirror_at_test = config.augment.mirror_at_test or mirror
        dataset = load(config.data)
        if dataset.target is Target.correctness:
            raise SystemExit(f"recipes: {run.path} is of data.target=correctness; this table is of gestures alone")
        data = make_data(config, dataset)
        module = make_module(config, data, make_scaler(config, data)).eval()
        saved = torch.load(run.weights, weights_only=True)
        module.recogniser.classifier.load_state_dict(saved["state_dict"])
        store = FrameStore(dataset, data.windows, torch.device("cpu"))
        for side, index in zip(SIDES, (data.subsets.validation, data.subsets.test), strict=True):
            with torch.no_grad():
                parts = [
                    module.recogniser.probabilities(store.gather(chosen).positions)
                    for chosen in torch.from_numpy(index).split(512)
                ]
            ids, combined = combine_windows(data.windows.recording[index], torch.cat(parts).numpy())
            rows = np.array(
                [(int(dataset.subjects[i]), dataset.groups[i] == "patient", dataset.correctness[i]) for i in ids]
            )
            found[side].append(np.column_stack([rows, combined.argmax(axis=1) == dataset.classes[ids]]))
    return {side: Cases(*np.concatenate(parts).T) for side, parts in found.items()}


def counts(cases: Cases, chosen: np.ndarray, people: np.ndarray) -> np.ndarray:
    """For each person the recordings and those recognised."""
    here = [(cases.person == person) & chosen for person in people]
    return np.array([(one.sum(), cases.right[one].sum()) for one in here], dtype=np.float64)


def share(cases: Cases, chosen: np.ndarray, other: Cases | None = None) -> str:
    """Percent recognised, or how many points more than `other` recognises of the same recordings; with its interval."""
    people = np.unique(cases.person[chosen])
    if len(people) < 2:
        return "too few people"
    own = counts(cases, chosen, people)
    theirs = counts(other, chosen, people) if other is not None else None

    def score(weights: np.ndarray) -> np.ndarray:
        total = weights @ own[:, 0]
        right = weights @ (own[:, 1] - (theirs[:, 1] if theirs is not None else 0))
        return np.divide(100 * right, total, out=np.full(len(weights), np.nan), where=total > 0)[:, None]

    value = score(np.ones((1, len(people))))[0, 0]
    low, high = intervals(score, len(people))[0]
    return f"{value:.1f} ({low:.1f} to {high:.1f})" if other is None else f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    """Prints a table for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--mirror", action="store_true")
    options = parser.parse_args()
    recipes: dict[str, dict[str, Cases]] = {}
    for folder in options.folders:
        runs = sorted(find_runs(folder), key=lambda run: str(run.path))
        recipes[folder.name] = cases_of(runs, mirror=False)
        if options.mirror and not all(read_config(run.config).augment.mirror_at_test for run in runs):
            recipes[f"{folder.name}, mirrored at test"] = cases_of(runs, mirror=True)
    base = next(iter(recipes.values()))
    for side in SIDES:
        first = base[side]
        print(f"\n{side}: {len(first.right)} recordings of {len(np.unique(first.person))} people")
        print("| recipe | all | healthy | patients | done correctly | done incorrectly | points above the first |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name, sides in recipes.items():
            own = sides[side]
            assert (own.person == first.person).all(), f"{name} has other people on the {side} side"
            every = np.ones(len(own.right), dtype=bool)
            parts = (every, own.patient == 0, own.patient == 1, own.correct == 1, own.correct == 2)
            cells = [share(own, part) for part in parts]
            cells.append(share(own, every, first) if own is not first else "")
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
