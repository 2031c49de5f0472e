"""Proof from a saved run that its test people are unseen: who and what was on which side, worked out afresh."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from jaxtyping import Bool, Int64

from gesturelab.config.data import Target
from gesturelab.config.options import to_plain
from gesturelab.config.saved import read_config
from gesturelab.config.training import Keep, TrainConfig
from gesturelab.datasets.load import load
from gesturelab.datasets.recording import Dataset
from gesturelab.errors import GesturelabError
from gesturelab.evaluation.metrics import CORRECTNESS, primary_metric
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.files import sha256
from gesturelab.preprocessing.scaler import Scaler
from gesturelab.preprocessing.windows import Windows
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import Info
from gesturelab.training.artefacts import baseline_info, make_baselines, split_info
from gesturelab.training.build import as_options, make_data, make_scaler
from gesturelab.training.checkpoints import kept_epoch
from gesturelab.training.datamodule import GestureData

SIDES = ("training", "validation", "test")
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
    return [
        *first,
        _split(config, data, info),
        _predictions(run, data),
        _people(data),
        _recordings(data),
        _frames(data),
        _scaler(run, config, data),
        _choice(config, data, info),
        *([_baselines(data, info)] if dataset.target is Target.correctness else []),
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
    anew = split_info(config, data)
    other = [
        side
        for side, here, there in (
            ("training", anew["train"], info["split"]["train"]),
            ("validation", anew["validation"], info["split"]["validation"]),
            ("test", anew["test"], info["split"]["test"]),
        )
        if here != there
    ]
    sizes = ", ".join(f"{len(anew[side]['subjects'])} {side}" for side in ("train", "validation", "test"))
    return Check(
        "dividing the data again gives the same sides",
        f"other people, recordings or windows on the {' and '.join(other)} side" if other else "",
        f"people: {sizes}",
    )


def _predictions(run: RunDir, data: GestureData) -> Check:
    expected = {data.dataset.names[number] for number in _recordings_of(data)[2]}
    try:
        said = set(read_predictions(run.predictions).names)
    except GesturelabError as error:
        return Check("the predictions are of the test recordings", str(error), "")
    odd = sorted(said ^ expected)
    return Check(
        "the predictions are of the test recordings",
        f"{len(odd)} recordings are on one of the two lists only: {_some(odd)}" if odd else "",
        f"all {len(said)}, and no others",
    )


def _people(data: GestureData) -> Check:
    people = [{data.dataset.subjects[number] for number in side} for side in _recordings_of(data)]
    return Check(
        "no person is on two sides",
        _overlaps(people, str, "subject"),
        f"{len(set().union(*people))} people",
    )


def _recordings(data: GestureData) -> Check:
    sides = _recordings_of(data)
    names = [{data.dataset.names[number] for number in side} for side in sides]
    return Check(
        "no recording is on two sides",
        _overlaps(names, str, "recording"),
        f"{len(set().union(*names))} recordings",
    )


def _frames(data: GestureData) -> Check:
    """No frame, and no copy of a frame in another recording, on two sides."""
    marks = frame_marks(data.dataset)
    used = [covered_frames(data.dataset, data.windows, side) for side in _sides(data)]
    where: dict[int, int] = {}
    for side in used:
        where.update(zip(marks[side].tolist(), np.flatnonzero(side).tolist(), strict=True))

    def name(mark: int) -> str:
        frame = where[mark]
        recording = int(np.searchsorted(data.dataset.offsets, frame, side="right")) - 1
        return f"frame {frame - int(data.dataset.offsets[recording]) + 1} of {data.dataset.names[recording]}"

    return Check(
        "no frame, nor a copy of one, is on two sides",
        _overlaps([set(marks[side].tolist()) for side in used], name, "frame"),
        f"{sum(int(side.sum()) for side in used):,} frames, compared by their numbers",
    )


def frame_marks(dataset: Dataset) -> Int64[np.ndarray, " frames"]:
    """A number for each frame: equal for equal frames, and different (but for a chance of 1 in 10**9) for others."""
    bits = np.ascontiguousarray(dataset.positions).reshape(len(dataset.positions), -1).view(np.uint32)
    factors = np.random.default_rng(0).integers(1, 2**63, size=bits.shape[1], dtype=np.uint64) | np.uint64(1)
    marks = np.zeros(len(bits), dtype=np.uint64)
    for column, factor in enumerate(factors):
        marks += bits[:, column].astype(np.uint64) * factor  # modulo 2**64
    return marks.view(np.int64)


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


def _scaler(run: RunDir, config: TrainConfig, data: GestureData) -> Check:
    claim = "the scaler was fitted on training people only"
    try:
        saved = Scaler.load(run.scaler)
    except GesturelabError as error:
        return Check(claim, str(error), "")
    anew = make_scaler(config, data)
    if saved.names != anew.names:
        return Check(claim, "the file holds other features than the configuration asks for", "")
    apart = np.maximum(np.abs(saved.mean - anew.mean), np.abs(saved.deviation - anew.deviation)) / anew.deviation
    worst = int(apart.argmax())
    found = f"{saved.names[worst]} differs by {apart[worst]:.2g} deviations from what training windows give"
    tested = sorted(_subjects(data, 0) & _subjects(data, 2))
    if apart[worst] <= CLOSE:
        found = f"it matches the training windows, but these hold test people: {_some(tested)}" if tested else ""
    return Check(claim, found, "" if found else f"fitted again on {len(_subjects(data, 0))} people, it is the same")


_KEPT = {Keep.best: "lowest validation loss", Keep.last: "the last epoch, whatever its loss"}


def _choice(config: TrainConfig, data: GestureData, info: Info) -> Check:
    claim = "early stopping and the choice of weights saw validation people only"
    watched = {name: as_options(entry).get("monitor") for name, entry in config.callbacks.items()}
    odd = [f"callbacks.{name} watches {key}" for name, key in watched.items() if key and not _of_validation(str(key))]
    history = info["training"]["history"]
    keep = Keep(config.trainer.keep)
    due = kept_epoch(history, keep) if history else None
    if due != info["training"]["best_epoch"]:
        odd.append(f"the weights of epoch {info['training']['best_epoch']} were kept, but the {keep} one is {due}")
    if both := sorted(_subjects(data, 1) & _subjects(data, 2)):
        odd.append(f"validation people are test people: {_some(both)}")
    return Check(claim, "; ".join(odd), f"{len(_subjects(data, 1))} people, none of them tested; {_KEPT[keep]}")


def _baselines(data: GestureData, info: Info) -> Check:
    train, _, test = (np.array(side, dtype=np.int64) for side in _recordings_of(data))
    anew = cast(dict[str, Any], baseline_info(make_baselines(data.dataset, train), data.dataset, test))
    written = cast(dict[str, Any], info.get("baselines", {}))
    primary = primary_metric(CORRECTNESS).name  # runs of earlier versions lack metrics that came later
    same = written.keys() == anew.keys() and all(
        primary in scores and scores.items() <= anew[kind].items() for kind, scores in written.items()
    )
    return Check(
        "the baselines were fitted on training people, and tested on the test recordings",
        "" if same else "fitted again, they say something else",
        f"length alone: {anew['length']['rule']}",
    )


def _of_validation(key: str) -> bool:
    return key.startswith("validation")


def _sides(data: GestureData) -> tuple[Int64[np.ndarray, " _"], ...]:
    return data.sides.train, data.sides.validation, data.sides.test


def _recordings_of(data: GestureData) -> list[list[int]]:
    return [np.unique(data.windows.recording[side]).tolist() for side in _sides(data)]


def _subjects(data: GestureData, side: int) -> set[str]:
    return {data.dataset.subjects[number] for number in _recordings_of(data)[side]}


def _overlaps(sides: list[set[str]] | list[set[int]], name: Callable[..., str], what: str) -> str:
    """What two sides share, by name."""
    found: list[str] = []
    for one, other in ((0, 2), (0, 1), (1, 2)):
        if both := sorted(sides[one] & sides[other]):  # type: ignore[operator]
            words = f"{len(both)} {what}{'s' if len(both) > 1 else ''}"
            found.append(f"{words} on {SIDES[one]} and {SIDES[other]} side: {_some(map(name, both[:4]), len(both))}")
    return "; ".join(found)


def _some(names: Iterable[str], total: int | None = None) -> str:
    listed = list(names)
    count = len(listed) if total is None else total
    return ", ".join(listed[:4]) + (f" and {count - 4} more" if count > 4 else "")
