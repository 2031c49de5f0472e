"""Cross-validation: runs that differ in fold, seed and draw only, as one result on everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gesturelab.errors import JoinError
from gesturelab.evaluation.calibration import calibrated
from gesturelab.evaluation.predictions import Predictions, concatenate_predictions
from gesturelab.json_types import flatten
from gesturelab.runs.info import Info, is_peer, target_of

OUTCOMES = frozenset({"epochs", "best_epoch", "stopped_early", "seconds", "device", "history", "refit"})
"""Keys of ``training`` that tell what happened; the others tell what was asked for."""
OF_STEPS = frozenset({"max_epochs", "batches_per_epoch"})
"""Keys of ``training`` that follow from a budget in steps and the number of windows."""


@dataclass(frozen=True, eq=False)
class FoldRun:
    """A run of one fold.

    Attributes:
        label: What to call it in a message.
        info: What it wrote.
        predictions: Of its test people.
    """

    label: str
    info: Info
    predictions: Predictions

    @property
    def fold(self) -> int:
        """The number of its fold; 0 where test people are named, for all of them."""
        return int(self.info["split"]["options"].get("fold", 0))

    @property
    def training(self) -> tuple[int, int]:
        """The seed, and the draw of training people or repetitions."""
        return int(self.info["seed"]), int(self.info["split"]["options"].get("draw", 0))


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Out-of-fold predictions: each person was predicted by a model that never saw that person.

    Attributes:
        seeds: In order; one that was used with several draws of training people stands there as often.
        by_seed: For each seed the predictions; all of the same recordings.
        calibrated: The same with each run's temperature; empty when a run has none.
        folds: Numbers of the folds that are there.
        planned: How many folds make everybody a test person once.
        missing: People whom no fold here tested.
        groups: Each person's group, as far as known.
        postures: Each recording's posture, as far as known.
        notes: What was left out, in words.
    """

    seeds: tuple[int, ...]
    by_seed: tuple[Predictions, ...]
    calibrated: tuple[Predictions, ...]
    folds: tuple[int, ...]
    planned: int
    missing: tuple[str, ...]
    groups: dict[str, str]
    postures: dict[str, str]
    notes: tuple[str, ...]

    @property
    def partial(self) -> bool:
        """Whether folds are missing, so that not everybody was tested."""
        return len(self.folds) < self.planned

    @property
    def of_draws(self) -> bool:
        """Whether several draws of training people stand beside each other, which nobody would use together."""
        return len(set(self.seeds)) < len(self.seeds)

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of the people who were tested."""
        return self.by_seed[0].people


def join_folds(runs: Sequence[FoldRun]) -> CrossValidation:
    """Joins the folds of each seed and draw; of two runs of one fold and seed, takes the one that finished last.

    Seeds that lack folds which another seed has are left out, so that all seeds are scored on the same people.

    Raises:
        JoinError: If the runs differ in anything but fold and seed (the message names the key), or a person or a
            recording was tested in two folds.
    """
    first = runs[0]
    for other in runs[1:]:
        if keys := differing(first.info, other.info):
            raise JoinError(f"runs {first.label} and {other.label} cannot be joined: {'; '.join(keys)}")
    notes: list[str] = []
    by_seed: dict[tuple[int, int], dict[int, FoldRun]] = {}
    for run in sorted(runs, key=lambda run: str(run.info.get("finished", ""))):
        folds = by_seed.setdefault(run.training, {})
        if run.fold in folds:
            which = (
                f"fold {run.fold}, {_training(run.training)},"
                if planned_folds(run.info) > 1
                else _training(run.training)
            )
            notes.append(f"{which} was run again: {run.label} is used, the last one")
        folds[run.fold] = run
    most = max(by_seed.values(), key=len)
    for seed, folds in sorted(by_seed.items()):
        if lacking := sorted(set(most) - set(folds)):
            notes.append(f"{_training(seed)} is left out: it lacks fold {', '.join(map(str, lacking))}")
        elif extra := sorted(set(folds) - set(most)):
            notes.append(f"{_training(seed)} is left out: it alone has fold {', '.join(map(str, extra))}")
    kept = {seed: folds for seed, folds in sorted(by_seed.items()) if set(folds) == set(most)}
    joined = tuple(_of_seed(folds) for folds in kept.values())
    for seed, predictions in zip(kept, joined, strict=True):
        if predictions.names != joined[0].names:
            raise JoinError(f"{_training(seed)} was tested on other recordings than {_training(next(iter(kept)))}")
    has_temperatures = all("temperature" in run.info for folds in kept.values() for run in folds.values())
    return CrossValidation(
        tuple(seed for seed, _ in kept),
        joined,
        tuple(_of_seed(folds, scaled=True) for folds in kept.values()) if has_temperatures else (),
        tuple(sorted(most)),
        planned_folds(first.info),
        tuple(sorted(set(_everybody(first.info)) - set(joined[0].people))),
        {person: group for run in runs for person, group in run.info["data"].get("groups", {}).items()},
        {name: posture for run in runs for name, posture in run.info["data"].get("postures", {}).items()},
        tuple(notes),
    )


def _training(seed: tuple[int, int]) -> str:
    return f"seed {seed[0]}" + f", draw {seed[1]}" * (seed[1] > 0)


def _of_seed(folds: dict[int, FoldRun], *, scaled: bool = False) -> Predictions:
    tested: dict[str, int] = {}
    parts: list[Predictions] = []
    for number, run in sorted(folds.items()):
        for person in run.predictions.people:
            if person in tested:
                raise JoinError(f"subject {person} was tested in folds {tested[person]} and {number}")
            tested[person] = number
        temperature = run.info.get("temperature", 1.0)
        parts.append(calibrated(run.predictions, temperature) if scaled else run.predictions)
    return concatenate_predictions(parts)


def planned_folds(info: Info) -> int:
    """How many folds there are in the split of a run; one where test people are named."""
    options = info["split"]["options"]
    if "fold" not in options:
        return 1
    if "people" in options:  # of a file or a guest's function
        return len(options["people"])
    return len(_everybody(info)) if info["split"]["kind"] == "loso" else int(options["folds"])


def _everybody(info: Info) -> list[str]:
    """The people who are a test person in some fold."""
    split = info["split"]
    if "fold" not in split["options"]:
        return list(split["test"]["subjects"])
    if "people" in split["options"]:
        return [person for fold in split["options"]["people"] for person in fold]
    return [person for subset in ("train", "validation", "test") for person in split[subset]["subjects"]]


def differing(first: Info, second: Info) -> list[str]:
    """Which keys keep two runs from being folds or seeds of one result; empty when nothing does."""
    ours, theirs = flatten(asked(first)), flatten(asked(second))
    return [
        f"{key} differs ({_short(theirs.get(key))}, not {_short(ours.get(key))})"
        for key in {**ours, **theirs}
        if ours.get(key) != theirs.get(key)
    ]


def asked(info: Info) -> dict[str, Any]:
    """What a run was made from, without fold, seed, draw, name and machine.

    How many numbers a peer holds is left out too: the nearest neighbour stores its training people, others each fold.
    """
    options = {key: value for key, value in info["split"]["options"].items() if key not in ("fold", "draw")}
    training = info.get("training", {})
    outcomes = OUTCOMES | OF_STEPS if "max_steps" in training else OUTCOMES
    return {
        "data": {"fingerprint": info["data"]["fingerprint"], "target": target_of(info)},
        "gestures": info.get("gestures"),
        "split": {"kind": info["split"]["kind"], "options": options},
        "window": info["window"],
        "features": info["features"],
        "model": {key: value for key, value in info["model"].items() if key != "parameters" or not is_peer(info)},
        "training": {key: value for key, value in training.items() if key not in outcomes}
        | ({"refit": True} if "refit" in training else {}),
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
