"""Files of other programs: positions beside independent readers, units and axes that are asked for, bodies chosen."""

import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

import other_programs as written
from gesturelab.config.data import Unit, Up
from gesturelab.datasets.formats.bvh import parse_bvh
from gesturelab.datasets.formats.files import parse_frames, read_motion, to_motion
from gesturelab.datasets.formats.points import Reading
from gesturelab.errors import ConfigError, DataError, RecordingError
from gesturelab.skeletons.definition import layout, read_definition
from gesturelab.skeletons.skeleton import KINECT_V2

REAL = Path(os.environ.get("GESTURELAB_FORMATS", Path(__file__).parents[4] / "shared" / "formats"))
TENTH_OF_MM = 1e-4
PERSON = written.person()
NEEDS_EZC3D = pytest.mark.skipif(importlib.util.find_spec("ezc3d") is None, reason="ezc3d is not installed")
NEEDS_PYARROW = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")


def real(name: str) -> Path:
    if not (REAL / name).is_file():
        pytest.skip(f"{name} is not in {REAL} (set GESTURELAB_FORMATS)")
    return REAL / name


def reading(name: str = "kinect_v2", **options) -> Reading:
    return Reading(layout(name), **options)


def check_person(data: bytes, how: Reading, rate_hz: float | None) -> None:
    track = parse_frames(data, how)
    motion = to_motion(track, None if rate_hz else 30)
    assert motion.rate_hz == pytest.approx(rate_hz or 30, rel=1e-4)
    np.testing.assert_allclose(motion.positions, PERSON, atol=TENTH_OF_MM)


@pytest.mark.parametrize(
    ("data", "options", "rate_hz"),
    [
        (written.trc(PERSON), {"up": Up.y}, 60),
        (written.trc(PERSON, unit="m", rate_hz=30), {"up": Up.y}, 30),
        (written.bvh(PERSON), {"unit": Unit.cm, "up": Up.y}, 50),
        (written.ntu(PERSON), {}, None),
        (written.long_table({"a": PERSON}).to_csv(index=False).encode(), {"unit": Unit.cm, "up": Up.z}, 25),
    ],
    ids=["trc", "trc in metres", "bvh", "ntu", "long table"],
)
def test_positions_are_where_they_were(data, options, rate_hz):
    check_person(data, reading(**options), rate_hz)


@NEEDS_PYARROW
def test_a_long_table_in_parquet():
    table = written.long_table({"a": PERSON}).drop(columns=["recording", "Frame"])
    check_person(table.to_parquet(), reading(unit=Unit.cm, up=Up.z), 25)


@NEEDS_EZC3D
def test_c3d_says_unit_and_axis_and_markers_become_joints(tmp_path):
    (tmp_path / "markers.yaml").write_text(written.MARKERS)
    written.write_c3d(tmp_path / "one.c3d", PERSON)
    how = reading(str(tmp_path / "markers.yaml"))
    check_person((tmp_path / "one.c3d").read_bytes(), how, 100)
    lost = PERSON.copy()
    lost[5, 3] = np.nan
    written.write_c3d(tmp_path / "lost.c3d", lost, up="")
    with pytest.raises(DataError, match=r"lost\.c3d: C3D does not say which axis points up: set data\.up"):
        read_motion(tmp_path / "lost.c3d", how)
    with pytest.raises(DataError, match="frame 6: HeadA is missing"):
        read_motion(tmp_path / "lost.c3d", reading(str(tmp_path / "markers.yaml"), up=Up.z))
    (tmp_path / "cut.c3d").write_bytes((tmp_path / "one.c3d").read_bytes()[:1000])
    with pytest.raises(DataError, match="ezc3d cannot read it"):
        read_motion(tmp_path / "cut.c3d", how)


def test_c3d_without_ezc3d_says_what_to_install(monkeypatch):
    monkeypatch.setattr("gesturelab.datasets.formats.c3d.find_spec", lambda name: None)
    with pytest.raises(RecordingError, match=r"pip install 'gesturelab\[c3d\]'"):
        parse_frames(b"\x02\x50" + bytes(510), reading())


