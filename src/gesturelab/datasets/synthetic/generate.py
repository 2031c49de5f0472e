"""Made-up recordings in the form of IntelliRehabDS: for trying things out, never for claims.

Numbers that describe people and sensor (how long patients take, how often a movement is incorrect, how much a hand
jitters) are set after IntelliRehabDS (Miron et al., Data 6(5):46, 2021), so that programs meet what real recordings
hold.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from gesturelab.config.data import SyntheticConfig
from gesturelab.config.options import TARGET
from gesturelab.datasets.recording import Dataset, Recording, only_gestures, pack
from gesturelab.datasets.selection import chosen_gestures, spread
from gesturelab.datasets.synthetic.kinematics import RIGHT, forward
from gesturelab.datasets.synthetic.movements import GESTURES, MIRRORED, SEATED, moved_side, poses
from gesturelab.datasets.synthetic.people import POSTURES, Person, draw_correctness, execute, make_person, person_id
from gesturelab.datasets.synthetic.sensor import kept_frames, observe, place, stand_on
from gesturelab.errors import DataError
from gesturelab.runs.signals import raise_if_received

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


def make_synthetic(config: SyntheticConfig) -> Dataset:
    """Makes up people and records them.

    A person is the same whatever the number of people, and a repetition whatever the number of repetitions and the
    filters. As in IntelliRehabDS the view is mirrored: a gesture called "left" moves the joints named Right.

    Raises:
        DataError: If a person or gesture to keep is unknown, or the filters leave nothing.
    """
    gestures = chosen_gestures(config.gestures, GESTURES)
    trials = [trial for trial in _trials(config) if trial.gesture in gestures and _kept(trial, config)]
    if not trials:
        raise DataError(
            f"no made-up recording has one of data.correctness={list(config.correctness)} and of "
            f"data.postures={config.postures} (postures are {', '.join(POSTURES)}); "
            "widen the filters, or raise data.people or data.repetitions"
        )
    chosen = spread([trial.person.id for trial in trials], [trial.gesture for trial in trials], config.max_files)
    recordings = sorted((_record(trials[index], config.rate_hz) for index in chosen), key=lambda made: made.name)
    dataset = pack(
        recordings,
        source="synthetic",
        synthetic=True,
        gesture_names=GESTURES,
        mirrored_gestures=MIRRORED,
        fingerprint=_fingerprint(config, recordings),
    )
    return only_gestures(dataset, gestures)


def _trials(config: SyntheticConfig) -> Iterator[Trial]:
    """Every repetition of everybody, each with its own generator."""
    ids = [person_id(index) for index in range(config.people)]
    wanted = ids if config.subjects is None else config.subjects
    if unknown := sorted(set(wanted) - set(ids)):
        known = ", ".join(sorted(ids))
        raise DataError(f"data.subjects: nobody is called {', '.join(unknown)}; the made-up people are {known}")
    for index, person_name in enumerate(ids):
        if person_name not in wanted:
            continue
        person = make_person(index, _generator(config.seed, index))
        for gesture in range(len(GESTURES)):
            for repetition in range(1, config.repetitions + 1):
                rng = _generator(config.seed, index, gesture, repetition)
                yield Trial(person, gesture, repetition, draw_correctness(person, rng), rng)


def _kept(trial: Trial, config: SyntheticConfig) -> bool:
    return trial.correctness in config.correctness and (config.postures is None or trial.posture in config.postures)


def _generator(seed: int, *key: int) -> np.random.Generator:
    """A generator that depends on the seed and its own key only."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _record(trial: Trial, rate_hz: float) -> Recording:
    """Makes up one recording.

    Positions are rounded to a tenth of a millimetre, so that the last bit of a sine, which differs between machines,
    does not show.
    """
    raise_if_received()
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
    return Recording(
        name=trial.name,
        positions=np.round(seen, 4).astype(np.float32),
        rate_hz=rate_hz,
        subject=person.id,
        group=person.group,
        gesture=gesture,
        correctness=trial.correctness,
        posture=trial.posture,
    )


def _fingerprint(config: SyntheticConfig, recordings: Sequence[Recording]) -> str:
    """Hash of the generator's version, the settings that matter to it, and all that was made."""
    kept = {key: value for key, value in asdict(config).items() if key not in ("strict", "cache_dir", "target", TARGET)}
    settings = {"source": config.source} | kept
    if config.gestures is None:
        del settings["gestures"]  # as before there was a choice, so that older runs keep their fingerprint
    settings |= {key: sorted(value) for key, value in settings.items() if isinstance(value, list)}
    digest = hashlib.sha256(json.dumps(["synthetic", VERSION, settings], sort_keys=True).encode())
    for recording in recordings:
        digest.update(recording.name.encode())
        digest.update(recording.positions.astype("<f4").tobytes())
    return digest.hexdigest()
