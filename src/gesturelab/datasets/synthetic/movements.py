"""The nine gestures of IntelliRehabDS as joint angles over time, carried out well or badly."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.datasets.irds.files import GESTURES
from gesturelab.datasets.synthetic.kinematics import ANGLES, LEFT, RIGHT, Limb, Trunk, column

SEATED = ("chair", "wheelchair", "sit")
"""Postures with bent hips and knees; the others are on their feet."""

_PEAKS: dict[str, dict[Limb, float]] = {
    "elbow_flexion": {Limb.PLANE: 70, Limb.ELEVATION: 16, Limb.ELBOW: 138},
    "shoulder_flexion": {Limb.PLANE: 85, Limb.ELEVATION: 160, Limb.ELBOW: 12},
    "shoulder_abduction": {Limb.PLANE: 10, Limb.ELEVATION: 155, Limb.ELBOW: 12},
    "shoulder_forward_elevation": {Limb.PLANE: 98, Limb.ELEVATION: 150, Limb.ROTATION: 60, Limb.ELBOW: 28},
}
_CLASPED: dict[Limb, float] = {Limb.PLANE: 95, Limb.ELEVATION: 16, Limb.ROTATION: 50, Limb.ELBOW: 38}
"""Where forward elevation begins: the hands held together in front."""

_POSSIBLE_DEG = {Limb.PLANE: (-10.0, 125.0), Limb.ELEVATION: (0.0, 178.0), Limb.ELBOW: (0.0, 150.0)}
"""What a shoulder and an elbow can do."""

_EARLY = [column(side, angle) for side in (LEFT, RIGHT) for angle in (Limb.PLANE, Limb.ROTATION)]
"""Angles that choose the direction of a movement and so are reached before it has gone far."""


@dataclass(frozen=True)
class Execution:
    """How one repetition is carried out.

    Attributes:
        reach: Share of the gesture's full range.
        attempts: How often the movement starts before it arrives; 1 is one smooth movement.
        lean_deg: Trunk lean away from the moving limb at the peak.
        shrug_deg: Extra lift of the moving shoulder at the peak.
        other_side: Share of the movement that the other side joins in with.
        towards: Gesture that the movement drifts to.
        drift: How much of that gesture is in the movement, from 0 to 1.
        tremor_deg: Amplitude of a tremor of 4 to 6 Hz in the moving arm or leg.
    """

    reach: float
    lean_deg: float
    shrug_deg: float
    other_side: float
    tremor_deg: float
    attempts: int = 1
    towards: int = 0
    drift: float = 0.0


def moved_side(gesture: int) -> int | None:
    """Which side's joints a gesture moves, as the sensor names them (its view is mirrored); None for both.

    >>> GESTURES[0], moved_side(0) == RIGHT
    ('elbow_flexion_left', True)
    """
    if GESTURES[gesture].endswith("_left"):
        return RIGHT
    return LEFT if GESTURES[gesture].endswith("_right") else None


def resting(posture: str, rng: np.random.Generator) -> Float64[np.ndarray, " angles"]:
    """One person's way of standing or sitting, in degrees."""
    pose = np.zeros(ANGLES)
    pose[Trunk.BEND] = rng.normal(8, 3)
    pose[Trunk.LEAN], pose[Trunk.TWIST] = rng.normal(0, [1.5, 4.0])
    hands_on_lap = posture == "wheelchair" or (posture in SEATED and rng.random() < 0.4)
    arms_deg = {Limb.PLANE: 25.0, Limb.ELEVATION: 10.0, Limb.ROTATION: 15.0, Limb.SHRUG: 0.0, Limb.ELBOW: 12.0}
    if hands_on_lap:
        arms_deg |= {Limb.PLANE: 50.0, Limb.ELEVATION: 17.0, Limb.ROTATION: 25.0, Limb.ELBOW: 58.0}
    elif posture == "stand-frame":
        arms_deg |= {Limb.PLANE: 60.0, Limb.ELEVATION: 18.0, Limb.ELBOW: 45.0}
    legs_deg = {Limb.HIP: 3.0, Limb.ABDUCTION: 3.0, Limb.KNEE: 7.0}
    if posture in SEATED:
        legs_deg = {Limb.HIP: rng.normal(78, 5), Limb.ABDUCTION: rng.normal(9, 4), Limb.KNEE: rng.normal(82, 6)}
    spread_deg = {Limb.PLANE: 10.0, Limb.ROTATION: 8.0, Limb.ELBOW: 5.0, Limb.SHRUG: 2.0}
    for side in (LEFT, RIGHT):
        for angle, typical in {**arms_deg, **legs_deg}.items():
            pose[column(side, angle)] = typical + rng.normal(0, spread_deg.get(angle, 1.5))
    return pose


