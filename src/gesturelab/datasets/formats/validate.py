"""Whether the positions that a file holds can be used: nothing missing, nothing impossible."""

import numpy as np
from jaxtyping import Bool, Float32, Float64

from gesturelab.datasets.recording import IMPOSSIBLE_M
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import Layout
from gesturelab.skeletons.skeleton import Skeleton


def validate(
    values: Float64[np.ndarray, "frames landmarks 3"],
    skeleton: Layout,
    unit: str,
    first: int,
    fill_frames: int = 0,
    zero_is_missing: bool = True,
) -> tuple[Float32[np.ndarray, "frames joints 3"], Bool[np.ndarray, "frames landmarks"]]:
    """Positions, once nothing in them is missing or impossible; and which were lost, so that they were filled in.

    Args:
        values: Metres; NaN where a joint is missing.
        skeleton: Whose joints they are.
        unit: What errors count: line or frame.
        first: The number of the first frame, counted so.
        fill_frames: As for `read_motion`.
        zero_is_missing: As there.

    Raises:
        RecordingError: Naming the frame and the joint.
    """
    lost: Bool[np.ndarray, "frames landmarks"] = np.asarray((values == 0).all(axis=2)) & zero_is_missing
    if isinstance(skeleton, Skeleton):
        values, lost = _fill_lost(values, lost)
    elif skeleton.zero_is_missing:
        values = np.where(lost[..., None], np.nan, values)
    else:
        lost = np.zeros_like(lost)
    missing: Bool[np.ndarray, "frames landmarks"] = np.asarray(np.isnan(values).any(axis=2))
    if missing.any():
        values, missing = _fill(values, missing, fill_frames)
    if missing.any():
        frame, joint = (int(index) for index in np.argwhere(missing)[0])
        frames, joints = np.count_nonzero(missing.any(axis=1)), np.count_nonzero(missing.any(axis=0))
        raise RecordingError(
            f"{unit} {frame + first}: {skeleton.joints[joint]} is missing ({frames} of {len(values)} frames lack "
            f"a joint, {joints} of {len(skeleton.joints)} joints lack a frame)"
        )
    far = np.abs(values) > IMPOSSIBLE_M
    if far.any():
        frame, joint, axis = (int(index) for index in np.argwhere(far)[0])
        typical = float(np.median(np.abs(values).max(axis=(1, 2))))
        unlike = "" if typical <= IMPOSSIBLE_M else _advice(typical)
        raise RecordingError(
            f"{unit} {frame + first}: {'xyz'[axis]} of {skeleton.joints[joint]} is {values[frame, joint, axis]:.4g}, "
            f"but at most {IMPOSSIBLE_M:g} m are possible{unlike}"
        )
    if not isinstance(skeleton, Skeleton):
        values = skeleton.onto_skeleton(values)
    return values.astype(np.float32), lost


def _advice(typical: float) -> str:
    looks, factor = ("millimetres", 1000) if typical > 500 else ("centimetres", 100)
    return f"; positions must be in metres, and these look like {looks} (divide by {factor}) or pixels"


def _fill_lost(
    values: Float64[np.ndarray, "frames joints 3"], lost: Bool[np.ndarray, "frames joints"]
) -> tuple[Float64[np.ndarray, "frames joints 3"], Bool[np.ndarray, "frames joints"]]:
    """Lost joints put between the frames where they are seen, held at the ends.

    A joint that is at 0, 0, 0 throughout was not lost: positions are measured from it.

    Raises:
        RecordingError: If no joint is ever anywhere else.
    """
    if not lost.any():
        return values, lost
    if lost.all():
        raise RecordingError("every joint is at exactly 0, 0, 0 in every frame: the sensor saw nobody")
    values, lost = values.copy(), lost & ~lost.all(axis=0)
    for joint in np.flatnonzero(lost.any(axis=0)):
        seen, gaps = (
            np.flatnonzero(~lost[:, joint] & np.isfinite(values[:, joint]).all(axis=1)),
            np.flatnonzero(lost[:, joint]),
        )
        if not len(seen):
            continue
        for axis in range(3):
            values[gaps, joint, axis] = np.interp(gaps, seen, values[seen, joint, axis])
    return values, lost


def _fill(
    values: Float64[np.ndarray, "frames landmarks 3"], missing: Bool[np.ndarray, "frames landmarks"], longest: int
) -> tuple[Float64[np.ndarray, "frames landmarks 3"], Bool[np.ndarray, "frames landmarks"]]:
    """Short gaps filled in linearly, where the joint is seen before and after."""
    values, missing = values.copy(), missing.copy()
    for joint in np.flatnonzero(missing.any(axis=0)):
        seen, lost = np.flatnonzero(~missing[:, joint]), np.flatnonzero(missing[:, joint])
        after = np.searchsorted(seen, lost)
        between = (after > 0) & (after < len(seen))
        lost, after = lost[between], after[between]
        short = lost[seen[after] - seen[after - 1] <= longest + 1]
        if not len(short):
            continue
        for axis in range(3):
            values[short, joint, axis] = np.interp(short, seen, values[seen, joint, axis])
        missing[short, joint] = False
    return values, missing
