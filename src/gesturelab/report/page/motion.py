"""The motion of a recording as the player needs it: ten frames a second, whole millimetres."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int16

RATE_HZ = 10.0
"""What motion is brought to; the player draws what lies between two frames by linear interpolation."""


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
