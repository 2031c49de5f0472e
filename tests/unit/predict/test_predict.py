"""``gesturelab predict``: many files to one table, with the run's answers; bad files are named and the others go on."""

import csv
import dataclasses
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

import gesturelab
from gesturelab.cli.main import main
from gesturelab.config.data import Target
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.errors import DataError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export.load import model_of, write_bundle
from gesturelab.predict import answers as asking
from gesturelab.predict.answers import find_sources
from gesturelab.predict.output import caveats, score
from gesturelab.skeletons.landmarks import LANDMARKS


@pytest.fixture(scope="module")
def model(trained_run):
    return model_of(trained_run)


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("use") / "model.zip"
    write_bundle(model, path)
    return path


@pytest.fixture(scope="module")
def files(trained_run, tmp_path_factory):
    """The run's test recordings as files: names are labels; every form that can be read."""
    folder = tmp_path_factory.mktemp("recordings")
    dataset = load(read_config(trained_run.config).data)
    said = read_predictions(trained_run.predictions)
    for at, name in enumerate(said.names):
        one = dataset[dataset.names.index(name)]
        label = f"{one.subject}_18_{dataset.gesture_names.index(one.gesture)}_1_{one.correctness}_stand"
        if at % 3 == 0:
            np.save(folder / f"{label}.npy", one.positions)
        elif at % 3 == 1:
            np.savetxt(folder / f"{label}.txt", one.positions.reshape(len(one.positions), -1), "%.9g", ",")
        else:
            head = ",".join(f"{joint}_{axis}" for joint in dataset.skeleton.joints for axis in "xyz")
            values = one.positions.reshape(len(one.positions), -1)
            np.savetxt(folder / f"{label}.csv", values, "%.9g", ",", header=head, comments="")
    return folder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_of_every_form_get_the_answers_of_the_run(bundle, files, trained_run, tmp_path, capsys):
    assert main(["predict", str(bundle), str(files), "--csv", str(tmp_path / "a.csv")]) == 0
    said = read_predictions(trained_run.predictions)
    found = {row["recording"]: row for row in rows(tmp_path / "a.csv")}
    assert len(found) == len(said)
    for at, name in enumerate(said.names):
        label = f"{said.subjects[at]}_18_{said.truth[at]}_1_{said.correctness[at]}_stand"
        row = found[label]
        assert row["label"] == said.gestures[said.predicted[at]], name
        probabilities = [float(row[f"p_{gesture}"]) for gesture in said.gestures]
        assert probabilities == pytest.approx(said.probabilities[at], abs=1e-5)
    shown = capsys.readouterr().out
    info = trained_run.read_info()
    accuracy = info["metrics"]["test"]["recording"]["accuracy"]
    assert f"{100 * accuracy:.1f} %" in next(line for line in shown.splitlines() if line.startswith("everybody"))
    assert "SYNTHETIC" in shown


def test_a_bad_file_is_named_and_the_others_go_on(bundle, files, tmp_path, capsys):
    good = sorted(str(path) for path in files.iterdir())[:2]
    bad = tmp_path / "bad.csv"
    bad.write_text("SpineBase_x\n1\n")
    far = tmp_path / "far.npy"
    np.save(far, np.full((9, 25, 3), 1500.0))
    missing = tmp_path / "missing.txt"
    given = [good[0], str(bad), str(missing), str(far), good[1]]
    assert main(["predict", str(bundle), *given, "--jsonl", "-"]) == 1
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["file"] for line in lines] == given
    assert ["label" in line for line in lines] == [True, False, False, False, True]
    assert "lack columns" in lines[1]["problem"]
    assert "no such file" in lines[2]["problem"]
    assert "1500" in lines[3]["problem"]
    for path in (bad, missing, far):
        assert f"gesturelab: {path}: " in err
    assert "3 of 5 files could not be answered" in err


