"""Bodies in JSON: Azure Kinect's body tracking (``frames`` and ``joint_names``), and OpenPose-like ``people``.

Azure Kinect: millimetres, y down, with times. OpenPose: ``pose_keypoints_3d`` of each of the ``people``, x, y, z and
confidence of each point; one object a frame, as a list or one after another (``cat *_keypoints.json``); it says neither
unit, axes nor times.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from gesturelab.config.data import Unit, Up
from gesturelab.datasets.formats.points import Points, choose_body
from gesturelab.errors import RecordingError
from gesturelab.skeletons.landmarks import OPENPOSE_25, Layout


def parse_json(data: bytes, layout: Layout) -> Points:
    """The points of the body that moves most.

    Raises:
        RecordingError: Naming the frame.
    """
    del layout
    values = _read_values(data)
    first = cast(dict[str, Any], values[0]) if isinstance(values[0], dict) else {}
    if "frames" in first and "joint_names" in first:
        return _read_azure(first)
    if "people" in first:
        return _read_openpose(values)
    raise RecordingError("its JSON holds neither frames and joint_names (Azure Kinect) nor people (OpenPose)")


def _read_values(data: bytes) -> list[Any]:
    """The values that follow each other, or those of one list."""
    values: list[Any] = []
    try:
        text = data.decode("utf-8").strip()
        decoder, at = json.JSONDecoder(), 0
        while at < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            at += len(text[at : at + 64]) - len(text[at : at + 64].lstrip(", \r\n\t"))
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"it is not JSON: {error}") from None
    if len(values) == 1 and isinstance(values[0], list):
        values = cast(list[Any], values[0])
    return values or [None]


def _read_azure(content: Mapping[str, Any]) -> Points:
    times: list[float] = []
    bodies: dict[str, dict[int, np.ndarray]] = {}
    frame = 0
    try:
        names = tuple(str(name) for name in content["joint_names"])
        for frame, each in enumerate(content["frames"]):
            times.append(float(each["timestamp_usec"]) / 1000)
            for body in each["bodies"]:
                points = np.array(body["joint_positions"], dtype=np.float64)
                if points.shape != (len(names), 3):
                    raise ValueError
                bodies.setdefault(f"body {int(body['body_id'])}", {})[frame] = points
    except (KeyError, TypeError, ValueError, OverflowError):
        raise RecordingError(
            f"frame {frame + 1} lacks timestamp_usec, or bodies with body_id and the joint_positions of each joint"
        ) from None
    if not np.isfinite(times).all():
        raise RecordingError("its times are no numbers")
    return choose_body("Azure Kinect", bodies, names, np.array(times), Unit.mm, Up.y_down)


def _read_openpose(values: list[Any]) -> Points:
    bodies: dict[str, dict[int, np.ndarray]] = {}
    count, frame = 0, 0
    try:
        for frame, each in enumerate(values):
            for number, person in enumerate(each["people"]):
                points = np.array(person["pose_keypoints_3d"], dtype=np.float64).reshape(-1, 4)
                count = count or len(points)
                if len(points) not in (0, count):
                    raise ValueError
                if len(points):
                    name = np.ravel(person.get("person_id", -1))[0]
                    seen = np.where(points[:, 3:] > 0, points[:, :3], np.nan)
                    bodies.setdefault(f"person {number if name == -1 else int(name)}", {})[frame] = seen
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, AttributeError):
        raise RecordingError(
            f"frame {frame + 1}: people must have pose_keypoints_3d, x, y, z and confidence of each point; points in "
            "a picture (pose_keypoints_2d) cannot be used"
        ) from None
    return choose_body("OpenPose", bodies, OPENPOSE_25.joints if count == len(OPENPOSE_25.joints) else None)
