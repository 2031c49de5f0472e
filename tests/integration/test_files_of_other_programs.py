"""Files of other programs as a user has them: checked, trained on, predicted, replayed, converted."""

import importlib.util
import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import other_programs as written
from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.datasets.load import load
from gesturelab.datasets.quality import check_folder
from gesturelab.errors import DataError
from gesturelab.predict.answers import find_sources
from gesturelab.runs.folder import RunDir
from gesturelab.skeletons.skeleton import KINECT_V2
from trained import train_small

PEOPLE, GESTURES = ("anna", "bo", "cleo"), ("wave_left", "wave_right")
MIRRORED = np.array(KINECT_V2.mirrored)


def recordings() -> dict[str, np.ndarray]:
    """Three people wave with each arm, twice."""
    poses = {}
    for number, person in enumerate(PEOPLE):
        for repetition in (1, 2):
            right = written.person(frames=36, seed=10 * number + repetition)
            poses[f"{person}_wave_right_{repetition}"] = right
            poses[f"{person}_wave_left_{repetition}"] = right[:, MIRRORED] * [-1, 1, 1]
    return poses


RECORDINGS = recordings()


def write_folder(folder: Path, ending: str, write: Callable[[np.ndarray], bytes]) -> Path:
    folder.mkdir()
    for name, poses in RECORDINGS.items():
        (folder / f"{name}{ending}").write_bytes(write(poses))
    return folder


