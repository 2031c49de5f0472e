"""A gesture left out of a training: its recordings are put to the model, which may answer "none of these"."""

import csv
import dataclasses
import json

import numpy as np
import pytest

import gesturelab
from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load as load_data
from gesturelab.errors import ConfigError, DataError
from gesturelab.evaluation.unknown import NONE_OF_THESE
from gesturelab.export.archive import read_archive
from gesturelab.export.load import model_of, write_bundle
from gesturelab.export.model import OnnxModel
from gesturelab.serve.app import Question, answer_question
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Session, StreamOptions
from trained import train_small

UNKNOWN = "side_tap_left"
KEPT = "[elbow_flexion_left,shoulder_flexion_left,shoulder_abduction_right,side_tap_left]"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """MiniRocket on made-up people that has never seen side taps to the left."""
    return train_small(
        tmp_path_factory.mktemp("unknown") / "run", "model=minirocket", "model.outputs=252", "data.people=6",
        "data.repetitions=2", f"data.unknown_gesture={UNKNOWN}", f"data.gestures={KEPT}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bundle(run):
    path = run.path / "model.zip"
    assert main(["export", str(run.path), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def rows(run):
    with run.unknown.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def tested(run, rows):
    """The recordings of the rows."""
    dataset = load_data(dataclasses.replace(read_config(run.config).data, unknown_gesture=None))
    return [dataset[dataset.names.index(row["recording"])] for row in rows]


def test_the_gesture_is_no_class_and_test_people_alone_are_asked(run, rows):
    info = run.read_info()
    assert UNKNOWN not in info["gestures"]
    assert len(info["gestures"]) == 3
    assert {row["subject"] for row in rows} == set(info["split"]["test"]["subjects"])
    assert {row["gesture"] for row in rows if row["known"] == "0"} == {UNKNOWN}
    assert sum(row["known"] == "0" for row in rows) == 2 * len(info["split"]["test"]["subjects"])
    assert sum(row["known"] == "1" for row in rows) == info["split"]["test"]["recordings"]


def test_the_threshold_keeps_95_percent_of_validation_recordings(run, bundle):
    info = run.read_info()
    dataset = load_data(read_config(run.config).data)
    people = set(info["split"]["validation"]["subjects"])
    own = [dataset[at] for at, subject in enumerate(dataset.subjects) if subject in people]
    labels = [each.label for each in gesturelab.load(bundle, none_of_these=True).answer(own)]
    assert np.mean([label != NONE_OF_THESE for label in labels]) == pytest.approx(0.95, abs=1 / len(own))


def test_the_file_and_the_run_answer_as_the_training_wrote(run, bundle, rows, tested):
    for path in (bundle, run.path):
        answers = gesturelab.load(path, none_of_these=True).answer(tested)
        assert [answer.label for answer in answers] == [row["answer"] for row in rows]
        assert [answer.confidence for answer in answers] == pytest.approx(
            [float(row["confidence"]) for row in rows], 1e-3
        )


def test_without_the_option_a_gesture_is_always_named(bundle, tested):
    model = gesturelab.load(bundle)
    plain, refusing = model.answer(tested), gesturelab.load(bundle, none_of_these=True).answer(tested)
    assert {answer.label for answer in plain} <= set(model.classes)
    assert all(np.array_equal(one.values, other.values) for one, other in zip(plain, refusing, strict=True))


def test_predict_stream_and_serve_say_none_of_these(bundle, tested, tmp_path, capsys):
    """Joints that jump about are no gesture."""
    jumping = np.random.default_rng(0).normal(0, 0.5, tested[0].positions.shape)
    file = tmp_path / "jumping.npy"
    np.save(file, jumping)
    assert main(["predict", str(bundle), str(file), "--none-of-these", "--jsonl", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == NONE_OF_THESE
    assert main(["predict", str(bundle), str(file), "--jsonl", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] in gesturelab.load(bundle).classes
    model = gesturelab.load(bundle, none_of_these=True)
    question = Question(positions=jumping.tolist(), rate_hz=30)
    assert answer_question(model, question).label == NONE_OF_THESE
    session = Session(model, StreamOptions(segments=SegmentOptions()), lambda: 0.0)
    assert session.label(0.0, 1.0, jumping.astype(np.float32))["label"] == NONE_OF_THESE


def test_compare_prints_how_well_it_is_told(run, capsys):
    assert main(["compare", str(run.path)]) == 0
    out = capsys.readouterr().out
    assert "maximum probability" in out
    assert "unknown refused" in out
    assert "SYNTHETIC" in out
    assert main(["compare", str(run.path), "--json", "-"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["unknown"]
    assert 0.5 < result["scores"]["auroc"]["value"] <= 1
    assert result["scores"]["gestures"] == 1


def test_the_audit_finds_nothing_wrong(run, capsys):
    assert main(["audit", str(run.path)]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_a_model_without_a_threshold_says_so_in_one_sentence(run, bundle, tmp_path):
    model = model_of(run)
    old = gesturelab.Model(dataclasses.replace(model.contents, unknown_above=None), model.recogniser)
    with pytest.raises(ConfigError, match=r"the model has no threshold for unknown movements: .* train it again"):
        old.refuse_unknown()
    with pytest.raises(ConfigError, match=r"an ONNX graph cannot tell unknown movements: take the model.zip"):
        OnnxModel(model.contents, None).refuse_unknown()
    write_bundle(old, tmp_path / "old.zip")
    assert read_archive(tmp_path / "old.zip")[0]["schema"] == 1, "earlier versions read it"
    assert "unknown_above" not in json.dumps(read_archive(tmp_path / "old.zip")[0])
    assert gesturelab.load(tmp_path / "old.zip").known is None
    assert read_archive(bundle)[0]["schema"] == 3


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["data.unknown_gesture=wave"], "data.unknown_gesture: there is no wave; gestures are 0 elbow_flexion_left"),
        (["data.unknown_gesture=0", "data.gestures=[1,2,3]"], "data.unknown_gesture=0: data.gestures does not keep it"),
        (["data.unknown_gesture=1", "data.gestures=[1,2]"], "fewer than two gestures are left"),
        (["data.unknown_gesture=1", "split=random_window"], "random_window does not divide people"),
        (["data.unknown_gesture=1", "data.target=correctness"], "data.target=correctness does not tell gestures apart"),
    ],
)
def test_a_gesture_that_cannot_be_left_out_is_refused_before_training(tmp_path, overrides, reason):
    with pytest.raises((ConfigError, DataError), match=reason):
        train_small(tmp_path / "run", "data.people=6", "data.repetitions=1", "model.hidden=8", *overrides)
    assert not list(tmp_path.rglob("*.pth"))


def test_left_out_by_number_is_left_out_by_name():
    by_name, by_number = (
        load_data(compose([f"data.unknown_gesture={given}", "data.people=2", "data.repetitions=1"]).data)
        for given in (UNKNOWN, 7)
    )
    assert by_name.gesture_names == by_number.gesture_names
    assert UNKNOWN not in by_name.gesture_names
    assert by_name.names == by_number.names
