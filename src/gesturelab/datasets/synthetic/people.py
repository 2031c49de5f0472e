"""Made-up people: their bodies, their way of moving, and what goes wrong when a movement is incorrect."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.irds.files import MIRRORED_GESTURES
from gesturelab.datasets.synthetic.kinematics import ANGLES, LEFT, RIGHT, TYPICAL_BONES_M, Limb, column
from gesturelab.datasets.synthetic.movements import GESTURES, Execution, resting
from gesturelab.skeletons.skeleton import KINECT_V2

POSTURES = ("stand", "chair", "wheelchair", "sit", "stand-frame")
"""How people stand or sit."""

_SHARES = {"healthy": (0.60, 0.35, 0.0, 0.05, 0.0), "patient": (0.34, 0.32, 0.24, 0.05, 0.05)}
_STYLE_DEG = {Limb.PLANE: 1.5, Limb.ROTATION: 1.5, Limb.ELBOW: 0.8, Limb.HIP: 0.3, Limb.ABDUCTION: 0.3, Limb.KNEE: 0.3}
_FAULTS = ("small", "faltering", "leaning", "both sides", "drifting", "other limb")
_FAULT_SHARES = (0.25, 0.2, 0.12, 0.14, 0.2, 0.09)


@dataclass(frozen=True, eq=False)
class Person:
    """One made-up person, in front of one sensor.

    Attributes:
        id: Begins with 1 for healthy people and with 2 for patients, as in IntelliRehabDS.
        group: ``healthy`` or ``patient``.
        bones_m: Length of the bone to each joint from its parent.
        postures: How the person stands or sits for each gesture.
        rests: For each gesture the resting pose, in degrees.
        styles: For each gesture what the person adds to the angles at its peak, in degrees.
        pace_s: Typical duration of a repetition.
        pace_spread: Standard deviation of the logarithm of durations.
        habit: How the person typically carries out a correct movement.
        incorrect: Share of repetitions that are incorrect.
        place_m: Where the root is, in the sensor's coordinates.
        yaw_deg: Turn about the vertical axis, away from facing the sensor.
        tilt_deg: Tilt of the sensor.
        jitter: The sensor's noise, as a multiple of what is typical.
    """

    id: str
    group: str
    bones_m: Float64[np.ndarray, " joints"]
    postures: tuple[str, ...]
    rests: Float64[np.ndarray, "gestures angles"]
    styles: Float64[np.ndarray, "gestures angles"]
    pace_s: float
    pace_spread: float
    habit: Execution
    incorrect: float
    place_m: Float64[np.ndarray, " 3"]
    yaw_deg: float
    tilt_deg: float
    jitter: float


def person_id(index: int) -> str:
    """The id of the person at an index: healthy people and patients take turns.

    >>> [person_id(index) for index in (0, 1, 2, 3, 198, 199)]
    ['101', '201', '102', '202', '1100', '2100']
    """
    return f"{2 if index % 2 else 1}{index // 2 + 1:02d}"


def make_person(index: int, rng: np.random.Generator) -> Person:
    """Makes up the person at an index; people with odd indices are patients."""
    patient = index % 2 == 1
    group = "patient" if patient else "healthy"
    usual, other = (POSTURES[rng.choice(len(POSTURES), p=_SHARES[group])] for _ in range(2))
    changes = rng.random(len(GESTURES)) < (0.3 if rng.random() < 0.3 else 0.0)
    postures = tuple(other if change else usual for change in changes)
    at_rest = {posture: resting(posture, rng) for posture in POSTURES}
    style_deg = np.zeros(ANGLES)
    for side in (LEFT, RIGHT):
        for angle in Limb:
            style_deg[column(side, angle)] = _STYLE_DEG.get(angle, 0.0) * (14.0 if patient else 6.5)
    habit = Execution(
        reach=float(np.clip(rng.normal(0.72, 0.14) if patient else rng.normal(0.96, 0.05), 0.45, 1.05)),
        lean_deg=abs(rng.normal(0, 5.0 if patient else 1.5)),
        shrug_deg=abs(rng.normal(0, 7.0 if patient else 2.0)),
        other_side=abs(rng.normal(0, 0.1 if patient else 0.015)),
        tremor_deg=float(rng.exponential(0.8)) if patient else 0.0,
    )
    return Person(
        id=person_id(index),
        group=group,
        bones_m=_bones(rng),
        postures=postures,
        rests=np.stack([at_rest[posture] for posture in postures]),
        styles=rng.normal(0, 1, (len(GESTURES), ANGLES)) * style_deg,
        pace_s=float(np.exp(rng.normal(np.log(2.6 if patient else 1.95), 0.28 if patient else 0.15))),
        pace_spread=0.32 if patient else 0.18,
        habit=habit,
        incorrect=float(rng.beta(2.0, 2.6)) if patient else 0.01,
        place_m=np.array([rng.normal(-0.05, 0.13), rng.normal(-0.12, 0.15), rng.uniform(1.6, 3.4)]),
        yaw_deg=rng.normal(3, 7),
        tilt_deg=rng.normal(4, 4),
        jitter=float(np.exp(rng.normal(0, 0.25))),
    )


def draw_correctness(person: Person, rng: np.random.Generator) -> int:
    """Whether a repetition is correct (1), incorrect (2) or, rarely, poorly executed (3)."""
    chance = rng.random()
    if chance < 0.005 * (person.group == "patient"):
        return 3
    return 2 if rng.random() < person.incorrect else 1


def execute(person: Person, gesture: int, correctness: int, rng: np.random.Generator) -> tuple[Execution, float]:
    """How one repetition goes, and how long it takes in seconds.

    An incorrect one has one fault, a poorly executed one two: a range that is far too small, faltering, a leaning
    trunk, the other side joining in, a drift into another gesture, or the other limb moving in place of the one asked.
    """
    habit = person.habit
    done = replace(habit, reach=habit.reach * rng.normal(1, 0.04), lean_deg=habit.lean_deg * rng.uniform(0.4, 1.2))
    seconds = float(np.exp(rng.normal(np.log(person.pace_s), person.pace_spread)))
    for _ in range(correctness - 1):
        done, slower = _with_fault(done, gesture, str(rng.choice(_FAULTS, p=_FAULT_SHARES)), rng)
        seconds *= slower * float(np.exp(rng.normal(0.1, 0.35)))
    return done, seconds


def _with_fault(done: Execution, gesture: int, fault: str, rng: np.random.Generator) -> tuple[Execution, float]:
    """The movement with one fault, and how many times as long it takes."""
    towards = int(rng.choice([g for g in range(len(GESTURES)) if g != gesture]))
    match fault:
        case "small":
            return replace(done, reach=done.reach * rng.uniform(0.05, 0.45)), 0.9
        case "faltering":
            attempts = int(rng.integers(2, 5))
            return replace(done, attempts=attempts, reach=done.reach * rng.uniform(0.6, 1)), 1 + 0.5 * attempts
        case "leaning":
            return replace(done, lean_deg=rng.uniform(10, 28), reach=done.reach * rng.uniform(0.4, 0.9)), 1.3
        case "both sides":
            return replace(done, other_side=rng.uniform(0.4, 1.2), reach=done.reach * rng.uniform(0.6, 1)), 1.1
        case "drifting":
            return replace(done, towards=towards, drift=rng.uniform(0.35, 0.85)), 1.2
        case _:
            return replace(done, towards=MIRRORED_GESTURES[gesture], drift=rng.uniform(0.6, 1.0)), 1.2


def _bones(rng: np.random.Generator) -> Float64[np.ndarray, " joints"]:
    """A body: tall or short, and with its own proportions of trunk, shoulders, arms and legs; left and right alike."""
    stature = rng.normal(1, 0.06)
    scales = np.ones(len(TYPICAL_BONES_M))
    parts = (("Spine", "Neck", "Head"), ("Shoulder", "Hip"), ("Elbow", "Wrist"), ("Hand", "Thumb"), ("Knee", "Ankle"))
    for part in parts:
        factor = rng.normal(1, 0.04)
        scales[[joint.startswith(part) for joint in KINECT_V2.joints]] = factor
    return TYPICAL_BONES_M * scales * float(np.clip(stature, 0.8, 1.2))
