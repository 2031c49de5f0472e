"""Methods from elsewhere on exactly the folds and recordings of a sweep of ours; results for `gesturelab compare`.

    pip install -e '.[peers]'          in an environment of its own: aeon wants an older numpy and pandas
    python benchmarks/peers.py multirun/irds_loso
    gesturelab compare multirun/irds_loso multirun/irds_loso-peers

It reads who was trained on and who was tested from the runs' info files. A method needs no early stopping, so it trains
on the validation people as well, which favours it; `--train-people only` leaves them out, as our own runs do. The same
command again skips what is done. `peer_methods.py` says what each method sees and which are missing, and why.
"""

import argparse
import functools
import importlib.util
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf
from peer_methods import FRAMES, METHODS, whole_recordings

from gesturelab.config.data import DataConfig
from gesturelab.config.saved import read_data_config
from gesturelab.datasets.load import load
from gesturelab.errors import GesturelabError, RunError
from gesturelab.evaluation.metrics import primary_metric
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.files import sha256, write_json, write_text
from gesturelab.report.collect import Finished, collect
from gesturelab.report.groups import basis
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import INFO_SCHEMA, Info

UNCALIBRATED = "its scores are no probabilities: losses mean nothing"
WINDOW = {"span": "recording", "frames": FRAMES}
FEATURES = {"positions": True, "centre": "mean of the root over the recording", "body_scale": True}


@dataclass(frozen=True)
class Fold:
    """One fold of the sweep.

    Attributes:
        path: Folder of a run of it.
        info: Of that run.
        trained: People to train on.
        recordings: Names of the test recordings, in order.
    """

    path: Path
    info: Info
    trained: tuple[str, ...]
    recordings: tuple[str, ...]

    @property
    def number(self) -> int:
        """Of the fold, from 0."""
        return int(self.info["split"]["options"]["fold"])


def read_folds(sweep: Path, with_validation: bool) -> list[Fold]:
    """The folds that a sweep has run, in order.

    Raises:
        RunError: If there are none, they are of several splits or data sets, or runs of one fold had other people.
    """
    runs, _ = collect([sweep])
    bases = {basis(run.info) for run in runs}
    if not runs or len(bases) > 1 or next(iter(bases)).people:
        found = f"{len(bases)} different splits or data sets" if len(bases) > 1 else "no finished run of a fold"
        raise RunError(f"{sweep} holds {found}: give a sweep over the folds of one split, such as multirun/irds_loso")
    together: dict[int, list[Finished]] = {}
    for run in runs:
        together.setdefault(int(run.info["split"]["options"]["fold"]), []).append(run)
    return [_fold(those, with_validation) for _, those in sorted(together.items())]


def _fold(runs: list[Finished], with_validation: bool) -> Fold:
    sides = ("train", "validation") if with_validation else ("train",)
    people = {tuple(sorted(p for side in sides for p in run.info["split"][side]["subjects"])) for run in runs}
    if len(people) > 1:
        raise RunError(f"{runs[0].path} and another run of the same fold had other training people")
    files = (RunDir(run.path, run.info["model"]["size"]).predictions for run in runs)
    names = sorted({name for file in files for name in read_predictions(file).names})
    return Fold(runs[0].path, runs[0].info, people.pop(), tuple(names))


@functools.cache
def _motion(root: str | None, run: Path):
    """The dataset of a run and all its recordings at one length."""
    size = next(run.glob("info_*.json")).stem.removeprefix("info_")
    dataset = load(data_config(RunDir(run, size), root))
    return dataset, whole_recordings(dataset)


def data_config(run: RunDir, root: str | None) -> DataConfig:
    config = read_data_config(run.config)
    if root is not None:
        config.move(root)
    return config


def folder_of(to: Path, method: str, seed: int, fold: Fold) -> Path:
    return to / f"method={method},seed={seed},split.fold={fold.number}"


def is_done(folder: Path, method: str, fold: Fold) -> bool:
    """Whether a fold is done.

    Raises:
        RunError: If what is there was made of other people or recordings, or with other settings.
    """
    run = RunDir(folder, method)
    if not run.info.exists():
        return False
    there = run.read_info()
    same = (
        basis(there) == basis(fold.info)
        and tuple(there["split"]["train"]["subjects"]) == fold.trained
        and read_predictions(run.predictions).names == fold.recordings
        and there["model"]["hyperparameters"] == METHODS[method].settings
    )
    if not same:
        raise RunError(f"{folder} was made of other people, recordings or settings: remove it, or choose another --to")
    return True


