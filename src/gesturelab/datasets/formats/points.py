"""What files of any form hold before a skeleton is asked for, and how they are to be read."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from gesturelab.config.data import Unit, Up
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout

UNITS_M = {Unit.m: 1.0, Unit.cm: 0.01, Unit.mm: 0.001, Unit.inch: 0.0254}
"""How many metres each unit has."""

_UNIT_WORDS = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), Unit.m),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), Unit.cm),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), Unit.mm),
    **dict.fromkeys(("in", "inch", "inches"), Unit.inch),
}

MAX_POINTS = 20_000_000
"""Points times frames; more are refused before memory is taken for them."""


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes:
        layout: Whose joints they must have. Those of a tracker or a marker set (`gesturelab.skeletons.landmarks`) are
            brought onto its skeleton.
        rate_hz: Frames a second: files without times are taken to have it, files with times are brought to it. None
            leaves files with times their own (median) rate, and refuses those without.
        fill_frames: A joint that is missing for at most so many frames is put between the frames where it is seen.
        zero_is_missing: Whether a joint at exactly 0, 0, 0 was lost by its sensor: it is put between the frames where
            it is seen (of OpenPose and of markers it counts as missing). False: it is where it says.
        unit: What positions are in; None: as the file or its form says.
        up: Which axis points up; None: as the file or its form says.
    """

    layout: Layout
    rate_hz: float | None = None
    fill_frames: int = 0
    zero_is_missing: bool = True
    unit: Unit | None = None
    up: Up | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """What a file holds, in its own unit and axes.

    Attributes:
        form: What the file is, for messages.
        values: Positions, NaN where one is missing (or lies beyond every number of 32 bits).
        names: Of the points; None: they are those of the skeleton asked for, in its order.
        times_ms: When each frame was taken, if the file says so.
        unit: What the file or its form says positions are in.
        up: Which axis it says points up.
        documented: Positions are in metres and as the skeleton says (y up) unless somebody says otherwise: the form is
            gesturelab's own.
        counted: What errors count: line or frame.
        first: The number of the first frame, counted so.
        bodies: How many bodies the file holds.
        body: Which of them these are, where there are several.
    """

    form: str
    values: Float64[np.ndarray, "frames points 3"]
    names: tuple[str, ...] | None = None
    times_ms: Float64[np.ndarray, " frames"] | None = None
    unit: Unit | None = None
    up: Up | None = None
    documented: bool = False
    counted: str = "frame"
    first: int = 1
    bodies: int = 1
    body: str = ""

    def __post_init__(self) -> None:
        beyond = ~(np.abs(self.values) < np.finfo(np.float32).max)
        if beyond.any():
            object.__setattr__(self, "values", np.where(beyond, np.nan, self.values))


def read_unit(text: str) -> Unit | None:
    """The unit that a file names; None if it is none that is known.

    >>> read_unit(" MM")
    <Unit.mm: 'mm'>
    """
    return _UNIT_WORDS.get(text.strip().lower())


def refuse_too_many(frames: int, points: int) -> None:
    """Refuses what would take too much memory.

    Raises:
        RecordingError: If there are no frames or points, or too many.
    """
    if frames < 1 or points < 1:
        raise RecordingError("it holds no frames" if frames < 1 else "it holds no points")
    if frames * points > MAX_POINTS:
        raise RecordingError(f"it holds {frames:,} frames of {points:,} points: too many to be a recording of a person")


def choose_body(
    form: str,
    bodies: Mapping[str, Mapping[int, Float64[np.ndarray, "points 3"]]],
    names: tuple[str, ...] | None,
    times_ms: Float64[np.ndarray, " all_frames"] | None = None,
    unit: Unit | None = None,
    up: Up | None = None,
) -> Points:
    """The body whose points travel the longest way, from the first frame in which it is seen to the last.

    Args:
        form: As for `Points`, as the others.
        bodies: Of each body the positions in each frame in which it is seen, frames counted from 0 in order.
        names: As there.
        times_ms: When each of all frames was taken.
        unit: As there.
        up: As there.

    Raises:
        RecordingError: If there is no body, or it is seen in few of too many frames.
    """
    if not bodies:
        raise RecordingError("it holds no body: the sensor saw nobody")
    ways = {name: _way(np.stack(list(frames.values()))) for name, frames in bodies.items()}
    name = max(ways, key=lambda each: ways[each])
    numbers, seen = np.array(list(bodies[name])), np.stack(list(bodies[name].values()))
    start, end = int(numbers[0]), int(numbers[-1]) + 1
    refuse_too_many(end - start, seen.shape[1])
    values = np.full((end - start, *seen.shape[1:]), np.nan)
    values[numbers - start] = seen
    times_ms = None if times_ms is None else times_ms[start:end]
    body = f"{name}, which moves most of {len(bodies)}" if len(bodies) > 1 else ""
    return Points(form, values, names, times_ms, unit, up, first=start + 1, bodies=len(bodies), body=body)


def _way(values: Float64[np.ndarray, "frames points 3"]) -> float:
    bounded = np.where(np.abs(values) < 1e6, values, np.nan)
    return float(np.nansum(np.linalg.norm(np.diff(bounded, axis=0), axis=2)))