def test_windows_are_told_one_by_one(bundle, model, files, tmp_path, capsys):
    longest = max(files.glob("*.npy"), key=lambda path: path.stat().st_size)
    expected = model.predict(np.load(longest), 30).windows
    table, lines = tmp_path / "w.csv", tmp_path / "w.jsonl"
    assert main(["predict", str(bundle), str(longest), "--windows", "--csv", str(table), "--jsonl", str(lines)]) == 0
    found = rows(table)
    assert [float(row["start_s"]) for row in found] == pytest.approx(expected.starts, abs=1e-3)
    assert [float(row["end_s"]) for row in found] == pytest.approx(expected.ends, abs=1e-3)
    assert len(json.loads(lines.read_text())["windows"]) == len(expected) > 1
    assert capsys.readouterr().out.count(longest.stem) == len(expected)


def test_standard_input_and_a_rate(bundle, model, files, monkeypatch, capsys):
    path = next(files.glob("*.csv"))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(path.read_bytes())))
    assert main(["predict", str(bundle), "-", "--jsonl", "-", "--rate", "15"]) == 0
    said = json.loads(capsys.readouterr().out)
    positions = np.loadtxt(path, delimiter=",", skiprows=1).reshape(-1, 25, 3)
    answer = model.predict(positions, 15)
    assert (said["label"], said["seconds"]) == (answer.label, pytest.approx(len(positions) / 15, abs=1e-3))
    assert said["top"][0] == [answer.label, pytest.approx(answer.top(1)[0][1], abs=1e-5)]
    assert said["unsure"] is answer.unsure


@pytest.mark.parametrize("rate", ["0", "-3", "nan", "inf"])
def test_a_rate_that_is_none_is_a_wrong_call(bundle, rate, capsys):
    with pytest.raises(SystemExit) as left:
        main(["predict", str(bundle), "x", "--rate", rate])
    assert left.value.code == 2
    assert "must be a number, more than 0" in capsys.readouterr().err


def test_batches_change_no_answer_and_no_order(model, files, monkeypatch):
    sources = find_sources([str(files)])
    together = list(asking.answers(model, sources))
    monkeypatch.setattr(asking, "RECORDINGS_AT_ONCE", 2)
    apart = list(asking.answers(model, sources))
    assert [one.source for one in apart] == [one.source for one in together] == sources
    for one, other in zip(apart, together, strict=True):
        assert one.prediction.values == pytest.approx(other.prediction.values, abs=1e-6)