def write_labels(folder: Path) -> None:
    rows = ["file,subject,gesture"]
    rows += [f"{file.name},{file.stem.split('_')[0]},{file.stem.split('_', 1)[1][:-2]}" for file in folder.iterdir()]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of TRC and NTU files, as they are."""
    folder = tmp_path_factory.mktemp("mixed") / "mine"
    folder.mkdir()
    for number, (name, poses) in enumerate(RECORDINGS.items()):
        ending, write = ((".trc", written.trc), (".skeleton", written.ntu))[number % 2]
        (folder / f"{name}{ending}").write_bytes(write(poses))
    write_labels(folder)
    return folder


@pytest.fixture(scope="module")
def trained(mixed: Path) -> RunDir:
    """A model that learned from those files."""
    data = ("data=folder", f"data.root={mixed}", "data.up=y", f"data.cache_dir={mixed.parent / 'cache'}")
    return train_small(mixed.parent / "run", *data, "window=sliding", "model.hidden=8", "trainer.batches_per_epoch=1")


def test_a_folder_is_checked_and_trained_on_as_it_is(mixed: Path, trained: RunDir):
    report = check_folder(mixed, skeleton="kinect_v2", rate_hz=30)
    assert {each.defect for each in report.findings} == {"unreadable"}
    assert all("set data.up (--up)" in each.detail for each in report.of("unreadable"))
    dataset = load(compose(["data=folder", f"data.root={mixed}", "data.up=y", "data.cache_dir=null"]).data)
    assert len(dataset) == len(RECORDINGS)
    for number in range(len(dataset)):
        read = dataset[number]
        frames = RECORDINGS[read.name] if len(read.positions) == 36 else RECORDINGS[read.name][::2]  # 60 Hz to 30 Hz
        np.testing.assert_allclose(read.positions, frames, atol=1e-4)
    assert trained.info.exists()


FILES = {
    "trc": (written.trc, ["--up", "y"]),
    "bvh": (written.bvh, ["--unit", "cm", "--up", "y"]),
    "skeleton": (written.ntu, []),
    "azure.json": (written.azure, ["--skeleton", "azure_kinect"]),
    "openpose.json": (written.openpose, ["--skeleton", "openpose_25", "--unit", "cm", "--up", "y"]),
    "long.csv": (
        lambda poses: written.long_table({"one": poses}).to_csv(index=False).encode(),
        ["--unit", "cm", "--up", "z"],
    ),
}


@pytest.mark.parametrize("ending", FILES)
def test_each_form_is_predicted_and_replayed(trained: RunDir, tmp_path: Path, ending: str, capsys):
    write, options = FILES[ending]
    file = tmp_path / f"one.{ending}"
    file.write_bytes(write(RECORDINGS["anna_wave_left_1"]))
    assert main(["predict", str(trained.path), str(file), *options, "--jsonl", "-"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[0])
    assert answer["label"] in GESTURES
    assert main(["stream", str(trained.path), "--replay", str(file), *options, "--speed", "0", "--no-segments"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1])["label"] in GESTURES


def test_c3d_is_predicted_and_replayed(trained: RunDir, tmp_path: Path, capsys):
    if importlib.util.find_spec("ezc3d") is None:
        pytest.skip("ezc3d is not installed")
    (tmp_path / "markers.yaml").write_text(written.MARKERS)
    written.write_c3d(tmp_path / "one.c3d", RECORDINGS["anna_wave_left_1"])
    words = [str(tmp_path / "one.c3d"), "--skeleton", str(tmp_path / "markers.yaml")]
    assert main(["predict", str(trained.path), *words, "--jsonl", "-"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["label"] in GESTURES
    assert main(["stream", str(trained.path), "--replay", *words, "--speed", "0", "--no-segments"]) == 0


PATTERN = "{subject}_{gesture}_{repetition}"


def check_converted(out: Path, form: str) -> list[dict]:
    """What was decided; the folder holds what was read."""
    labels = pd.read_csv(out / "labels.csv")
    assert list(labels.columns) == ["file", "subject", "gesture"]
    assert set(labels["subject"]) == set(PEOPLE)
    assert set(labels["gesture"]) == set(GESTURES)
    decided = json.loads((out / "converted.json").read_text())
    assert {each["form"] for each in decided} == {form}
    report = check_folder(out, skeleton="kinect_v2", rate_hz=30)
    assert not report.of("unreadable")
    for name, poses in RECORDINGS.items():
        written_to = pd.read_csv(out / f"{name}.csv")
        np.testing.assert_allclose(written_to["WristLeft_y"], poses[:, 6, 1], atol=1e-4)
    return decided


@pytest.mark.parametrize(
    ("ending", "form", "options", "decisions"),
    [
        (".trc", "TRC", ["--up", "y"], ("mm (the file or its form)", "y (as you say)", 60)),
        (".skeleton", "NTU RGB+D", ["--rate-hz", "30"], ("m (the file or its form)", "y (the file or its form)", 30)),
        (".bvh", "BVH", ["--unit", "cm", "--up", "y"], ("cm (as you say)", "y (as you say)", 50)),
    ],
)
def test_a_folder_is_converted_with_labels_from_its_names(tmp_path: Path, ending, form, options, decisions, capsys):
    source = write_folder(tmp_path / "source", ending, FILES[ending[1:]][0])
    out = tmp_path / "out"
    assert main(["data", "convert", str(source), str(out), "--pattern", PATTERN, *options]) == 0
    decided = check_converted(out, form)
    assert {(each["unit"], each["up"], round(each["rate_hz"])) for each in decided} == {decisions}
    printed = capsys.readouterr().out
    assert f"12 of {form}: unit {decisions[0]}, up {decisions[1]}, {decisions[2]}" in printed
    assert f"data.root={out}" in printed
    assert main(["data", "convert", str(source), str(out), "--pattern", PATTERN, *options]) == 1, "it is not empty"


def test_the_commands_of_the_manual(tmp_path: Path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs/guide/own-recordings.md").read_text("utf-8")
    convert, check, train = (
        shlex.split(line)[2:] for line in page.splitlines() if "converted" in line and line[0] == "$"
    )
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "trc_files", ".trc", written.trc)
    assert main(convert) == 0
    assert main(check) == 0
    assert "12 recordings" in capsys.readouterr().out
    assert len(load(compose([*train[1:], "data.cache_dir=null"]).data)) == 12


def test_a_long_table_of_many_recordings_is_converted_and_trained_on(tmp_path: Path):
    file, out = tmp_path / "all.csv", tmp_path / "out"
    written.long_table(RECORDINGS).to_csv(file, index=False)
    words = ["data", "convert", str(file), str(out), "--unit", "cm", "--up", "z"]
    assert main([*words, "--pattern", PATTERN]) == 0
    check_converted(out, "long table")
    data = ("data=folder", f"data.root={out}", f"data.cache_dir={tmp_path / 'cache'}")
    assert train_small(tmp_path / "run", *data, "model=minirocket", "model.outputs=84").info.exists()


def test_what_cannot_be_converted_writes_nothing_or_is_named(tmp_path: Path, capsys):
    source = write_folder(tmp_path / "source", ".skeleton", written.ntu)
    words = ["data", "convert", str(source), str(tmp_path / "out")]
    for options, message in (
        ([], "has no labels.csv: say what names of files mean"),
        (["--pattern", "{subject}_{movement}"], "must hold {subject} and {gesture}"),
        (["--pattern", "{subject}-{gesture}"], "does not match --pattern"),
        (["--pattern", "{subject}{gesture}"], "in several ways"),
        (
            ["--pattern", "{subject}_{other}_{correctness}_{gesture}", "--rate-hz", "30"],
            "line 2 (anna_wave_left_1): correc",
        ),
        (["--pattern", PATTERN], "carries no times: say how many frames a second it has (--rate-hz)"),
    ):
        assert main([*words, *options]) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
        assert {path.name for path in tmp_path.iterdir()} == {"source"}, "nothing half-written"
    (source / "anna_wave_left_1.skeleton").write_bytes(b"2\n0\n0\n")
    assert main([*words, "--pattern", PATTERN, "--rate-hz", "30"]) == 1
    errors = capsys.readouterr().err
    assert "anna_wave_left_1.skeleton: it holds no body" in errors
    assert "1 of 12 were left out" in errors
    assert len(pd.read_csv(tmp_path / "out" / "labels.csv")) == 11


def test_frames_of_openpose_in_files_of_their_own_are_one_recording(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    for number, frame in enumerate(written.openpose(RECORDINGS["bo_wave_left_1"]).splitlines()):
        (source / f"bo_wave_left_1_{number:012d}_keypoints.json").write_bytes(frame)
    out = tmp_path / "out"
    words = ["--skeleton", "openpose_25", "--unit", "cm", "--up", "y", "--rate-hz", "30", "--pattern", PATTERN]
    with pytest.raises(DataError, match="data convert makes one recording of them"):
        find_sources([str(source)])
    assert main(["data", "convert", str(source), str(out), *words]) == 0
    table = pd.read_csv(out / "bo_wave_left_1.csv")
    np.testing.assert_allclose(table["WristLeft_y"], RECORDINGS["bo_wave_left_1"][:, 6, 1], atol=1e-4)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Two recordings with their table, and what gesturelab writes beside recordings."""
    source = tmp_path / "few"
    source.mkdir()
    for name in ("anna_wave_1.5", "bo_wave_2"):
        np.save(source / f"{name}.npy", RECORDINGS["anna_wave_left_1"])
    (source / "labels.csv").write_text("file,subject,gesture\nanna_wave_1.5.npy,anna,wave\nbo_wave_2.npy,bo,wave\n")
    (source / "MADE_UP.txt").write_text("made up")
    for name in ("converted.json", "croissant.json"):
        (source / name).write_text("[]")
    return source


