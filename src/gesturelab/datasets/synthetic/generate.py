"""Made-up recordings in the form of IntelliRehabDS: for trying things out, never for claims.

Numbers that describe people and sensor (how long patients take, how often a movement is incorrect, how much a hand
jitters) are set after IntelliRehabDS (Miron et al., Data 6(5):46, 2021), so that programs meet what real recordings
hold.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from gesturelab.config.options import TARGET
from gesturelab.datasets.recording import Dataset, Motion
from gesturelab.datasets.source import RecordingSource, Unread
from gesturelab.datasets.synthetic.kinematics import RIGHT, forward
from gesturelab.datasets.synthetic.movements import GESTURES, SEATED, moved_side, poses
from gesturelab.datasets.synthetic.people import Person, draw_correctness, execute, make_person
from gesturelab.progress import show_progress
from gesturelab.skeletons.skeleton import KINECT_V2

VERSION = "1"
"""Raised whenever the same settings would give other recordings."""

SHORTEST_S, LONGEST_S = 13 / 30, 20.0
"""No recording is shorter or longer than this."""


_NOISE_MM = {"Hand": 4.0, "HandTip": 6.0, "Thumb": 9.0, "Wrist": 3.5, "Elbow": 1.5, "Foot": 2.0, "Ankle": 1.0}
_QUIET_MM = 0.5
_NOISE_M: Float64[np.ndarray, " joints"] = 1e-3 * np.array(
    [_NOISE_MM.get(joint.removesuffix("Left").removesuffix("Right"), _QUIET_MM) for joint in KINECT_V2.joints]
)
"""Standard deviation of each joint's noise from frame to frame; on IntelliRehabDS the second differences of hands are
ten times those of the trunk."""


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
    mirror_key = ""
    refuses_lone_subjects = False  # every person does everything; whom a split lacks, it says
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
                    make_generator = partial(_generator, self._seed, index, gesture, repetition)
                    correctness, posture = draw_correctness(person, make_generator()), person.postures[gesture]
                    yield Unread(
                        name=f"{person.id}_18_{gesture}_{repetition}_{correctness}_{posture}",  # as IntelliRehabDS does
                        subject=person.id,
                        gesture=GESTURES[gesture],
                        read=partial(_record, person, gesture, self._rate_hz, make_generator),
                        group=person.group,
                        correctness=correctness,
                        posture=posture,
                    )

    def fingerprint(self, dataset: Dataset, options: Mapping[str, Any]) -> str:
        """Hash of the generator's version, the settings that matter to it, and all that was made."""
        settings = {key: value for key, value in options.items() if key not in ("strict", TARGET)}
        if settings["gestures"] is None:
            del settings["gestures"]  # as before there was a choice, so that older runs keep their fingerprint
        settings = {key: sorted(value) if isinstance(value, list) else value for key, value in settings.items()}
        settings["source"] = dataset.source
        digest = hashlib.sha256(json.dumps(["synthetic", VERSION, settings], sort_keys=True).encode())
        for number, name in enumerate(show_progress(dataset.names, "computing the fingerprint")):
            digest.update(name.encode())
            frames = dataset.positions[dataset.offsets[number] : dataset.offsets[number + 1]]
            digest.update(frames.astype("<f4").tobytes())
        return digest.hexdigest()


def _generator(seed: int, *key: int) -> np.random.Generator:
    """A generator that depends on the seed and its own key only."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def _record(person: Person, gesture: int, rate_hz: float, make_generator: Callable[[], np.random.Generator]) -> Motion:
    """Makes up one repetition of a gesture.

    Positions are rounded to a tenth of a millimetre, so that the last bit of a sine, which differs between machines,
    does not show.
    """
    rng = make_generator()  # kept from the listing on, generators would fill gigabytes
    execution, seconds = execute(person, gesture, draw_correctness(person, rng), rng)
    seconds = min(max(seconds, SHORTEST_S), LONGEST_S)
    times_s = kept_frames(max(2, round(seconds * rate_hz)), rng) / rate_hz
    seated = person.postures[gesture] in SEATED
    angles = poses(gesture, person.rests[gesture], person.styles[gesture], execution, times_s, rng, seated=seated)
    body = forward(person.bones_m, angles)
    if not seated:
        body = stand_on(body, "AnkleLeft" if moved_side(gesture) == RIGHT else "AnkleRight")
    moved_m = rng.normal(0, 0.02, 3)
    seen = observe(place(body, person.place_m + moved_m, person.yaw_deg, person.tilt_deg), times_s, person.jitter, rng)
    return Motion(np.round(seen, 4).astype(np.float32), rate_hz)


def stand_on(positions: Float64[np.ndarray, "frames joints 3"], foot: str) -> Float64[np.ndarray, "frames joints 3"]:
    """Moves the whole body so that one joint stays where it is in the first frame."""
    held = positions[:, KINECT_V2.index(foot)]
    return positions + (held[:1] - held)[:, None]


def place(
    positions: Float64[np.ndarray, "frames joints 3"],
    at_m: Float64[np.ndarray, " 3"],
    yaw_deg: float,
    tilt_deg: float,
) -> Float64[np.ndarray, "frames joints 3"]:
    """Turns a body about the vertical axis, tilts the view, and puts the root's first frame at a point."""
    (sy, sx), (cy, cx) = np.sin(np.radians([yaw_deg, tilt_deg])), np.cos(np.radians([yaw_deg, tilt_deg]))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    tilt = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    return positions @ (tilt @ turn).T + at_m


def kept_frames(frames: int, rng: np.random.Generator) -> Int64[np.ndarray, " frames"]:
    """Which moments a recording of so many frames shows, counted in frames: some are lost, some shown twice."""
    gaps = np.where(rng.random(frames) < 0.015, rng.integers(2, 5, frames), 1)
    gaps[0] = 0
    gaps[1:][rng.random(frames - 1) < 0.008] = 0
    return np.cumsum(gaps)


def observe(
    positions: Float64[np.ndarray, "frames joints 3"],
    times_s: Float64[np.ndarray, " frames"],
    jitter: float,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "frames joints 3"]:
    """Adds what the sensor gets wrong.

    Noise from frame to frame (largest at the hands), a slow drift of each joint, and now and then a hand that is seen
    elsewhere for a moment. A moment that is shown twice is shown with the same errors.

    Args:
        positions: Where the joints are, in metres.
        times_s: When; a repeated time is a repeated frame.
        jitter: Noise as a multiple of what is typical.
        rng: For the errors.
    """
    frames, joints, _ = positions.shape
    noise = rng.standard_normal(positions.shape, dtype=np.float32) * (jitter * _NOISE_M)[:, None]
    drift = rng.normal(0, 1, (joints, 3)) * (0.004 + 2 * _NOISE_M)[:, None]
    phases = 2 * np.pi * (rng.uniform(0.05, 0.6, joints) * times_s[:, None] + rng.random(joints))
    seen = positions + noise + np.sin(phases)[:, :, None] * drift
    if rng.random() < 0.1:
        side = ("Left", "Right")[rng.integers(2)]
        hand = [KINECT_V2.index(joint + side) for joint in ("Wrist", "Hand", "HandTip", "Thumb")]
        first = int(rng.integers(frames))
        seen[first : first + int(rng.integers(1, 5)), hand] += rng.normal(0, 0.06, 3)
    moments = np.searchsorted(times_s, times_s, side="left")
    return seen[moments]
