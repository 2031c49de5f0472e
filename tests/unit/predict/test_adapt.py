"""``gesturelab adapt``: a few recordings of one person give a model for that person, or one clear error."""

import copy
import dataclasses
import shutil
import zipfile

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

import gesturelab
from gesturelab.cli.main import main
from gesturelab.config.data import Target
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.errors import ConfigError
from gesturelab.export.adaptation import adapt_to
from gesturelab.export.archive import CARD
from gesturelab.export.load import model_of, write_bundle
from gesturelab.models.adapted_head import PULL, SPREAD, AdaptedHead, head_inputs
from gesturelab.predict.answers import Answer
from gesturelab.predict.output import caveats, score
from gesturelab.runs.info import CORRECTNESS_CLASSES

SOME = ("elbow_flexion_left", "side_tap_right")
"""Gestures that are calibrated."""


@pytest.fixture(scope="module")
def model(trained_run, recordings):
    """Without a say of the mirror image, so that an answer is one pass; a head drawn at random answers all sorts."""
    trained = model_of(trained_run)
    recogniser = copy.deepcopy(trained.recogniser)
    recogniser.mirrored_classes = None
    windows = torch.cat([trained.windows([recording]) for recording in recordings])
    with torch.no_grad():
        inputs = head_inputs(recogniser.classifier, recogniser.scaled_features(windows))
        head = recogniser.classifier.head[-1]
        head.weight.copy_(torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(0)) / inputs.std())
        head.bias.copy_(-head.weight @ inputs.mean(dim=0))
    return gesturelab.Model(dataclasses.replace(trained.contents, mirrored_classes=None), recogniser)


@pytest.fixture(scope="module")
def recordings(trained_run):
    """Of all people of the run."""
    dataset = load(read_config(trained_run.config).data)
    return [dataset[number] for number in range(len(dataset))]


