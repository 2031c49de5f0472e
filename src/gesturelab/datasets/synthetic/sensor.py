"""What a depth camera makes of a moving body: place and view, noise, drift, lost and repeated frames."""

import numpy as np
from jaxtyping import Float64, Int64

from gesturelab.skeletons.skeleton import KINECT_V2

_NOISE_MM = {"Hand": 4.0, "HandTip": 6.0, "Thumb": 9.0, "Wrist": 3.5, "Elbow": 1.5, "Foot": 2.0, "Ankle": 1.0}
_QUIET_MM = 0.5
_NOISE_M: Float64[np.ndarray, " joints"] = 1e-3 * np.array(
    [_NOISE_MM.get(joint.removesuffix("Left").removesuffix("Right"), _QUIET_MM) for joint in KINECT_V2.joints]
)
"""Standard deviation of each joint's noise from frame to frame; on IntelliRehabDS the second differences of hands are
ten times those of the trunk."""


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
