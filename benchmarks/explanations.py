"""Whether the joints that an explanation names carry the answer: hidden together, against three random ones.

    python benchmarks/explanations.py multirun/irds_5fold --root data/irds

Each run is asked about the recordings of its test people, whom it has never seen. The three joints that
`gesturelab.explain` calls most important are hidden together, then three drawn at random, five times. Hidden as the
explanation hides them, so that they keep still; and, because the joints were chosen by that, in another way too: they
are lost, at the mean place of the root, as in augment.joint_dropout. Intervals are over people. Exit status 1 unless
the first costs more of the answer's probability and more accuracy than the second, every interval above zero.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.evaluation.bootstrap import intervals
from gesturelab.evaluation.explanation import TOP, hide_joints
from gesturelab.export.load import load as load_model
from gesturelab.predict.explanation import explain
from gesturelab.runs.folder import find_runs
from gesturelab.skeletons.skeleton import Skeleton

DRAWS = 5
WAYS = ("keep still", "lost")


def hide(way: str, positions: np.ndarray, skeleton: Skeleton, joints: list[int]) -> np.ndarray:
    """The recording without some joints."""
    if way == "keep still":
        return hide_joints(positions, skeleton, joints)
    hidden = positions.copy()
    hidden[:, joints] = positions[:, skeleton.root].mean(axis=0)
    return hidden


def compare(sums: np.ndarray, counts: np.ndarray) -> tuple[float, ...]:
    """Means over recordings of both columns, and their difference with its interval, from sums by person."""
    top, other = (sums.sum(axis=0) / counts.sum()).tolist()
    apart = (sums[:, 0] - sums[:, 1])[:, None]
    low, high = intervals(lambda weights: weights @ apart / (weights @ counts)[:, None], len(counts))[0].tolist()
    return top, other, top - other, low, high


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs, or of sweeps over folds")
    parser.add_argument("--root", default="data/irds", help="IntelliRehabDS")
    parser.add_argument("--every", type=int, default=1, help="take every so many recordings (default: all)")
    options = parser.parse_args()
    dataset = load(compose(["data=irds", f"data.root={options.root}"]).data)
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[str, np.ndarray]]] = {}
    seconds: dict[str, list[float]] = {}
    for run in [run for folder in options.runs for run in find_runs(folder)]:
        model = load_model(run.path)
        people = model.contents.people("test")
        tested = [number for number, subject in enumerate(dataset.subjects) if subject in people][:: options.every]
        for number in tested:
            recording, truth = dataset[number], int(dataset.classes[number])
            began = time.process_time()
            explanation = explain(model, recording)
            seconds.setdefault(model.contents.size, []).append(time.process_time() - began)
            best = np.argsort(-explanation.joint_importance, kind="stable")[:TOP].tolist()
            joints = len(explanation.joints)
            sets = [best, *(rng.choice(joints, TOP, replace=False).tolist() for _ in range(DRAWS))]
            forms = [hide(way, recording.positions, model.skeleton, each) for way in WAYS for each in sets]
            values = np.stack([each.values for each in model.predict_many((form, recording.rate_hz) for form in forms)])
            values = values.reshape(len(WAYS), len(sets), -1)
            label = model.classes.index(explanation.label)
            lost = explanation.probability - values[..., label]  # ways sets
            wrong = float(label == truth) - (values.argmax(axis=2) == truth)
            row = np.stack([lost[:, 0], lost[:, 1:].mean(axis=1), wrong[:, 0], wrong[:, 1:].mean(axis=1)], axis=1)
            rows.setdefault(model.contents.size, []).append((dataset.subjects[number], row))
        print(f"{run.path}: {len(tested)} recordings", file=sys.stderr, flush=True)
    print("| model | joints | costs | three most important | three random | difference, 95 % over people |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    above = True
    for size, own in rows.items():
        names = sorted({subject for subject, _ in own})
        counts = np.array([sum(subject == name for subject, _ in own) for name in names])
        sums = np.stack([np.sum([row for subject, row in own if subject == name], axis=0) for name in names])
        for place, way in enumerate(WAYS):
            for what, first in (("probability", 0), ("accuracy", 2)):
                top, other, apart, low, high = compare(100 * sums[:, place, first : first + 2], counts)
                cells = (f"`{size}`", way, what, f"{top:.1f}", f"{other:.1f}", f"{apart:.1f} ({low:.1f}-{high:.1f})")
                print(f"| {' | '.join(cells)} |")
                above &= low > 0
        taken = 1000 * np.array(seconds[size])
        print(f"{size}: {len(own)} recordings of {len(names)} people; an explanation takes {np.median(taken):.0f} ms "
              f"of one processor (median), at most {taken.max():.0f} ms")  # fmt: skip
    return 0 if above else 1


if __name__ == "__main__":
    sys.exit(main())