def bvh_oracle(path: Path) -> dict[str, np.ndarray]:
    """Positions by scipy's rotations, a joint after the other; the file's own unit."""
    head, _, motion = path.read_text().partition("MOTION")
    rows = np.array([line.split() for line in motion.splitlines()[3:] if line.strip()], dtype=float)
    places, turns, above, column = {}, {}, [], 0
    for line in head.splitlines():
        match line.split():
            case ["ROOT" | "JOINT", name]:
                parent = above[-1] if above else None
                above.append(name)
            case ["End", "Site"]:
                above.append(None)
            case ["OFFSET", *numbers] if above[-1] is not None:
                offset = np.tile(np.array(numbers, dtype=float), (len(rows), 1))
            case ["CHANNELS", _, *channels]:
                values = rows[:, column : column + len(channels)]
                column += len(channels)
                if len(channels) == 6:
                    offset = values[:, :3]
                axes = "".join(channel[0] for channel in channels[-3:])
                turn, name = Rotation.from_euler(axes, values[:, -3:], degrees=True), above[-1]
                places[name] = offset if parent is None else places[parent] + turns[parent].apply(offset)
                turns[name] = turn if parent is None else turns[parent] * turn
            case ["}"]:
                above.pop()
    return places


@pytest.mark.parametrize(
    ("name", "rate_hz", "person"),
    [("test_freebvh.bvh", 30, 176), ("test_mocapbank.bvh", 30, 168), ("AV_8Walk_Meredith_HVHA_Rep1.bvh", 120, 62)],
)
def test_real_bvh_beside_scipy(name, rate_hz, person):
    path = real(name)
    points = parse_bvh(path.read_bytes(), KINECT_V2)
    oracle = bvh_oracle(path)
    assert points.names is not None
    assert set(oracle) <= set(points.names)
    for joint, expected in oracle.items():
        np.testing.assert_allclose(points.values[:, points.names.index(joint)], expected, atol=1e-3, err_msg=joint)
    assert points.times_ms is not None
    assert 1000 / np.diff(points.times_ms).mean() == pytest.approx(rate_hz, rel=1e-3)
    assert np.ptp(points.values[..., 1]) == pytest.approx(person, abs=3), "from the floor to the top of the head"


def test_bvh_onto_the_kinect_by_its_joints(tmp_path):
    joints = {"Hips": ["SpineBase"], "Chest": ["SpineMid"], "Head": ["Head", "Neck"], "Chest2": ["SpineShoulder"]}
    for side in ("Left", "Right"):
        joints |= {f"{side}Shoulder": [f"Shoulder{side}"], f"{side}Elbow": [f"Elbow{side}"],
                   f"{side}Wrist": [f"{part}{side}" for part in ("Wrist", "Hand", "HandTip", "Thumb")],
                   f"{side}Hip": [f"Hip{side}"], f"{side}Knee": [f"Knee{side}"],
                   f"{side}Ankle": [f"Ankle{side}", f"Foot{side}"]}  # fmt: skip
    path = real("test_mocapbank.bvh")
    (tmp_path / "bank.yaml").write_text(json.dumps({"joints": "kinect_v2", "markers": joints}))
    motion = read_motion(path, reading(str(tmp_path / "bank.yaml"), unit=Unit.cm, up=Up.y))
    expected = bvh_oracle(path)["LeftKnee"] / 100
    np.testing.assert_allclose(motion.positions[:, KINECT_V2.index("KneeLeft")], expected, atol=TENTH_OF_MM)