def train_fold(method: str, seed: int, fold: Fold, first: Path, root: str | None, to: Path) -> tuple[float, float]:
    """Trains and tests a method on a fold and writes its run folder.

    Args:
        method: Its name.
        seed: Of its random numbers.
        fold: Whom to train on and what to test.
        first: A run of the sweep: whose data are read.
        root: Where the data are now; None: where they were.
        to: The folder of all peers.

    Returns:
        Accuracy of the test recordings (of correctness the balanced one, NaN where a class is missing), and seconds of
        training.

    Raises:
        RunError: If the data are not those of the sweep.
    """
    from gesturelab.evaluation.metrics import confusion, score
    from gesturelab.training.artefacts import (  # torch is slow to import
        baseline_info,
        make_baselines,
        write_predictions,
    )

    started = datetime.now(UTC)
    dataset, motion = _motion(root, first)
    if dataset.fingerprint != fold.info["data"]["fingerprint"]:
        raise RunError(f"{fold.path}: the data are not those that it was made with (the fingerprint differs)")
    place = {name: at for at, name in enumerate(dataset.names)}
    test = np.array([place[name] for name in fold.recordings])
    train = np.flatnonzero(np.isin(dataset.subjects, fold.trained))
    if both := {dataset.subjects[at] for at in test} & set(fold.trained):
        raise RunError(f"{fold.path}: subject {', '.join(sorted(both))} is on both sides")

    began = time.perf_counter()
    truth, classes = dataset.classes, len(dataset.class_names)
    fitted = METHODS[method].fit(motion[train], truth[train], classes, seed)
    seconds = time.perf_counter() - began
    said = fitted.scores(motion[test])

    run = RunDir(folder_of(to, method, seed, fold), method)
    baselines = make_baselines(dataset, train)
    write_predictions(run.predictions, dataset, test, said, baselines)
    if (folds := RunDir(fold.path, "").folds).exists():
        write_text(run.folds, folds.read_text(encoding="utf-8"))
    data = OmegaConf.load(RunDir(fold.path, "").config)
    config = {"name": f"{fold.info['name']}-peers", "seed": seed, "data": data.data, "split": data.split}
    settings = METHODS[method].settings
    write_text(run.config, OmegaConf.to_yaml(OmegaConf.create({**config, "method": {"name": method, **settings}})))
    target = dataset.target
    scores = {"train": score(fitted.train_scores, truth[train], target), "test": score(said, truth[test], target)}

    def side(those):
        people = sorted({dataset.subjects[at] for at in those})
        return {"subjects": people, "recordings": len(those), "windows": len(those)}

    info = {
        "schema": INFO_SCHEMA,
        "name": config["name"],
        "tags": [],
        "notes": "; ".join(filter(None, [fitted.note, UNCALIBRATED])),
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "warnings": fold.info["warnings"],
        "gestures": list(dataset.class_names),
        "data": {**fold.info["data"], "postures": {dataset.names[at]: dataset.postures[at] for at in test}},
        "split": {**fold.info["split"], "train": side(train), "validation": side([]), "test": side(test)},
        "window": WINDOW,
        "features": FEATURES,
        "model": {"size": method, "parameters": fitted.parameters, "hyperparameters": settings, "peer": True},
        "training": {
            "epochs": 0,
            "keep": "last",
            "best_epoch": 0,
            "seconds": round(seconds, 3),
            "device": "cpu",
            "history": [],
        },
        "metrics": {name: {"window": one, "recording": one} for name, one in scores.items()},
        "confusion": confusion(said, truth[test]),
        **({"baselines": baseline_info(baselines, dataset, test)} if baselines else {}),
        "versions": {name: version(name) for name in ("gesturelab", "numpy", *METHODS[method].packages)},
        "git": None,
        "files": {run.predictions.name: sha256(run.predictions)},
    }
    write_json(run.info, info)  # last, as in our own runs: a run that has one is finished
    found = scores["test"][primary_metric(target).name]
    return float("nan") if found is None else found, seconds


def jobs_of(options) -> Iterator[tuple]:
    """What `train_fold` is called with, for each fold that is not done."""
    folds = read_folds(options.sweep, options.train_people == "all")
    print(f"{len(folds)} folds of {options.sweep}, {sum(len(fold.recordings) for fold in folds):,} test recordings")
    favour = {"all": "training and validation people together (this favours them)", "only": "training people only"}
    print(f"peers are trained on {favour[options.train_people]}; to {options.to}", flush=True)
    for method in options.methods:
        if missing := [name for name in METHODS[method].packages if not importlib.util.find_spec(_module(name))]:
            raise RunError(f"{method} needs {', '.join(missing)}: pip install -e '.[peers]'")
        done = [fold for fold in folds if is_done(folder_of(options.to, method, options.seed, fold), method, fold)]
        if done:
            print(f"{method}: {len(done)} folds are done already", flush=True)
        for fold in (fold for fold in folds if fold not in done):
            yield method, options.seed, fold, folds[0].path, options.data_root, options.to


def _module(package: str) -> str:
    return {"scikit-learn": "sklearn"}.get(package, package)


def run(options) -> None:
    jobs = list(jobs_of(options))
    if options.jobs == 1:
        for number, job in enumerate(jobs, 1):
            _say(number, len(jobs), job, train_fold(*job))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        waiting = {pool.submit(train_fold, *job): job for job in jobs}
        for number, done in enumerate(as_completed(waiting), 1):
            _say(number, len(jobs), waiting[done], done.result())


def _say(number, total, job, result) -> None:
    accuracy, seconds = result
    method, _, fold = job[:3]
    people = ", ".join(fold.info["split"]["test"]["subjects"])
    shown = "balanced accuracy undefined, one class only" if np.isnan(accuracy) else f"{100 * accuracy:.1f} %"
    said = f"[{number}/{total}] {method}, fold {fold.number} (tests {people}): {shown}"
    print(f"{said}, trained in {seconds:.1f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", type=Path, help="a sweep over folds, such as multirun/irds_loso")
    parser.add_argument("--methods", default=",".join(METHODS), help="default: %(default)s")
    parser.add_argument("--to", type=Path, help="where to (default: the sweep's folder with -peers)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="folds at a time, one core each (default 1)")
    parser.add_argument("--data-root", help="where the recordings are now, if not where they were")
    parser.add_argument("--train-people", choices=["all", "only"], default="all", help="with validation people or not")
    options = parser.parse_args()
    options.methods = options.methods.split(",")
    if unknown := set(options.methods) - set(METHODS):
        parser.error(f"--methods: there is no {', '.join(sorted(unknown))}, but {', '.join(METHODS)}")
    options.to = options.to or options.sweep.with_name(f"{options.sweep.name}-peers")
    try:
        run(options)
    except GesturelabError as error:
        print(f"peers: error: {error}", file=sys.stderr)
        return 1
    print(f"now: gesturelab compare {options.sweep} {options.to}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
