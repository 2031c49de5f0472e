"""Networks of ours beside the implementation they follow, on the same windows of the same folds.

    pip install -e '.[peers]'          in an environment of its own: aeon wants an older numpy and pandas
    python benchmarks/references.py --root ../shared --seeds 3

Both see the same scaled features of whole recordings, and train on the training people only. It prints the accuracy of
each on the test people, and the seconds of fit and test.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.models.minirocket import MiniRocket
from gesturelab.preprocessing.frame_store import FrameStore
from gesturelab.training.build import make_data, make_module, make_scaler
from gesturelab.training.datamodule import WindowLoader

FRAMES = 64
FOLDS = {
    "msr_action3d": [("experiment=msr_action3d",)],
    "irds": [("experiment=irds_5fold", f"split.fold={fold}") for fold in range(5)],
}


@dataclass(frozen=True, eq=False)
class Part:
    """Windows and their classes: features (windows, frames, features), classes (windows,)."""

    features: Tensor
    classes: Tensor


def read_fold(overrides: tuple[str, ...], root: Path) -> tuple[Part, Part, int]:
    """The training and the test people's windows of a fold, and how many classes there are."""
    config = compose([*overrides, f"data.root={root}", "window.span=whole", f"window.length_frames={FRAMES}"])
    data = make_data(config, load(config.data))
    recogniser = make_module(config, data, make_scaler(config, data)).recogniser
    store = FrameStore(data.dataset, data.windows, torch.device("cpu"))
    parts: list[Part] = []
    for windows in (data.subsets.train, data.subsets.test):
        batches = list(WindowLoader(store, windows, 256))
        with torch.no_grad():
            features = torch.cat([recogniser.scaled_features(batch.positions) for batch in batches])
        parts.append(Part(features, torch.cat([batch.classes for batch in batches])))
    return parts[0], parts[1], len(data.dataset.class_names)


def ours(train: Part, test: Part, classes: int, seed: int) -> Tensor:
    """What MiniRocket of ours says of the test windows."""
    torch.manual_seed(seed)
    network = MiniRocket(train.features.shape[2], classes, FRAMES)
    with torch.no_grad():
        network.fit(train.features, train.classes)
        return torch.cat([network(some) for some in test.features.split(256)]).argmax(dim=1)


def aeon(train: Part, test: Part, classes: int, seed: int) -> Tensor:
    """What aeon's MiniRocketClassifier says of them."""
    from aeon.classification.convolution_based import MiniRocketClassifier

    classifier = MiniRocketClassifier(random_state=seed, n_jobs=1)
    classifier.fit(train.features.transpose(1, 2).double().numpy(), train.classes.numpy())
    return torch.as_tensor(np.asarray(classifier.predict(test.features.transpose(1, 2).double().numpy()), dtype=int))


METHODS: dict[str, Callable[[Part, Part, int, int], Tensor]] = {"ours": ours, "aeon": aeon}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("data"), help="the folder with irds and msr_action3d")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for name, folds in FOLDS.items():
        scores: dict[str, list[float]] = {method: [] for method in METHODS}
        for overrides in folds:
            train, test, classes = read_fold(overrides, options.root / name)
            for method, answer in METHODS.items():
                for seed in range(options.seeds):
                    start = time.process_time()
                    right = (answer(train, test, classes, seed) == test.classes).float().mean().item()
                    scores[method].append(right)
                    print(f"{name} {overrides[-1]} {method} seed {seed}: {right:.1%} of {len(test.classes)}, "
                          f"{time.process_time() - start:.0f} s of processor time", flush=True)  # fmt: skip
        means = {method: fmean(each) for method, each in scores.items()}
        print(f"{name}: ours {means['ours']:.1%}, aeon {means['aeon']:.1%} over {len(folds)} folds and "
              f"{options.seeds} seeds", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
