"""Proof from a saved run that its test people are unseen: who and what was in which subset, worked out afresh."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from gesturelab.config.options import to_plain
from gesturelab.config.saved import read_config
from gesturelab.config.training import Keep, TrainConfig
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset, frame_marks
from gesturelab.errors import GesturelabError
from gesturelab.evaluation.adaptation import CALIBRATION, SHARED, TEST, read_adaptation
from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.files import sha256
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.preprocessing.windows import Windows
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info
from gesturelab.training.adaptation import number_repetitions, without_shared_frames
from gesturelab.training.artefacts import baseline_info, make_baselines, split_info
from gesturelab.training.build import make_data, make_scaler
from gesturelab.training.checkpoints import kept_epoch
from gesturelab.training.datamodule import GestureData

SUBSETS = ("training", "validation", "test")
NAMED = 4
"""People, recordings or frames that a check names."""
CLOSE = 1e-6
"""Largest difference of a scaler's numbers, relative to the feature's deviation, that rounding explains."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        claim: What should be true.
        found: What speaks against it, by name; empty when it is true.
        evidence: What was looked at, for a claim that is true.
    """

    claim: str
    found: str
    evidence: str

    @property
    def passed(self) -> bool:
        """Whether the claim is true."""
        return not self.found


def audit(run: RunDir, root: str | None = None) -> list[Check]:
    """Checks a finished run.

    Args:
        run: Its folder.
        root: Where the data are, if not where the run found them.

    Raises:
        GesturelabError: If the run is not finished, or its data cannot be read.
    """
    info = run.read_info()
    config = read_config(run.config)
    if root is not None:
        config.data.move(root)
    dataset = load(config.data)
    same_data = Check(
        "the data are the run's own",
        "" if dataset.fingerprint == info["data"]["fingerprint"] else "they differ (data fingerprint)",
        f"fingerprint of {len(dataset)} recordings",
    )
    first = [_files(run, info), _configuration(config, info), same_data]
    if not same_data.passed:
        return first
    data = make_data(config, dataset)
    subsets = [np.unique(data.windows.recording[index]) for index in _subsets(data)]
    names = [{dataset.names[number] for number in subset.tolist()} for subset in subsets]
    people = [{dataset.subjects[number] for number in subset.tolist()} for subset in subsets]
    return [
        *first,
        _split(config, data, info),
        _predictions(run, names[2]),
        Check(
            "no person is in two subsets",
            _overlaps(people, str, "subject"),
            f"{len(set().union(*people))} people",
        ),
        Check(
            "no recording is in two subsets",
            _overlaps(names, str, "recording"),
            f"{len(set().union(*names))} recordings",
        ),
        _frames(data),
        _scaler(run, config, data, people),
        _choice(config, info, people),
        *_baselines(dataset, subsets[0], subsets[2], info),
        *([_adaptation(run, dataset, people[2])] if run.adaptation.is_file() else []),
    ]


def _files(run: RunDir, info: Info) -> Check:
    changed = [
        name
        for name, known in info["files"].items()
        if not (run.path / name).is_file() or sha256(run.path / name) != known
    ]
    return Check(
        "the files are as the run wrote them",
        f"changed or missing: {', '.join(changed)}" if changed else "" if info["files"] else "no checksums were saved",
        f"SHA-256 of {', '.join(info['files'])}",
    )


def _configuration(config: TrainConfig, info: Info) -> Check:
    pairs = (
        ("split.kind", config.split.kind, info["split"]["kind"]),
        ("window", to_plain(config.window), info["window"]),
        ("features", to_plain(config.features), info["features"]),
        ("seed", config.seed, info["seed"]),
    )
    other = [key for key, here, there in pairs if here != there]
    return Check(
        "config.yaml is what the run was made from",
        f"it differs from the info file in {', '.join(other)}" if other else "",
        "split, window, features and seed are those of the info file",
    )


def _split(config: TrainConfig, data: GestureData, info: Info) -> Check:
    anew, written = split_info(config, data), info["split"]
    sizes = [f"{len(anew[key]['subjects'])} {key}" for key in ("train", "validation", "test")]
    other = [
        subset
        for subset, key in zip(SUBSETS, ("train", "validation", "test"), strict=True)
        if anew[key] != written[key]
    ]
    return Check(
        "dividing the data again gives the same subsets",
        f"other people, recordings or windows in the {' and '.join(other)} subset" if other else "",
        f"people: {', '.join(sizes)}",
    )


def _predictions(run: RunDir, expected: set[str]) -> Check:
    claim = "the predictions are of the test recordings"
    try:
        predicted = set(read_predictions(run.predictions).names)
    except GesturelabError as error:
        return Check(claim, str(error), "")
    odd = sorted(predicted ^ expected)
    text = f"{len(odd)} recordings are on one of the two lists only: {_some(odd)}" if odd else ""
    return Check(claim, text, f"all {len(predicted)}, and no others")


def _frames(data: GestureData) -> Check:
    """No frame, and no copy of a frame in another recording, in two subsets."""
    marks = frame_marks(data.dataset)
    used = [covered_frames(data.dataset, data.windows, subset) for subset in _subsets(data)]
    where: dict[int, int] = {}
    for subset in used:
        where.update(zip(marks[subset].tolist(), np.flatnonzero(subset).tolist(), strict=True))

    def name(mark: int) -> str:
        frame = where[mark]
        recording = int(np.searchsorted(data.dataset.offsets, frame, side="right")) - 1
        return f"frame {frame - int(data.dataset.offsets[recording]) + 1} of {data.dataset.names[recording]}"

    return Check(
        "no frame, nor a copy of one, is in two subsets",
        _overlaps([set(marks[subset].tolist()) for subset in used], name, "frame"),
        f"{sum(int(subset.sum()) for subset in used):,} frames, compared by their numbers",
    )


def covered_frames(
    dataset: Dataset, windows: Windows, index: Int64[np.ndarray, " some_windows"]
) -> Bool[np.ndarray, " frames"]:
    """Which frames some windows show, or mix into what they show."""
    recording = windows.recording[index]
    last = dataset.frame_counts[recording] - 1
    start = np.minimum(np.floor(windows.start[index]).astype(np.int64), last)
    reach = windows.start[index].astype(np.float64) + windows.step[index] * (windows.length_frames - 1)
    end = np.minimum(np.ceil(reach - 1e-4).astype(np.int64), last)
    edges = np.zeros(len(dataset.positions) + 1, dtype=np.int64)
    np.add.at(edges, dataset.offsets[recording] + start, 1)
    np.add.at(edges, dataset.offsets[recording] + end + 1, -1)
    return np.cumsum(edges[:-1]) > 0


def _scaler(run: RunDir, config: TrainConfig, data: GestureData, people: list[set[str]]) -> Check:
    """The scaler of a run with a refit knows validation people too, as the weights do."""
    refit = config.trainer.refit
    trained = people[0] | people[1] if refit else people[0]
    claim = f"the scaler was fitted on training {'and validation ' if refit else ''}people only"
    try:
        saved = Scaler.load(run.scaler)
    except GesturelabError as error:
        return Check(claim, str(error), "")
    anew = make_scaler(config, data.with_validation_people() if refit else data)
    if saved.names != anew.names:
        return Check(claim, "the file holds other features than the configuration asks for", "")
    apart = np.maximum(np.abs(saved.mean - anew.mean), np.abs(saved.deviation - anew.deviation)) / anew.deviation
    worst = int(apart.argmax())
    found = f"{saved.names[worst]} differs by {apart[worst]:.2g} deviations from what training windows give"
    tested = sorted(trained & people[2])
    if apart[worst] <= CLOSE:
        found = f"it matches the training windows, but these hold test people: {_some(tested)}" if tested else ""
    return Check(claim, found, "" if found else f"fitted again on {len(trained)} people, it is the same")


_KEPT = {Keep.best: "lowest validation loss", Keep.last: "the last epoch, whatever its loss"}


def _choice(config: TrainConfig, info: Info, people: list[set[str]]) -> Check:
    watched = {name: str(to_plain(entry).get("monitor") or "") for name, entry in config.callbacks.items()}
    odd = [
        f"callbacks.{name} watches {key}" for name, key in watched.items() if key and not key.startswith("validation")
    ]
    history, best = info["training"]["history"], info["training"]["best_epoch"]
    keep = Keep(config.trainer.keep)
    due = kept_epoch(history, keep) if history else None
    if due != best:
        odd.append(f"the weights of epoch {best} were kept, but the {keep} one is {due}")
    if both := sorted(people[1] & people[2]):
        odd.append(f"validation people are test people: {_some(both)}")
    return Check(
        "early stopping and the choice of weights saw validation people only",
        "; ".join(odd),
        f"{len(people[1])} people, none of them tested; {_KEPT[keep]}",
    )


def _baselines(
    dataset: Dataset, train: Int64[np.ndarray, " train"], test: Int64[np.ndarray, " test"], info: Info
) -> Iterator[Check]:
    if (baselines := make_baselines(dataset, train)) is None:
        return
    anew = baseline_info(baselines, dataset, test)
    written = info.get("baselines", {})
    primary = primary_metric(CORRECTNESS).name  # runs of earlier versions lack metrics that came later
    same = written.keys() == anew.keys() and all(
        primary in scores and scores.items() <= anew[kind].items() for kind, scores in written.items()
    )
    yield Check(
        "the baselines were fitted on training people, and tested on the test recordings",
        "" if same else "fitted again, they say something else",
        f"length alone: {anew['length']['rule']}",
    )


def _adaptation(run: RunDir, dataset: Dataset, tested: set[str]) -> Check:
    """Of each test person and gesture the earliest recordings calibrate, and the others test; no frame does both."""
    claim = "no recording or frame both calibrates and tests an adapted model"
    try:
        rows = read_adaptation(run.adaptation)
    except GesturelabError as error:
        return Check(claim, str(error), "")
    numbers = number_repetitions(dataset)
    repetitions = dict(zip(dataset.names, numbers.tolist(), strict=True))
    subjects = dict(zip(dataset.names, dataset.subjects, strict=True))
    expected = {name for name, subject in subjects.items() if subject in tested}
    most = max((row.repetition for row in rows if row.use == CALIBRATION), default=0)
    counts = [int(way.split()[0]) for row in rows[:1] for way in row.answers]
    odd = sorted(expected ^ {row.name for row in rows})
    texts = [f"{_some(odd)}: not, or not only, a recording of the test people"] if odd else []
    if twice := sorted(name for name, count in Counter(row.name for row in rows).items() if count > 1):
        texts.append(f"{_some(twice)}: twice")
    marks, places = frame_marks(dataset), {name: place for place, name in enumerate(dataset.names)}
    chosen = np.array(sorted(places[name] for name in expected), dtype=np.int64)
    calibrates = numbers <= max(counts)
    later = set(without_shared_frames(dataset, chosen, calibrates).tolist())
    for row in rows:
        if (place := places.get(row.name)) is None:
            continue
        use = CALIBRATION if calibrates[place] else TEST if place in later else SHARED
        if (
            use != row.use
            or row.repetition != repetitions[row.name]
            or row.truth != dataset.class_names[dataset.classes[place]]
            or any(row.answers.values()) != (use == TEST)
        ):
            texts.append(
                f"{row.name} is repetition {repetitions[row.name]} of {dataset.class_names[dataset.classes[place]]}, "
                f"so it is for {use}, not {row.use} of {row.truth}"
            )

    def frames_of(use: str) -> set[int]:
        spans = [places[row.name] for row in rows if row.use == use and row.name in places]
        return {mark for at in spans for mark in marks[dataset.offsets[at] : dataset.offsets[at + 1]].tolist()}

    if both := frames_of(CALIBRATION) & frames_of(TEST):
        texts.append(f"{len(both)} frames are in calibration and test recordings")
    count = sum(row.use == TEST for row in rows)
    return Check(claim, "; ".join(texts[:NAMED]), f"the first {most} repetitions calibrate, {count} later ones test")


def _subsets(data: GestureData) -> tuple[Int64[np.ndarray, " _"], ...]:
    return data.subsets.train, data.subsets.validation, data.subsets.test


def _overlaps(subsets: list[set[Any]], name: Callable[[Any], str], kind: str) -> str:
    """What two subsets share, by name."""
    overlaps: list[str] = []
    for one, other in ((0, 2), (0, 1), (1, 2)):
        if both := sorted(subsets[one] & subsets[other]):
            count = f"{len(both)} {kind}{'s' if len(both) > 1 else ''}"
            listed = _some([name(item) for item in both[:NAMED]], len(both))
            overlaps.append(f"{count} in the {SUBSETS[one]} and {SUBSETS[other]} subsets: {listed}")
    return "; ".join(overlaps)


def _some(names: list[str], total: int | None = None) -> str:
    count = len(names) if total is None else total
    return ", ".join(names[:NAMED]) + (f" and {count - NAMED} more" if count > NAMED else "")
