"""Made-up recordings in the form of IntelliRehabDS: for trying things out, never for claims.

Numbers that describe people and sensor (how long patients take, how often a movement is incorrect, how much a hand
jitters) are set after IntelliRehabDS (Miron et al., Data 6(5):46, 2021), so that programs meet what real recordings
hold.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gesturelab.config.options import TARGET
from gesturelab.datasets.recording import Dataset, Motion
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.datasets.synthetic.kinematics import RIGHT, forward
from gesturelab.datasets.synthetic.movements import GESTURES, MIRRORED, SEATED, moved_side, poses
from gesturelab.datasets.synthetic.people import Person, draw_correctness, execute, make_person
from gesturelab.datasets.synthetic.sensor import kept_frames, observe, place, stand_on
from gesturelab.skeletons.skeleton import KINECT_V2

VERSION = "1"
"""Raised whenever the same settings would give other recordings."""

SHORTEST_S, LONGEST_S = 13 / 30, 20.0
"""No recording is shorter or longer than this."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One repetition that is to be made up; how it goes is drawn from the generator."""

    person: Person
    gesture: int
    repetition: int
    correctness: int
    rng: np.random.Generator

    @property
    def posture(self) -> str:
        """How the person stands or sits for it."""
        return self.person.postures[self.gesture]

    @property
    def name(self) -> str:
        """The name of the recording, built as IntelliRehabDS builds them."""
        return f"{self.person.id}_18_{self.gesture}_{self.repetition}_{self.correctness}_{self.posture}"


class Synthetic(RecordingSource):
    """Made-up people and their recordings.

    A person is the same whatever the number of people, and a repetition whatever the number of repetitions and the
    filters. As in IntelliRehabDS the view is mirrored: a gesture called "left" moves the joints named Right.

    Args:
        people: How many.
        repetitions: How often each person repeats each gesture.
        seed: Which made-up world.
        rate_hz: Frames a second.
    """

    gestures = GESTURES
    mirrored = {name: GESTURES[image] for name, image in zip(GESTURES, MIRRORED, strict=True)}  # noqa: RUF012
    mirror_key = ""
    synthetic = True
    skeleton = KINECT_V2

    def __init__(self, people: int, repetitions: int, seed: int, rate_hz: float) -> None:
        self._people, self._repetitions, self._seed = people, repetitions, seed
        self._rate_hz = rate_hz

    def __iter__(self) -> Iterator[Unread]:
        """Every repetition of everybody, each with its own random generator."""
        for index in range(self._people):
            person = make_person(index, _generator(self._seed, index))
            for gesture in range(len(GESTURES)):
                for repetition in range(1, self._repetitions + 1):
                    rng = _generator(self._seed, index, gesture, repetition)
                    trial = Trial(person, gesture, repetition, draw_correctness(person, rng), rng)
                    yield Unread(
                        name=trial.name,
                        subject=person.id,
                        gesture=GESTURES[gesture],
                        read=partial(_record, trial, self._rate_hz),
                        group=person.group,
                        correctness=trial.correctness,
                        posture=trial.posture,
                    )

    def refuse_lone_subjects(self, gestures: Sequence[str], subjects: Mapping[str, set[str]]) -> None:
        """Every person does everything; whom a split lacks, it says."""

    def fingerprint(self, dataset: Dataset, options: Mapping[str, Any]) -> str:
        """Hash of the generator's version, the settings that matter to it, and all that was made."""
        settings = {key: value for key, value in options.items() if key not in ("strict", TARGET)}
        if settings["gestures"] is None:
            del settings["gestures"]  # as before there was a choice, so that older runs keep their fingerprint
        settings = {key: sorted(value) if isinstance(value, list) else value for key, value in settings.items()}
        settings["source"] = dataset.source
        digest = hashlib.sha256(json.dumps(["synthetic", VERSION, settings], sort_keys=True).encode())
        for number, name in enumerate(dataset.names):
            digest.update(name.encode())
            frames = dataset.positions[dataset.offsets[number] : dataset.offsets[number + 1]]
            digest.update(frames.astype("<f4").tobytes())
        return digest.hexdigest()


def _generator(seed: int, *key: int) -> np.random.Generator:
    """A generator that depends on the seed and its own key only."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _record(trial: Trial, rate_hz: float) -> Motion:
    """Makes up one recording.

    Positions are rounded to a tenth of a millimetre, so that the last bit of a sine, which differs between machines,
    does not show.
    """
    person, gesture, rng = trial.person, trial.gesture, trial.rng
    execution, seconds = execute(person, gesture, trial.correctness, rng)
    seconds = min(max(seconds, SHORTEST_S), LONGEST_S)
    times_s = kept_frames(max(2, round(seconds * rate_hz)), rng) / rate_hz
    seated = trial.posture in SEATED
    angles = poses(gesture, person.rests[gesture], person.styles[gesture], execution, times_s, rng, seated=seated)
    body = forward(person.bones_m, angles)
    if not seated:
        body = stand_on(body, "AnkleLeft" if moved_side(gesture) == RIGHT else "AnkleRight")
    moved_m = rng.normal(0, 0.02, 3)
    seen = observe(place(body, person.place_m + moved_m, person.yaw_deg, person.tilt_deg), times_s, person.jitter, rng)
    return Motion(np.round(seen, 4).astype(np.float32), rate_hz)