@pytest.fixture(scope="module")
def whole_folder(model, recordings, tmp_path_factory):
    """Two recordings of each of some gestures, by Anna."""
    folder = tmp_path_factory.mktemp("calibration") / "anna"
    folder.mkdir()
    rows = ["file,subject,gesture"]
    for gesture in SOME:
        for number, recording in enumerate([each for each in recordings if each.gesture == gesture][:2], 9):
            np.save(folder / f"{gesture}_{number}.npy", recording.positions)
            rows.append(f"{gesture}_{number}.npy,anna,{gesture}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    write_bundle(model, folder.parent / "model.zip")
    return folder


@pytest.fixture
def folder(whole_folder, tmp_path):
    return shutil.copytree(whole_folder, tmp_path / "anna")


def answers(model, recordings):
    return model.predict_many((each.positions, each.rate_hz) for each in recordings)


def test_the_command_writes_a_model_that_says_whom_it_is_for(model, recordings, whole_folder, tmp_path, capsys):
    path = tmp_path / "anna.zip"
    assert main(["adapt", str(whole_folder.parent / "model.zip"), str(whole_folder), "-o", str(path)]) == 0
    assert "adapted to anna: 4 recordings of 2 of 9 classes" in capsys.readouterr().out
    adapted = gesturelab.load(path)
    assert adapted.contents.adaptation.recordings == dict.fromkeys(SOME, 2)
    here = gesturelab.adapt(model, whole_folder)
    values = [[answer.values for answer in answers(each, recordings[:8])] for each in (adapted, here)]
    assert np.array_equal(*values)
    assert "**Adapted to anna** with 2 of `elbow_flexion_left`" in zipfile.ZipFile(path).read(CARD).decode()


def test_answers_that_name_a_gesture_without_calibration_stay_as_they_were(model, recordings, whole_folder):
    windows = torch.cat([model.windows([recording]) for recording in recordings])
    before, after = (each.probabilities(windows) for each in (model, gesturelab.adapt(model, whole_folder)))
    own = np.isin(before.argmax(axis=1), [model.classes.index(name) for name in SOME])
    assert 0 < own.sum() < len(own), "the test needs both"
    assert np.array_equal(before[~own], after[~own])
    assert (np.abs(before[own] - after[own]).max(axis=1) > 1e-4).all()


def test_with_only_no_other_gesture_is_answered(model, recordings, whole_folder):
    adapted = gesturelab.adapt(model, whole_folder, only=True)
    assert {answer.label for answer in answers(adapted, recordings)} <= set(SOME)
    assert all(answer.probabilities["side_tap_left"] == 0 for answer in answers(adapted, recordings[:3]))


def test_the_weights_are_those_of_a_ridge_regression_of_what_is_missing():
    torch.manual_seed(0)
    head, inputs, classes = nn.Linear(20, 4), torch.rand(6, 20), torch.tensor([0, 0, 1, 1, 2, 2])
    adapted = AdaptedHead(head)
    adapted.fit(inputs, classes, only=False)
    logits = head(inputs).detach()
    missing = SPREAD * (torch.eye(4)[classes] - 0.25) - (logits - logits.mean(dim=1, keepdim=True))
    penalty = PULL * float(inputs.square().sum(dim=1).mean())
    expected = Ridge(alpha=penalty, fit_intercept=False).fit(inputs.double().numpy(), missing.double().numpy()).coef_
    assert adapted.change.numpy() == pytest.approx(expected, abs=1e-5)
    assert adapted.calibrated.tolist() == [True, True, True, False]


def test_the_mirror_image_is_calibrated_too_where_it_has_a_say(trained_run, whole_folder):
    adapted = gesturelab.adapt(model_of(trained_run), whole_folder)
    calibrated = adapted.recogniser.classifier.head[-1].calibrated
    names = {name for name, own in zip(adapted.classes, calibrated.tolist(), strict=True) if own}
    assert names == {*SOME, "elbow_flexion_right", "side_tap_left"}


def test_the_earliest_repetitions_are_used_in_order_of_numbers(model, whole_folder, recordings):
    first = gesturelab.adapt(model, whole_folder, repetitions=1)
    assert first.contents.adaptation.recordings == dict.fromkeys(SOME, 1)
    table = (whole_folder / "labels.csv").read_text().replace("_10.npy", "_9.npy_")
    earliest = whole_folder.parent / "nine"
    earliest.mkdir()
    for gesture in SOME:
        shutil.copy(whole_folder / f"{gesture}_9.npy", earliest)
    (earliest / "labels.csv").write_text("".join(line for line in table.splitlines(True) if "npy_" not in line))
    expected = gesturelab.adapt(model, earliest)
    values = [[answer.values for answer in answers(each, recordings[:8])] for each in (first, expected)]
    assert np.array_equal(*values)


def test_a_model_of_correctness_is_adapted_by_the_column_correctness(model, whole_folder):
    contents = dataclasses.replace(model.contents, target=Target.correctness, classes=CORRECTNESS_CLASSES)
    recogniser = copy.deepcopy(model.recogniser)
    recogniser.classifier.head[-1] = nn.Linear(recogniser.classifier.head[-1].in_features, 2)
    adapted = gesturelab.adapt(gesturelab.Model(contents, recogniser), whole_folder)
    assert adapted.contents.adaptation.recordings == {"correct": 4}


def test_the_model_of_one_person_becomes_a_graph_with_the_same_answers(whole_folder, recordings, tmp_path):
    paths = [tmp_path / "anna.zip", tmp_path / "anna.onnx"]
    assert main(["adapt", str(whole_folder.parent / "model.zip"), str(whole_folder), "-o", str(paths[0])]) == 0
    assert main(["export", str(paths[0]), "--format", "onnx", "-o", str(paths[1])]) == 0
    values = [[answer.values for answer in answers(gesturelab.load(path), recordings[:8])] for path in paths]
    assert np.stack(values[0]) == pytest.approx(np.stack(values[1]), abs=1e-4)
    assert gesturelab.load(paths[1]).contents.adaptation.person == "anna"


def test_scores_on_the_person_say_that_the_model_knows_the_person(model, recordings, whole_folder):
    adapted = adapt_to(model, recordings[:2], [each.gesture for each in recordings[:2]], "101")
    made = [f"101_18_{number}_1_1_stand" for number in range(2)]
    given = [Answer(name, answer) for name, answer in zip(made, answers(adapted, recordings[:2]), strict=True)]
    assert "adapted to 101" in " ".join(caveats(adapted, score(adapted, given)))
    assert "adapted" not in " ".join(caveats(model, score(model, given)))


def replace_text(old, new):
    return lambda folder: (folder / "labels.csv").write_text((folder / "labels.csv").read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "options", "error"),
    [
        (None, ["--repetitions", "3"], "anna has 2 of elbow_flexion_left, fewer than the 3 repetitions"),
        (replace_text("anna", "{trained}"), [], "the model knows {trained} already, from its train people"),
        (replace_text("side_tap_right\n", "wave\n"), [], "line 4: the model does not know 'wave'; it knows elbow"),
        (replace_text("10.npy,anna", "10.npy,bo"), [], "line 3: bo is another person than anna"),
        (
            lambda folder: (folder / "two.yaml").write_text("joints:\n  - [Hip]\n  - [Head, Hip]\npairs: []\n"),
            ["--skeleton", "{folder}/two.yaml"],
            "two.yaml: the model knows the joints of kinect_v2",
        ),
        (lambda folder: np.save(folder / f"{SOME[0]}_9.npy", np.zeros((9, 20, 3))), [], "elbow_flexion_left_9.npy: "),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written(
    change, options, error, model, folder, whole_folder, tmp_path, capsys
):
    trained = sorted(model.contents.people("train"))[0]
    if change is not None:
        change(folder)
        replace_text("{trained}", trained)(folder)
    path = tmp_path / "x.zip"
    options = [option.replace("{folder}", str(folder)) for option in options]
    assert main(["adapt", str(whole_folder.parent / "model.zip"), str(folder), "-o", str(path), *options]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert error.replace("{trained}", trained) in lines[0]
    assert not path.exists()


def test_an_adapted_model_and_a_network_that_ends_otherwise_are_refused(model, whole_folder):
    with pytest.raises(ConfigError, match="adapted to anna already"):
        gesturelab.adapt(gesturelab.adapt(model, whole_folder), whole_folder)

    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(3, 2)

        def forward(self, features):
            return self.last(features[:, 0]) / 2

    with pytest.raises(ConfigError, match="not what its last linear layer, last, gives"):
        head_inputs(Halved(), torch.ones(2, 4, 3))
