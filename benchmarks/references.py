"""Networks of ours beside the implementation they follow, on the same windows of the same folds.

    pip install -e '.[peers]'          in an environment of its own: aeon wants an older numpy and pandas
    python benchmarks/references.py --root ../shared --seeds 3

Both see the same scaled features of whole recordings, and train on the training people only. It prints the accuracy of
each on the test people, and the seconds of fit and test on one thread. `--networks minirocket --datasets irds
--folds 1` does a part.
"""

import argparse
import importlib
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.models.minirocket import MiniRocket
from gesturelab.models.multirocket_hydra import MultiRocketHydra
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


def ours(network: str, train: Part, test: Part, classes: int, seed: int) -> Tensor:
    """The classes that a network of ours gives the test windows."""
    torch.manual_seed(seed)
    fitted = NETWORKS[network][0](train.features.shape[2], classes, FRAMES)
    with torch.no_grad():
        fitted.fit(train.features, train.classes)
        return torch.cat([fitted(windows) for windows in test.features.split(256)]).argmax(dim=1)


def aeon(network: str, train: Part, test: Part, _classes: int, seed: int) -> Tensor:
    """The classes that aeon's classifier gives them."""
    classifiers = importlib.import_module("aeon.classification.convolution_based")
    classifier = getattr(classifiers, NETWORKS[network][1])(random_state=seed, n_jobs=1)
    classifier.fit(train.features.transpose(1, 2).double().numpy(), train.classes.numpy())
    return torch.as_tensor(np.asarray(classifier.predict(test.features.transpose(1, 2).double().numpy()), dtype=int))


NETWORKS = {
    "minirocket": (MiniRocket, "MiniRocketClassifier"),
    "multirocket_hydra": (MultiRocketHydra, "MultiRocketHydraClassifier"),
}
METHODS = {"ours": ours, "aeon": aeon}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("data"), help="the folder with irds and msr_action3d")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--datasets", nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--folds", type=int, default=5, help="the first so many of each dataset")
    options = parser.parse_args()
    torch.set_num_threads(1)  # as aeon's
    for dataset in options.datasets:
        folds = [read_fold(overrides, options.root / dataset) for overrides in FOLDS[dataset][: options.folds]]
        for network in options.networks:
            print(f"{dataset}: {compare(network, folds, range(options.seeds))}", flush=True)


def compare(network: str, folds: list[tuple[Part, Part, int]], seeds: range) -> str:
    """Trains and tests both methods, prints each result, and says the means."""
    scores: dict[str, list[float]] = {method: [] for method in METHODS}
    costs_s: dict[str, list[float]] = {method: [] for method in METHODS}
    for fold, (train, test, classes) in enumerate(folds):
        for method, answer in METHODS.items():
            for seed in seeds:
                start = time.process_time()
                right = (answer(network, train, test, classes, seed) == test.classes).float().mean().item()
                scores[method].append(right)
                costs_s[method].append(time.process_time() - start)
                print(f"{network} {method}, fold {fold}, seed {seed}: {right:.1%} of {len(test.classes)}, "
                      f"{costs_s[method][-1]:.1f} s of processor time", flush=True)  # fmt: skip
    means = {method: f"{fmean(scores[method]):.1%} in {fmean(costs_s[method]):.1f} s" for method in METHODS}
    return f"{network} of ours {means['ours']}, aeon's {means['aeon']}, over {len(folds)} folds, {len(seeds)} seeds"


if __name__ == "__main__":
    main()
