"""IntelliRehabDS files, made up, with answers that can be worked out by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gesturelab.config.data import Form, IrdsConfig, Target
from gesturelab.skeletons.skeleton import KINECT_V2

JOINTS = len(KINECT_V2.joints)


def standing(frames: int, joint: str = "WristRight", seed: int = 0) -> np.ndarray:
    """Joint j stands at (j / 10, 1, 2) m and one joint rises 2 cm a frame; a little noise makes each file its own."""
    positions = np.tile(np.array([0.0, 1.0, 2.0]), (frames, JOINTS, 1))
    positions[:, :, 0] = np.arange(JOINTS) / 10
    positions += np.random.default_rng(seed).normal(0, 1e-4, positions.shape)
    positions[:, KINECT_V2.index(joint), 1] += 0.02 * np.arange(frames)
    return positions.round(6)


def simplified(positions: np.ndarray) -> bytes:
    return "".join(",".join(map(str, frame.ravel().tolist())) + "\n" for frame in positions).encode()


def raw_line(
    number: int, time_ms: int, frame: np.ndarray, *, body: int = 4, lost: Sequence[int] = (), ending: str = "\r\n"
) -> bytes:
    joints = [
        f"({name},NotTracked,0,0,0,-\u221e,-\u221e)"
        if joint in lost
        else f"({name},{'Inferred' if joint % 5 == 4 else 'Tracked'},{x},{y},{z},200.5,100.25)"
        for joint, (name, (x, y, z)) in enumerate(zip(KINECT_V2.joints, frame.tolist(), strict=True))
    ]
    return (",".join([str(number), str(body), str(time_ms), *joints]) + ending).encode()


def raw(positions: np.ndarray, times_ms: Sequence[int]) -> bytes:
    lines = [raw_line(100 + i, time, frame) for i, (time, frame) in enumerate(zip(times_ms, positions, strict=True))]
    return b"Version0.1\r\n" + b"".join(lines)


def config(root: Path, form: Form = Form.simplified, **changes: object) -> IrdsConfig:
    values = {
        "rate_hz": 30.0,
        "target": Target.gesture,
        "gestures": None,
        "correctness": [1, 2],
        "subjects": None,
        "postures": None,
        "max_files": None,
        "strict": False,
        "cache_dir": None,
        "root": str(root),
        "form": form,
    }
    return IrdsConfig(**(values | changes))