def test_folders_patterns_and_repetitions(tmp_path):
    for name in ("b.txt", "a.csv", "sub/c.NPY", ".hidden.txt", "__MACOSX/d.txt", "notes.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    found = [path.removeprefix(f"{tmp_path}/") for path in find_sources([str(tmp_path), str(tmp_path / "b.txt")])]
    assert found == ["a.csv", "b.txt", "sub/c.NPY"]
    assert find_sources([str(tmp_path / "*.md"), "-"]) == [str(tmp_path / "notes.md"), "-"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no recording"):
        find_sources([str(tmp_path / "empty")])


def test_people_of_the_training_are_told_loudly(model, files):
    """A synthetic model's ids are nobody's; a real one's are."""
    facts = json.loads(json.dumps(model.contents.facts))
    facts["data"]["source"] = "irds"
    known = facts["split"]["test"]["subjects"]
    facts["split"]["train"]["subjects"], facts["split"]["validation"]["subjects"] = known[:1], known[1:]
    seen = gesturelab.Model(dataclasses.replace(model.contents, facts=facts), model.recogniser)
    those = list(asking.answers(model, find_sources([str(files)])))
    said = caveats(seen, score(seen, those))
    assert any(text.startswith(f"NOT UNSEEN: {known[0]} is among the people") for text in said)
    assert any(text.startswith(f"{known[1]}: validation people") for text in said)
    assert not any("UNSEEN" in text for text in caveats(model, score(model, those)))


def test_files_without_labels_are_not_scored(model, files, tmp_path):
    path = next(files.glob("*.npy"))
    (tmp_path / "mine.npy").write_bytes(path.read_bytes())
    (mine,) = asking.answers(model, [str(tmp_path / "mine.npy")])
    assert score(model, [mine]) is None
    both = score(model, [mine, *asking.answers(model, [str(path)])])
    assert (both.unlabelled, both.rows[0]["recordings"]) == (1, 1)


def test_a_trackers_landmarks_are_brought_onto_the_models_joints(bundle, model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.3, (50, 33, 3))
    np.save(tmp_path / "pose.npy", points)
    given = ["predict", str(bundle), str(tmp_path / "pose.npy"), "--jsonl", "-"]
    assert main([*given, "--skeleton", "mediapipe_pose"]) == 0
    said = json.loads(capsys.readouterr().out)
    answer = model.predict(LANDMARKS["mediapipe_pose"].onto_skeleton(points), 30)
    assert said["probabilities"] == pytest.approx(answer.probabilities, abs=1e-5)
    assert main(given) == 1, "33 landmarks are not 25 joints"
    assert "not (frames, 25, 3)" in capsys.readouterr().err


def test_another_skeleton_than_the_models_is_refused(bundle, tmp_path, capsys):
    own = tmp_path / "own.yaml"
    own.write_text("joints: [[Hips], [HandLeft, Hips], [HandRight, Hips]]")
    assert main(["predict", str(bundle), str(tmp_path / "x.npy"), "--skeleton", str(own)]) == 1
    assert "the model knows the joints of kinect_v2" in capsys.readouterr().err


def test_of_correctness_the_label_in_the_name_is_the_truth(model, files):
    contents = dataclasses.replace(model.contents, target=Target.correctness)
    judging = gesturelab.Model(contents, model.recogniser)
    those = list(asking.answers(model, find_sources([str(files)])))
    incorrect = ["_2_stand" in one.source for one in those]
    assert any(incorrect)
    right = [(one.prediction.values.argmax() == 1) if wrong else (one.prediction.values.argmax() == 0)
             for one, wrong in zip(those, incorrect, strict=True)]  # fmt: skip
    assert score(judging, those).rows[0]["accuracy"] == pytest.approx(np.mean(right))


@pytest.mark.parametrize(("kept", "counted"), [([1], [1]), ([1, 2, 3], [1, 2])])
def test_recordings_that_the_training_left_out_are_not_scored(model, files, kept, counted):
    facts = json.loads(json.dumps(model.contents.facts))
    facts["data"]["options"]["correctness"] = kept
    choosy = gesturelab.Model(dataclasses.replace(model.contents, facts=facts), model.recogniser)
    those = list(asking.answers(model, find_sources([str(files)])))
    expected = [one for one in those if any(f"_{label}_stand" in one.source for label in counted)]
    assert score(choosy, those).rows[0]["recordings"] == len(expected)


def test_a_folder_with_a_table_of_labels_has_its_rates(bundle, model, tmp_path, capsys):
    """As in training; the table itself is no recording."""
    frames = np.random.default_rng(0).normal(0, 0.02, (60, 25, 3)).cumsum(axis=0)
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("slow", "other"):
        np.save(folder / f"{name}.npy", frames)
    (folder / "labels.csv").write_text("file,subject,gesture,rate_hz\nslow.npy,a,wave,15\nother.npy,b,wave,\n")
    (folder / "MADE_UP.txt").write_text("made up")
    assert main(["predict", str(bundle), str(folder), "--jsonl", "-"]) == 0
    told = capsys.readouterr()
    other, slow = map(json.loads, told.out.splitlines())
    assert (other["recording"], slow["recording"]) == ("other", "slow")
    assert slow["probabilities"] == pytest.approx(model.predict(frames, 15).probabilities, abs=1e-3)
    assert other["probabilities"] == pytest.approx(model.predict(frames, 30).probabilities, abs=1e-5)
    assert slow["warnings"] == model.warnings
    assert model.warnings[0] in told.err, "also where nothing is scored"
