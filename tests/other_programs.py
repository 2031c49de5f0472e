"""Recordings as other programs write them, made from the made-up people of gesturelab: by hand, or by ezc3d."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from gesturelab.skeletons.landmarks import AZURE_KINECT, OPENPOSE_25
from gesturelab.skeletons.skeleton import KINECT_V2

JOINTS = KINECT_V2.joints


def person(frames: int = 40, seed: int = 0) -> np.ndarray:
    """Somebody 1.7 m tall, metres, y up, who waves with an arm: (frames, 25, 3)."""
    heights = {"Head": 1.7, "Neck": 1.5, "SpineShoulder": 1.4, "SpineMid": 1.15, "SpineBase": 0.9}
    limbs = {"Shoulder": (0.2, 1.4), "Elbow": (0.25, 1.1), "Wrist": (0.27, 0.9), "Hand": (0.27, 0.8),
             "HandTip": (0.27, 0.7), "Thumb": (0.22, 0.8), "Hip": (0.1, 0.9), "Knee": (0.1, 0.5),
             "Ankle": (0.1, 0.1), "Foot": (0.12, 0.02)}  # fmt: skip
    places = {joint: (0.0, height) for joint, height in heights.items()}
    places |= {f"{limb}Left": (-x, y) for limb, (x, y) in limbs.items()}
    places |= {f"{limb}Right": (x, y) for limb, (x, y) in limbs.items()}
    still = np.array([(*places[joint], 2.0) for joint in JOINTS])
    poses = np.tile(still, (frames, 1, 1)) + np.random.default_rng(seed).normal(0, 0.002, (frames, 25, 3))
    wave = 0.3 * np.sin(np.arange(frames) / 4)
    for joint in ("ElbowRight", "WristRight", "HandRight", "HandTipRight", "ThumbRight"):
        poses[:, JOINTS.index(joint), :2] += np.stack([wave, np.abs(wave)], axis=1)
    return poses


def trc(poses: np.ndarray, rate_hz: float = 60.0, unit: str = "mm") -> bytes:
    """Millimetres (or what the unit is), y up; a marker a joint. Empty cells where a position is NaN."""
    factor = {"mm": 1000.0, "m": 1.0}[unit]
    head = [
        "PathFileType\t4\t(X/Y/Z)\tone.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate_hz}\t{rate_hz}\t{len(poses)}\t25\t{unit}\t{rate_hz}\t1\t{len(poses)}",
        "Frame#\tTime\t" + "\t\t\t".join(JOINTS) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{number}" for number in range(1, 26) for axis in "XYZ"),
        "",
    ]
    rows = [
        [str(frame + 1), f"{frame / rate_hz:.6f}", *("" if np.isnan(v) else f"{v:.5f}" for v in pose.ravel() * factor)]
        for frame, pose in enumerate(poses)
    ]
    return "\n".join([*head, *("\t".join(row) for row in rows)]).encode() + b"\n"


def ntu(*bodies: np.ndarray) -> bytes:
    """Bodies of a Kinect v2, in metres, y up."""
    lines = [str(len(bodies[0]))]
    for frame in range(len(bodies[0])):
        lines.append(str(len(bodies)))
        for number, poses in enumerate(bodies):
            lines += [f"7205759403792{number:04d} 0 1 1 1 1 0 0.02 -0.3 2", "25"]
            rest = "250.1 190.2 930.5 500.4 -0.2 0.1 0.98 0.02 2"  # pixels, turns, tracked
            lines += [f"{x:.6f} {y:.6f} {z:.6f} {rest}" for x, y, z in poses[frame]]
    return "\n".join(lines).encode() + b"\n"


def azure(*bodies: np.ndarray, rate_hz: float = 30.0) -> bytes:
    """Millimetres, y down; joints that the Kinect v2 has, others somewhere."""
    names = {"PELVIS": "SpineBase", "SPINE_NAVEL": "SpineMid", "NECK": "SpineShoulder"}
    names |= {"EAR_LEFT": "Head", "EAR_RIGHT": "Head"}
    for joint in JOINTS:
        for side in ("Left", "Right"):
            if joint.endswith(side):
                names[f"{joint.removesuffix(side).upper()}_{side.upper()}"] = joint
    order = [JOINTS.index(names.get(name, "Neck")) for name in AZURE_KINECT.joints]
    frames = [
        {
            "timestamp_usec": round(1e6 * frame / rate_hz),
            "frame_id": frame,
            "num_bodies": len(bodies),
            "bodies": [
                {"body_id": number + 1, "joint_positions": (poses[frame, order] * [-1000, -1000, 1000]).tolist()}
                for number, poses in enumerate(bodies)
            ],
        }
        for frame in range(len(bodies[0]))
    ]
    return json.dumps({"joint_names": list(AZURE_KINECT.joints), "bone_list": [], "frames": frames}).encode()


def openpose(poses: np.ndarray) -> bytes:
    """Centimetres, y up; an object a frame, one after another, as of `cat *_keypoints.json`."""
    sides = {"L": "Left", "R": "Right"}
    order: list[int] = []
    for name in OPENPOSE_25.joints:
        joint = f"{name[1:]}{sides.get(name[0], '')}" if name != "MidHip" else "SpineBase"
        order.append(JOINTS.index(joint if joint in JOINTS else "FootLeft" if "Toe" in name and name[0] == "L"
                                  else "FootRight" if "Toe" in name else "Head"))  # fmt: skip
    frames = [[value for x in pose[order] for value in (*(100 * x).tolist(), 0.9)] for pose in poses]
    people = [{"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_3d": each}]} for each in frames]
    return b"\n".join(json.dumps(each).encode() for each in people)


def long_table(recordings: dict[str, np.ndarray], rate_hz: float = 25.0) -> pd.DataFrame:
    """Centimetres, z up; lines in no order."""
    rows = [
        (name, frame, frame / rate_hz, joint, 100 * x, -100 * z, 100 * y)
        for name, poses in recordings.items()
        for frame, pose in enumerate(poses)
        for joint, (x, y, z) in zip(JOINTS, pose.tolist(), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["recording", "Frame", "time", "joint", "X", "Y", "Z"])
    return table.sample(frac=1, random_state=0)


def write_c3d(path: Path, poses: np.ndarray, rate_hz: float = 100.0, up: str = "+Z") -> None:
    """Millimetres, z up, by ezc3d; two markers around each joint, one lost where a position is NaN."""
    import ezc3d

    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [rate_hz]
    content["parameters"]["POINT"]["LABELS"]["value"] = [f"{joint}{end}" for joint in JOINTS for end in "AB"]
    content["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    content.add_parameter("POINT", "X_SCREEN", "+X")
    if up:
        content.add_parameter("POINT", "Y_SCREEN", up)
    turned = np.stack([poses[..., 0], -poses[..., 2], poses[..., 1]], axis=-1) * 1000
    around = np.stack([turned - (10, 0, 20), np.add(turned, (10, 0, 20))], axis=2).reshape(len(poses), -1, 3)
    content["data"]["points"] = np.concatenate([around.transpose(2, 1, 0), np.ones((1, 50, len(poses)))])
    content.write(str(path))


MARKERS = "joints: kinect_v2\nmarkers:\n" + "".join(f"  {joint}{end}: {joint}\n" for joint in JOINTS for end in "AB")
"""A skeleton for `write_c3d`."""


def bvh(poses: np.ndarray, rate_hz: float = 50.0) -> bytes:
    """Centimetres, y up; each joint moves where it is seen from its parent, and none turns."""
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(KINECT_V2.parents):
        children.setdefault(parent if parent != joint else -1, []).append(joint)
    order: list[int] = []

    def lines_of(joint: int) -> list[str]:
        order.append(joint)
        kind = "ROOT" if KINECT_V2.parents[joint] == joint else "JOINT"
        inner = [line for child in children.get(joint, []) for line in lines_of(child)]
        if not inner:
            inner = ["End Site", "{", "OFFSET 0 3 0", "}"]
        return [f"{kind} {JOINTS[joint]}", "{", "OFFSET 0.0 0.0 0.0", "CHANNELS 3 Xposition Yposition Zposition",
                *inner, "}"]  # fmt: skip

    hierarchy = lines_of(KINECT_V2.root)
    parents = np.array(KINECT_V2.parents)
    local = 100 * (poses - np.where((parents == np.arange(25))[:, None], 0, poses[:, parents]))
    rows = [" ".join(f"{value:.6f}" for value in pose[order].ravel()) for pose in local]
    motion = ["MOTION", f"Frames: {len(poses)}", f"Frame Time: {1 / rate_hz:.7f}", *rows]
    return "\n".join(["HIERARCHY", *hierarchy, *motion]).encode() + b"\n"
