"""Which test recordings the player shows, with what each size said of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gesturelab.errors import RunError
from gesturelab.evaluation.predictions import Predictions, read_predictions
from gesturelab.report.groups import Group
from gesturelab.report.page.evolution import encode_series, series_of
from gesturelab.report.page.motion import RATE_HZ, Motions, downsample, encode
from gesturelab.runs.folder import RunDir

MOST_WRONG, MOST_RIGHT = 200, 40
"""How many recordings are shown at most."""

WINDOW_BYTES = 700_000
"""What the probabilities of windows may take."""

CORRECTNESS = {1: "correct", 2: "incorrect", 3: "poorly executed"}


@dataclass
class Seen:
    """A test recording of a group, and the mean probabilities that each size (by its place) gave it."""

    name: str
    group: Group
    subject: str
    truth: str
    correctness: int
    sums: dict[int, tuple[np.ndarray, int]] = field(default_factory=dict[int, tuple[np.ndarray, int]])
    gestures: tuple[str, ...] = ()
    done: str = ""
    """The gesture, where the classes are correct and incorrect."""

    def add(self, model: int, probabilities: np.ndarray) -> None:
        """One run's word on it."""
        total, count = self.sums.get(model, (np.zeros(len(probabilities)), 0))
        self.sums[model] = (total + probabilities, count + 1)

    def mean(self, model: int) -> np.ndarray:
        """Over the runs of a size that tested it."""
        total, count = self.sums[model]
        return total / count

    @property
    def wrong(self) -> int:
        """How many sizes misclassify it."""
        return sum(self.gestures[int(self.mean(model).argmax())] != self.truth for model in self.sums)

    @property
    def place(self) -> tuple[float, float, str]:
        """Misclassified by most sizes first, then the one whose true gesture was thought least likely."""
        own = self.gestures.index(self.truth)
        return -self.wrong / len(self.sums), float(np.mean([self.mean(one)[own] for one in self.sums])), self.name


@dataclass(frozen=True)
class Player:
    """What the page's player holds.

    Attributes:
        data: For the script.
        shown: Recordings that it holds.
        shown_wrong: Those that a size misclassified.
        tested: All test recordings.
        wrong: Those that a size misclassified.
        absent: Recordings without motion, by reason.
        evolving: Whether a recording has the probabilities of its windows.
    """

    data: dict[str, Any]
    shown: int
    shown_wrong: int
    tested: int
    wrong: int
    absent: dict[str, int]
    evolving: bool


def player(
    groups: Sequence[Group], motions: Mapping[str, Motions | str], budget: int, window_budget: int = WINDOW_BYTES
) -> Player:
    """The player's recordings: misclassified ones first, then a sample of the others, spread evenly.

    Args:
        groups: Of runs, as compared.
        motions: For each data fingerprint where motion is found, or why it is not.
        budget: Characters that the motion may take.
        window_budget: Characters that the probabilities of windows may take.
    """
    models, found, absent = _gather(groups)
    by_place = sorted(found, key=lambda one: one.place)
    wrong = [one for one in by_place if one.wrong]
    right = sorted((one for one in by_place if not one.wrong), key=lambda one: one.name)
    few = right[:: max(1, -(-len(right) // MOST_RIGHT))]
    sets: list[dict[str, Any]] = []
    recordings: list[dict[str, Any]] = []
    kept: list[Seen] = []
    used = shown_wrong = 0
    counts = {True: 0, False: 0}
    for one in [*wrong, *few]:
        source = motions.get(one.group.basis.fingerprint, "the data were not looked for")
        motion = source if isinstance(source, str) else source(one.name)
        if motion is None or isinstance(motion, str):
            reason = motion or "the recording is not in the data"
            absent[reason] = absent.get(reason, 0) + 1
            continue
        if counts[bool(one.wrong)] >= (MOST_WRONG if one.wrong else MOST_RIGHT):
            continue
        code = encode(downsample(motion.positions, motion.rate_hz))
        if used + len(code) > budget:
            continue
        used += len(code)
        counts[bool(one.wrong)] += 1
        shown_wrong += bool(one.wrong)
        shared = {"gestures": list(one.gestures), "joints": list(motion.joints), "parents": list(motion.parents)}
        if shared not in sets:
            sets.append(shared)
        kept.append(one)
        recordings.append(_plain(one, sets.index(shared), motion.group, motion.posture, code))
    still = _add_windows(groups, kept, recordings, window_budget)
    data = {"rate": RATE_HZ, "models": models, "sets": sets, "recordings": recordings, "still": still}
    evolving = any(one["windows"] for one in recordings)
    return Player(data, len(recordings), shown_wrong, len(found), len(wrong), absent, evolving)


def _add_windows(
    groups: Sequence[Group], kept: Sequence[Seen], recordings: Sequence[dict[str, Any]], budget: int
) -> dict[str, str]:
    """Gives each recording the probabilities of its windows, by size; returns why some sizes have none."""
    wanted: dict[int, set[str]] = {}
    for one in kept:
        wanted.setdefault(one.group.number, set()).add(one.name)
    found, absent = series_of(groups, wanted)
    used = 0
    for one, plain in zip(kept, recordings, strict=True):
        plain["windows"] = {}
        for model in one.sums:
            series = found.get((model, one.name))
            said = encode_series(series) if series is not None else None
            size = len(json.dumps(said))
            if said is not None and used + size <= budget:
                plain["windows"][str(model)] = said
                used += size
    return {str(model): reason for model, reason in absent.items()}


def _plain(one: Seen, shared: int, group: str, posture: str, code: str) -> dict[str, Any]:
    said = {str(model): [round(float(value), 3) for value in one.mean(model)] for model in one.sums}
    return {
        "name": one.name,
        "set": shared,
        "flags": " ".join(one.group.flags),
        "subject": one.subject,
        "group": group,
        "posture": posture,
        "correctness": CORRECTNESS.get(one.correctness, str(one.correctness)) + (f" {one.done}" if one.done else ""),
        "truth": one.gestures.index(one.truth),
        "runs": {str(model): one.sums[model][1] for model in one.sums},
        "said": said,
        "motion": code,
    }


def _gather(groups: Sequence[Group]) -> tuple[list[str], list[Seen], dict[str, int]]:
    """Sizes by name, all test recordings, and the reasons why some runs' predictions are not there."""
    models: list[str] = []
    found: dict[tuple[int, str], Seen] = {}
    absent: dict[str, int] = {}
    for group in groups:
        for candidate in group.candidates:
            models.append(candidate.label if len(groups) == 1 else f"group {group.number}: {candidate.label}")
            for run in candidate.runs:
                try:
                    predictions = read_predictions(RunDir(run.path, run.info["model"]["size"]).predictions)
                except RunError as error:
                    absent[str(error)] = 0
                    continue
                _add(found, group, len(models) - 1, predictions)
    return models, list(found.values()), absent


def _add(found: dict[tuple[int, str], Seen], group: Group, model: int, said: Predictions) -> None:
    done = said.done if said.of_correctness else [""] * len(said)
    for at, name in enumerate(said.names):
        truth = said.gestures[int(said.truth[at])]
        one = found.setdefault(
            (group.number, name),
            Seen(
                name, group, said.subjects[at], truth, int(said.correctness[at]), gestures=said.gestures, done=done[at]
            ),
        )
        if one.gestures == said.gestures:
            one.add(model, said.probabilities[at])