def test_freemocap_is_refused_until_unit_and_axis_are_said():
    path, array = real("freemocap_mediapipe_body_3d_xyz.csv"), real("freemocap_mediapipe_body_3d_xyz.npy")
    name = "mediapipe_pose"
    with pytest.raises(DataError, match=r"measures 2,\d+ m .* set data\.unit \(--unit\) to mm"):
        read_motion(path, reading(name, rate_hz=30))
    with pytest.raises(DataError, match=r"does not say which axis points up: set data\.up"):
        read_motion(path, reading(name, rate_hz=30, unit=Unit.mm))
    with pytest.raises(DataError, match="say how many frames a second it has"):
        read_motion(path, reading(name, unit=Unit.mm, up=Up.z))
    how = reading(name, rate_hz=30, unit=Unit.mm, up=Up.z)
    motion = read_motion(path, how)
    table = pd.read_csv(path)
    x, y, z = (table[f"left_knee_{axis}"].to_numpy() / 1000 for axis in "xyz")
    knee = motion.positions[:, KINECT_V2.index("KneeLeft")]
    np.testing.assert_allclose(knee, np.stack([x, z, -y], axis=1), atol=TENTH_OF_MM)
    head, foot = (motion.positions[:, KINECT_V2.index(joint), 1] for joint in ("Head", "FootLeft"))
    assert 1.3 < np.median(head - foot) < 2.1, "a person who stands"
    np.testing.assert_allclose(read_motion(array, how).positions, motion.positions, atol=TENTH_OF_MM)


def test_azure_kinect_and_openpose_come_onto_the_kinect():
    azure = to_motion(parse_frames(written.azure(PERSON), reading("azure_kinect")))
    assert azure.rate_hz == pytest.approx(30, rel=1e-3)
    same = [at for at, joint in enumerate(KINECT_V2.joints) if joint != "Neck"]  # it lies between others
    turned = PERSON * [1, 1, 1]
    np.testing.assert_allclose(azure.positions[:, same], turned[:, same], atol=TENTH_OF_MM)
    openpose = parse_frames(written.openpose(PERSON), reading("openpose_25", unit=Unit.cm, up=Up.y)).positions
    for joint in ("Head", "ShoulderLeft", "WristRight", "KneeLeft", "FootRight"):
        at = KINECT_V2.index(joint)
        np.testing.assert_allclose(openpose[:, at], PERSON[:, at], atol=TENTH_OF_MM, err_msg=joint)


@pytest.mark.parametrize(
    ("data", "name", "body"),
    [
        (written.ntu(PERSON[:1].repeat(40, axis=0) + 1, PERSON), "kinect_v2", "body 72057594037920001"),
        (written.azure(PERSON[:1].repeat(40, axis=0) + 1, PERSON), "azure_kinect", "body 2"),
    ],
    ids=["ntu", "azure"],
)
def test_of_several_bodies_the_one_that_moves_most(data, name, body):
    track = parse_frames(data, reading(name))
    np.testing.assert_allclose(track.positions[:, 0], PERSON[:, 0], atol=TENTH_OF_MM)
    assert (track.bodies, track.body) == (2, f"{body}, which moves most of 2")


def test_a_gap_in_a_trc_file(tmp_path):
    gap = PERSON.copy()
    gap[7, 3] = np.nan
    with pytest.raises(RecordingError, match=r"line 14: Head is missing \(1 of 40 frames"):
        parse_frames(written.trc(gap), reading(up=Up.y))
    filled = parse_frames(written.trc(gap), reading(up=Up.y, fill_frames=1)).positions[7, 3]
    np.testing.assert_allclose(filled, (PERSON[6, 3] + PERSON[8, 3]) / 2, atol=TENTH_OF_MM)


def test_every_axis_that_may_point_up():
    x, y, z = (PERSON[..., axis] for axis in range(3))
    files = {
        Up.y: (x, y, z), Up.z: (x, -z, y), Up.x: (y, -x, z),
        Up.y_down: (-x, -y, z), Up.z_down: (x, z, -y), Up.x_down: (-y, x, z),
    }  # fmt: skip
    for up, axes in files.items():
        turned = np.stack(axes, axis=-1)
        assert np.linalg.det(np.linalg.lstsq(PERSON.reshape(-1, 3), turned.reshape(-1, 3))[0]) == pytest.approx(1)
        check_person(written.trc(turned), reading(up=up), 60)