def endpoints(
    gesture: int, rest: Float64[np.ndarray, " angles"], *, seated: bool
) -> tuple[Float64[np.ndarray, " angles"], Float64[np.ndarray, " angles"]]:
    """Where a gesture begins and where it is at its peak, done fully and well, in degrees."""
    start, peak = rest.copy(), rest.copy()
    kind = GESTURES[gesture].removesuffix("_left").removesuffix("_right")
    side = moved_side(gesture)
    for moving in (LEFT, RIGHT) if side is None else (side,):
        if kind == "side_tap":
            peak[column(moving, Limb.ABDUCTION)] += 20 if seated else 23
            peak[column(moving, Limb.HIP)] += 3 if seated else 6
            peak[column(moving, Limb.KNEE)] += -14 if seated else 5
            if not seated:  # the weight goes over the other leg
                peak[column(LEFT + RIGHT - moving, Limb.ABDUCTION)] += 3
        else:
            for angle, degrees in _PEAKS[kind].items():
                peak[column(moving, angle)] = degrees
        if side is None:
            for angle, degrees in _CLASPED.items():
                start[column(moving, angle)] = degrees
    return start, peak


def poses(
    gesture: int,
    rest: Float64[np.ndarray, " angles"],
    style: Float64[np.ndarray, " angles"],
    execution: Execution,
    times_s: Float64[np.ndarray, " frames"],
    rng: np.random.Generator,
    *,
    seated: bool,
) -> Float64[np.ndarray, "frames angles"]:
    """Joint angles over time, in degrees.

    Args:
        gesture: Index into `GESTURES`.
        rest: The person's resting pose.
        style: The person's own way with this gesture: added at the peak to the angles that move.
        execution: How this repetition goes.
        times_s: When each frame is taken, from 0; the last ends the movement.
        rng: For timing, sway and tremor.
        seated: Whether hips and knees are bent.
    """
    start, peak = endpoints(gesture, rest, seated=seated)
    peak = np.where(peak != start, peak + style, peak)
    if execution.drift:
        other_start, other_peak = endpoints(execution.towards, rest, seated=seated)
        start += execution.drift * (other_start - start) * 0.5
        peak += execution.drift * (other_peak - peak)
    change = peak - start
    side = moved_side(gesture)
    if side is not None:
        own, other = (slice(column(s, Limb.PLANE), column(s, Limb.PLANE) + len(Limb)) for s in (side, 1 - side))
        change[other] += execution.other_side * change[own]
        change[Trunk.LEAN] += execution.lean_deg * (-1 if side == RIGHT else 1)
        change[column(side, Limb.SHRUG)] += execution.shrug_deg
    else:
        change[Trunk.BEND] -= execution.lean_deg / 2
    progress = course(times_s / times_s[-1], execution.attempts, rng)
    weights = np.repeat(progress[:, None] * execution.reach, ANGLES, axis=1)
    weights[:, _EARLY] = 1 - (1 - progress[:, None]) ** 4
    angles = start + weights * change
    angles[:, : len(Trunk)] += _sway(times_s, rng)
    if execution.tremor_deg:
        moving = np.flatnonzero(np.abs(change) > 3)
        phases = 2 * np.pi * (rng.uniform(4, 6) * times_s[:, None] + rng.random(len(moving)))
        angles[:, moving] += execution.tremor_deg * (0.3 + progress[:, None]) * np.sin(phases)
    for angle, (least, most) in _POSSIBLE_DEG.items():
        for limb in (LEFT, RIGHT):
            values = angles[:, column(limb, angle)]
            np.clip(values, least, most, out=values)
    return angles


def course(
    phase: Float64[np.ndarray, " frames"], attempts: int, rng: np.random.Generator
) -> Float64[np.ndarray, " frames"]:
    """How far along a movement is, from 0 at rest to 1 at the peak and back to 0.

    Each stretch is a minimum-jerk movement (Flash and Hogan, J. Neurosci. 5 (1985)).

    Args:
        phase: Time as a share of the whole, from 0 to 1.
        attempts: Stops on the way up, plus one.
        rng: For the durations of the stretches.
    """
    falters = np.sort(rng.uniform(0.15, 0.8, attempts - 1))
    up = [level for falter in falters for level in (falter, falter * rng.uniform(0.5, 1.0))]
    levels = np.array([0.0, 0.0, *up, 1.0, 1.0, 0.0, 0.0])
    stretches = rng.uniform(0.5, 1.5, len(levels) - 1) * np.array([0.2, *[0.5] * len(up), 1.0, 0.25, 1.0, 0.2])
    knots = np.concatenate([[0.0], np.cumsum(stretches)]) / stretches.sum()
    stretch = np.clip(np.searchsorted(knots, phase, side="right") - 1, 0, len(stretches) - 1)
    along = np.clip((phase - knots[stretch]) / (knots[stretch + 1] - knots[stretch]), 0, 1)
    smooth = along**3 * (10 - 15 * along + 6 * along**2)
    return levels[stretch] + (levels[stretch + 1] - levels[stretch]) * smooth


def _sway(times_s: Float64[np.ndarray, " frames"], rng: np.random.Generator) -> Float64[np.ndarray, "frames 3"]:
    """Slow movement of the trunk that nobody is without, in degrees."""
    phases = 2 * np.pi * (rng.uniform(0.1, 0.5, 3) * times_s[:, None] + rng.random(3))
    return rng.normal(0, 0.8, 3) * np.sin(phases)