def convert(source: Path, out: Path, *options: str) -> int:
    return main(["data", "convert", str(source), str(out), "--rate-hz", "30", *options])


def test_only_recordings_are_converted_and_the_mark_of_made_up_ones_stays(few: Path, capsys):
    out, again = few / "out é's", few.parent / "again"
    assert convert(few, out, "--pattern", "{subject}_{gesture}_{rate_hz}") == 0
    assert list(pd.read_csv(out / "labels.csv")["rate_hz"]) == [1.5, 2]
    assert (out / "MADE_UP.txt").read_text() == "made up"
    train = shlex.split(capsys.readouterr().out.partition("Use them: gesturelab train ")[2])
    assert compose(train).data.root == str(out)
    (few / "labels.csv").write_text("file,subject,gesture\nbo_wave_2.npy,bo,wave\n")
    assert convert(few, again) == 0, "the folder converted before is passed over"
    assert "1 recordings that labels.csv does not list were left out" in capsys.readouterr().out
    assert list(pd.read_csv(again / "labels.csv")["subject"]) == ["bo"]
    assert find_sources([str(few)])[:2] == [str(few / "anna_wave_1.5.npy"), str(few / "bo_wave_2.npy")]


@pytest.mark.parametrize(
    ("name", "pattern", "message"),
    [
        (
            "Anna_wave_3",
            "{subject}_{gesture}_{other}",
            "(anna_wave_1.5): subject 'anna' is written 'Anna' on line 2 (Anna_wave_3)",
        ),
        ("cleo_wave_5000", "{subject}_{gesture}_{rate_hz}", "(cleo_wave_5000): rate_hz is '5000'"),
        ("cleo_wave_1.2.3", "{subject}_{gesture}_{rate_hz}", "cleo_wave_1.2.3 does not match --pattern"),
    ],
)
def test_a_folder_that_would_be_refused_is_not_written(few: Path, name: str, pattern: str, message: str, capsys):
    np.save(few / f"{name}.npy", RECORDINGS["anna_wave_left_1"])
    assert convert(few, few.parent / "out", "--pattern", pattern) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in few.parent.iterdir()] == ["few"]


def test_tables_of_several_recordings_in_a_folder_are_split(tmp_path: Path):
    poses = {name: RECORDINGS[name][:5] for name in ("anna_wave_left_1", "bo_wave_left_1")}
    (tmp_path / "in/deep").mkdir(parents=True)
    written.long_table(poses).to_csv(tmp_path / "in/deep/all.csv", index=False)
    assert convert(tmp_path / "in", tmp_path / "out", "--unit", "cm", "--up", "z", "--pattern", PATTERN) == 0
    assert list(pd.read_csv(tmp_path / "out/labels.csv")["file"]) == [f"deep/{name}.csv" for name in poses]
