"""What datasets of the first Kinect share: its 20 joints, and files that are one number after another."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from gesturelab.errors import RecordingError
from gesturelab.files import read_text
from gesturelab.skeletons.definition import from_plain
from gesturelab.skeletons.skeleton import Skeleton, parents_in_chains

MAX_FILE_BYTES = 2**26

_PARENTS = parents_in_chains(
    "HipCenter Spine ShoulderCenter Head",
    "ShoulderCenter Shoulder* Elbow* Wrist* Hand*",
    "HipCenter Hip* Knee* Ankle* Foot*",
)


def kinect_v1(name: str, joints: str) -> Skeleton:
    """The skeleton with its joints in a dataset's order."""
    plain: dict[str, Any] = {
        "name": name,
        "joints": [[joint, _PARENTS.get(joint, joint)] for joint in joints.split()],
        "scale_bone": ["ShoulderCenter", "HipCenter"],
        "shoulders": ["ShoulderLeft", "ShoulderRight"],
        "arms": [[f"{joint}{side}" for joint in ("Shoulder", "Elbow", "Wrist")] for side in ("Left", "Right")],
        "legs": [[f"{joint}{side}" for joint in ("Hip", "Knee", "Ankle")] for side in ("Left", "Right")],
    }
    return from_plain(plain, name)


def read_rows(path: Path, width: int) -> Float64[np.ndarray, "frames width"]:
    """The numbers of a text file, so many a frame.

    Raises:
        RecordingError: If it cannot be read, or does not hold whole frames.
    """
    try:
        numbers = np.array(read_text(path, MAX_FILE_BYTES).split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise RecordingError(f"it cannot be read: {error}") from error
    if len(numbers) == 0 or len(numbers) % width:
        raise RecordingError(f"it holds {len(numbers)} numbers; a frame has {width}")
    return numbers.reshape(-1, width)
