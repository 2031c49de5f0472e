"""What the page's player shows: recordings in motion, and what each candidate answered to them."""

import base64
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int16

from gesturelab.datasets.recording import CORRECTNESS
from gesturelab.errors import RunError
from gesturelab.evaluation.explanation import Explanation
from gesturelab.evaluation.predictions import Predictions, read_predictions
from gesturelab.evaluation.windows import WindowSeries, mean_series, read_windows
from gesturelab.report.cross_validation import check_sum
from gesturelab.report.groups import Candidate, Group
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import is_peer

RATE_HZ = 10.0
"""What motion is brought to; the player draws what lies between two frames by linear interpolation."""

MOST_WRONG, MOST_RIGHT = 200, 40
"""How many recordings are shown at most."""

WINDOW_BYTES = 700_000
"""What the probabilities of windows may take."""

EXPLANATION_BYTES = 300_000
"""What the explanations of answers may take."""

LEAST_LARGEST = 0.5
"""In log-odds; where nothing matters more, no mark is as large as it can be."""

PEER = "A peer answers whole recordings only."
NO_WINDOWS = "The runs of this size have no windows_<size>.csv (gesturelab did not write one when they were trained)."
UNEXPLAINED = "gesturelab report --explain shows which joints and moments carried an answer."
EVOLVING = (
    "Those of now are what the network says at this moment of the last window (or of all so far, if that is shorter), "
    "knowing nothing of what follows; the chart shows them over time."
)
STILL = (
    "They do not change while it plays: these runs keep no probabilities of single windows (windows_<size>.csv); runs "
    "trained with this version do."
)


@dataclass(frozen=True, eq=False)
class Motion:
    """What a report knows of a recording's motion.

    Attributes:
        positions: Joint positions in metres, y up, z away from the sensor.
        rate_hz: Frames a second.
        joints: Joint names.
        parents: For each joint the index of its parent; the root is its own parent.
        group: Which kind of person, such as ``patient``.
        posture: How the person stood or sat.
    """

    positions: Float32[np.ndarray, "frames joints 3"]
    rate_hz: float
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    group: str
    posture: str


Motions = Callable[[str], Motion | None]
"""The motion of a recording by its name; None when it is not among the data."""

Explain = Callable[[Candidate, Collection[str]], tuple[dict[str, Explanation], str]]
"""Explains a candidate's answers to recordings that it tested, by name; and says why some are not explained."""


@dataclass
class TestRecording:
    """A test recording of a group, and the probabilities that each candidate (by its place) gave it.

    Attributes:
        name: Of the recording.
        group: Of runs.
        subject: Who moves.
        truth: The true class.
        correctness: 1 to 3.
        classes: All of them.
        gesture: Where the classes are correct and incorrect.
        answers: For each candidate the probabilities that its runs gave.
    """

    __test__ = False  # not a test of pytest's

    name: str
    group: Group
    subject: str
    truth: str
    correctness: int
    classes: tuple[str, ...]
    gesture: str
    answers: dict[int, list[np.ndarray]] = field(default_factory=dict[int, list[np.ndarray]])

    def mean(self, candidate: int) -> np.ndarray:
        """Probabilities over the runs of a candidate that tested it."""
        return np.mean(self.answers[candidate], axis=0)

    @property
    def wrong(self) -> int:
        """How many candidates misclassify it."""
        return sum(self.classes[int(self.mean(candidate).argmax())] != self.truth for candidate in self.answers)

    @property
    def order(self) -> tuple[float, float, str]:
        """Misclassified by most candidates first, then the one whose true class was thought least likely."""
        own = self.classes.index(self.truth)
        likely = float(np.mean([self.mean(candidate)[own] for candidate in self.answers]))
        return -self.wrong / len(self.answers), likely, self.name


@dataclass(frozen=True)
class Player:
    """What the page's player holds.

    Attributes:
        data: For the script.
        shown: Recordings that it holds.
        shown_wrong: Those that a candidate misclassified.
        tested: All test recordings.
        wrong: Those that a candidate misclassified.
        absent: Recordings without motion, by reason; 0 for files of predictions that cannot be read.
        evolving: Whether a recording has the probabilities of its windows.
    """

    data: dict[str, Any]
    shown: int
    shown_wrong: int
    tested: int
    wrong: int
    absent: dict[str, int]
    evolving: bool

    @property
    def reasons(self) -> list[str]:
        """Why recordings are missing."""
        return [
            f"No motion for {count:,} recordings: {reason}." if count else f"{reason}."
            for reason, count in self.absent.items()
        ]

    @property
    def explanations(self) -> list[str]:
        """Which recordings are there, and what the probabilities are."""
        right, shown_right = self.tested - self.wrong, self.shown - self.shown_wrong
        return [
            f"Shown: {self.shown_wrong:,} of the {self.wrong:,} recordings that a size misclassifies, and "
            f"{shown_right:,} of the {right:,} others, spread evenly. Motion is at 10 frames a second.",
            "Probabilities of the whole recording are the mean over its windows and, with several seeds, the seeds. "
            + (EVOLVING if self.evolving else STILL),
        ]