TRC, BVH, NTU, AZURE = written.trc(PERSON), written.bvh(PERSON), written.ntu(PERSON), written.azure(PERSON)
LONG = written.long_table({"a": PERSON}).to_csv(index=False)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (TRC, {}, r"TRC does not say which axis points up: set data\.up \(--up\)"),
        (TRC.replace(b"\tmm\t", b"\tell\t"), {}, r"what its positions are in: set data\.unit .*, and which axis"),
        (TRC, {"up": Up.y, "unit": Unit.m}, r"measures 1,\d+ m .* set data\.unit \(--unit\) to mm"),
        (written.trc(PERSON, unit="m"), {"up": Up.y, "unit": Unit.mm}, r"measures 0\.00\d+ m .* to m;"),
        (TRC.replace(b"\t1700", b"\tabc", 1), {"up": Up.y}, r"line \d+: column Head Y is 'abc"),
        (TRC[:600], {"up": Up.y}, "line 4 must name|a TRC file has 5 of header"),
        (TRC.replace(b"Head\t", b"Kopf\t"), {"up": Up.y}, "lacks 1 of the 25 points of kinect_v2, such as Head"),
        (BVH, {}, r"BVH does not say what its positions are in: set data\.unit"),
        (BVH[:-40], {"up": Up.y, "unit": Unit.cm}, "it looks cut off"),
        (BVH.replace(b"CHANNELS 3", b"CHANNELS 9", 1), {}, "its HIERARCHY cannot be read near 'CHANNELS 9"),
        (NTU[:-40], {}, "frame 40: this is not a body of 25 joints"),
        (NTU + b"1\n", {}, "more follows after frame 40"),
        (NTU.replace(b"\n25\n", b"\n20\n", 1), {}, "frame 1: this is not a body of 25 joints"),
        (b"2\n0\n0\n", {}, "it holds no body"),
        (AZURE[:-9], {}, "it is not JSON"),
        (AZURE.replace(b"joint_positions", b"positions"), {}, "frame 1 lacks timestamp_usec"),
        (b'{"people": [{"pose_keypoints_2d": []}]}', {}, r"pose_keypoints_2d\) cannot be used"),
        (b'{"nothing": 1}', {}, "holds neither frames and joint_names"),
        (LONG.encode(), {}, r"long table does not say what its positions are in: set data\.unit"),
        ((LONG + LONG.splitlines()[1]).encode(), {}, r"frame \d+ holds \w+ twice"),
        (LONG.replace("X,Y,Z", "X,Y,Q").encode(), {}, "line 1 has no column SpineBase_x"),
        (written.long_table({"a": PERSON, "b": PERSON}).to_csv().encode(), {}, "2 recordings: gesturelab data convert"),
    ],
    ids=range(22),
)
def test_refused_with_what_mends_it(data, options, message):
    with pytest.raises(RecordingError, match=message):
        parse_frames(data, reading(**options))


def test_the_same_file_is_refused_in_metres_and_read_in_millimetres(tmp_path):
    np.save(tmp_path / "one.npy", 1000 * PERSON)
    with pytest.raises(DataError, match="to mm"):
        read_motion(tmp_path / "one.npy", reading(rate_hz=30))
    motion = read_motion(tmp_path / "one.npy", reading(rate_hz=30, unit=Unit.mm, up=Up.y))
    np.testing.assert_allclose(motion.positions, PERSON, atol=TENTH_OF_MM)


@pytest.mark.parametrize(
    ("markers", "message"),
    [
        ("{A: Hips, B: Nose}", "markers: 'B': there is no joint 'Nose'"),
        ("{A: Hips}", "no marker belongs to the joint HandLeft"),
        ("[A, B]", "must name the joint of each marker"),
        ("{}", "must name the joint of each marker"),
    ],
)
def test_markers_that_cannot_be_used(tmp_path, markers, message):
    file = tmp_path / "mine.yaml"
    file.write_text(f"joints: [[Hips], [HandLeft, Hips], [HandRight, Hips]]\nmarkers: {markers}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        read_definition(file)
    assert str(caught.value).startswith(str(file))