def build_player(
    groups: Sequence[Group],
    motions: Mapping[str, Motions | str],
    budget: int,
    window_budget: int = WINDOW_BYTES,
    explain: Explain | None = None,
) -> Player:
    """The player's recordings: misclassified ones first, then a sample of the others, spread evenly.

    Args:
        groups: Of runs, as compared.
        motions: For each data fingerprint where motion is found, or why it is not.
        budget: Characters that the motion may take.
        window_budget: Characters that the probabilities of windows may take.
        explain: What explains answers; None: they are not explained.
    """
    models, tested, unreadable = _read_recordings(groups)
    absent = Counter(dict.fromkeys(unreadable, 0))
    wrong = sorted((recording for recording in tested if recording.wrong), key=lambda recording: recording.order)
    right = sorted((recording for recording in tested if not recording.wrong), key=lambda recording: recording.name)
    skeletons: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    kept: list[TestRecording] = []
    used = 0
    counts = {True: 0, False: 0}
    for recording in [*wrong, *right[:: max(1, -(-len(right) // MOST_RIGHT))]]:
        source = motions.get(recording.group.basis.fingerprint, "the data were not looked for")
        motion = source if isinstance(source, str) else source(recording.name)
        if motion is None or isinstance(motion, str):
            absent[motion or "the recording is not in the data"] += 1
            continue
        is_wrong = bool(recording.wrong)
        if counts[is_wrong] >= (MOST_WRONG if is_wrong else MOST_RIGHT):
            continue
        code = encode(downsample(motion.positions, motion.rate_hz))
        if used + len(code) > budget:
            continue
        used += len(code)
        counts[is_wrong] += 1
        skeleton = {"gestures": list(recording.classes), "joints": list(motion.joints), "parents": list(motion.parents)}
        if skeleton not in skeletons:
            skeletons.append(skeleton)
        kept.append(recording)
        entries.append(_entry(recording, skeletons.index(skeleton), motion, code))
    still = _add_windows(groups, kept, entries, window_budget)
    unexplained = _add_explanations(groups, kept, entries, explain)
    data = {"rate": RATE_HZ, "models": models, "sets": skeletons, "recordings": entries, "still": still}
    data["unexplained"] = unexplained
    evolving = any(entry["windows"] for entry in entries)
    return Player(data, len(entries), counts[True], len(tested), len(wrong), dict(absent), evolving)


def _entry(recording: TestRecording, skeleton: int, motion: Motion, code: str) -> dict[str, Any]:
    """A recording as the script reads it."""
    correctness = CORRECTNESS.get(recording.correctness, str(recording.correctness))
    return {
        "name": recording.name,
        "set": skeleton,
        "flags": " ".join(recording.group.flags),
        "subject": recording.subject,
        "group": motion.group,
        "posture": motion.posture,
        "correctness": f"{correctness} {recording.gesture}".rstrip(),
        "truth": recording.classes.index(recording.truth),
        "runs": {str(candidate): len(answers) for candidate, answers in recording.answers.items()},
        "said": {str(at): [round(float(value), 3) for value in recording.mean(at)] for at in recording.answers},
        "motion": code,
    }


def _read_recordings(groups: Sequence[Group]) -> tuple[list[str], list[TestRecording], list[str]]:
    """Candidates by name, all test recordings, and the reasons why some runs' predictions are not there."""
    models: list[str] = []
    recordings: dict[tuple[int, str], TestRecording] = {}
    unreadable: list[str] = []
    for group in groups:
        for candidate in group.candidates:
            models.append(candidate.label if len(groups) == 1 else f"group {group.number}: {candidate.label}")
            for run in candidate.runs:
                try:
                    predictions = read_predictions(RunDir(run.path, run.info["model"]["size"]).predictions)
                except RunError as error:
                    unreadable.append(str(error))
                    continue
                for recording, answer in _answers(group, predictions):
                    known = recordings.setdefault((group.number, recording.name), recording)
                    if known.classes == recording.classes:
                        known.answers.setdefault(len(models) - 1, []).append(answer)
    return models, list(recordings.values()), unreadable


def _answers(group: Group, predictions: Predictions) -> Iterator[tuple[TestRecording, np.ndarray]]:
    """The recordings of a run, each with the probabilities that the run gave it."""
    classes = predictions.gestures
    gestures = predictions.done if predictions.of_correctness else [""] * len(predictions)
    truth, correctness = [classes[at] for at in predictions.truth.tolist()], predictions.correctness.tolist()
    for at, (name, subject) in enumerate(zip(predictions.names, predictions.subjects, strict=True)):
        recording = TestRecording(name, group, subject, truth[at], correctness[at], classes, gestures[at])
        yield recording, predictions.probabilities[at]


def _add_windows(
    groups: Sequence[Group], kept: Sequence[TestRecording], entries: Sequence[dict[str, Any]], budget: int
) -> dict[str, str]:
    """Gives each recording the probabilities of its windows, by candidate; returns why some candidates have none."""
    series: dict[tuple[int, str], WindowSeries] = {}
    absent: dict[str, str] = {}
    candidates = [(group, candidate) for group in groups for candidate in group.candidates]
    for place, (group, candidate) in enumerate(candidates):
        names = {recording.name for recording in kept if recording.group.number == group.number}
        by_name, reason = _read_windows(candidate, names)
        series |= {(place, name): mean_series(runs) for name, runs in by_name.items()}
        absent |= {} if by_name else {str(place): reason}
    used = 0
    for recording, entry in zip(kept, entries, strict=True):
        entry["windows"] = {}
        for candidate in recording.answers:
            if (candidate, recording.name) in series:
                encoded = encode_series(series[candidate, recording.name])
                size = len(json.dumps(encoded))
                if used + size <= budget:
                    entry["windows"][str(candidate)] = encoded
                    used += size
    return absent


def _add_explanations(
    groups: Sequence[Group],
    kept: Sequence[TestRecording],
    entries: Sequence[dict[str, Any]],
    explain: Explain | None,
) -> dict[str, str]:
    """Gives each recording the explanations of its answers, by candidate; returns why some candidates have none."""
    used, absent = 0, dict[str, str]()
    candidates = [(group, candidate) for group in groups for candidate in group.candidates]
    for place, (group, candidate) in enumerate(candidates):
        own = {
            recording.name: entry
            for recording, entry in zip(kept, entries, strict=True)
            if recording.group.number == group.number and place in recording.answers
        }
        explanations, absent[str(place)] = explain(candidate, own.keys()) if explain else ({}, UNEXPLAINED)
        for name, explanation in explanations.items():
            encoded = encode_explanation(explanation)
            used += len(json.dumps(encoded))
            if used <= EXPLANATION_BYTES:
                own[name].setdefault("why", {})[str(place)] = encoded
    return absent


def _read_windows(candidate: Candidate, names: set[str]) -> tuple[dict[str, list[WindowSeries]], str]:
    """The windows of some recordings by each run that tested them; and why there are none."""
    series: dict[str, list[WindowSeries]] = {}
    reasons: list[str] = []
    for run in candidate.runs:
        path = RunDir(run.path, run.info["model"]["size"]).windows
        try:
            if path.exists():
                check_sum(run, path)
                for name, windows in read_windows(path, tuple(run.info.get("gestures", ())), names).items():
                    series.setdefault(name, []).append(windows)
        except RunError as error:
            reasons.append(f"{error}.")
    return series, PEER if is_peer(candidate.runs[0].info) else reasons[0] if reasons else NO_WINDOWS


def encode_series(series: WindowSeries) -> dict[str, Any]:
    """Seconds, and whole per cent as bytes in base64, window by window."""
    shares = np.rint(100 * series.probabilities).clip(0, 100).astype(np.uint8)
    return {
        "starts": [round(second, 2) for second in series.starts.tolist()],
        "ends": [round(second, 2) for second in series.ends.tolist()],
        "said": base64.b64encode(shares.tobytes()).decode("ascii"),
    }


def encode_explanation(explanation: Explanation) -> dict[str, Any]:
    """The sentence, and importance in whole per cent of the largest (of `LEAST_LARGEST` if that is more)."""

    def shares(importance: Float64[np.ndarray, " parts"]) -> list[int]:
        largest = max(float(importance.max()), LEAST_LARGEST)
        return np.rint(100 * (importance / largest).clip(0, 1)).astype(int).tolist()

    return {
        "text": explanation.sentence,
        "top": explanation.top_joints,
        "joints": shares(explanation.joint_importance),
        "moments": shares(explanation.moment_importance),
        "ends": [round(second, 2) for second in explanation.ends.tolist()],
    }


def downsample(positions: Float32[np.ndarray, "frames joints 3"], rate_hz: float) -> Int16[np.ndarray, "few joints 3"]:
    """Whole millimetres at `RATE_HZ`, by linear interpolation; the first frame stays the first.

    >>> downsample(np.arange(31, dtype=np.float32).reshape(31, 1, 1).repeat(3, 2) / 1000, 30.0)[:, 0, 0].tolist()
    [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    """
    frames = len(positions)
    times = np.arange(0, (frames - 1) / rate_hz + 1e-9, 1 / RATE_HZ) * rate_hz
    before = np.minimum(times.astype(np.int64), frames - 1)
    after = np.minimum(before + 1, frames - 1)
    share = (times - before)[:, None, None]
    between = positions[before] * (1 - share) + positions[after] * share
    return np.rint(1000 * between).astype(np.int16)


def encode(values: Int16[np.ndarray, "few joints 3"]) -> str:
    """Little-endian numbers in base64."""
    return base64.b64encode(values.astype("<i2").tobytes()).decode("ascii")
