"""Why an answer: what is planted is found, what is printed is what the model says of recordings with parts hidden."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import torch

import gesturelab
from gesturelab.cli.main import main
from gesturelab.config.composing import compose
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.errors import RecordingError
from gesturelab.evaluation.explanation import MOMENTS, hide_frames
from gesturelab.export.load import model_of, write_bundle
from gesturelab.models.minirocket import MiniRocket
from gesturelab.models.recogniser import Recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import fit_scaler, no_scaler
from gesturelab.report.player import LEAST_LARGEST
from gesturelab.skeletons.skeleton import KINECT_V2

PLANTED = {"wave": ("HandLeft", 2), "kick": ("FootRight", 4), "nod": ("Head", 5), "poke": ("ElbowRight", 3)}
"""Each class is one joint that moves in one moment; everything else is the same for all."""
FRAMES, RATE_HZ = 160, 30.0


@pytest.fixture(scope="module")
def trained(trained_run):
    return model_of(trained_run)


def draw_recording(gesture: str, draws: np.random.Generator) -> np.ndarray:
    """A person who sways, another joint that moves at any time, and the planted movement."""
    body = np.random.default_rng(0).normal(0, 0.4, (25, 3))
    positions = np.tile(body + draws.normal(0, 0.02, body.shape), (FRAMES, 1, 1))
    positions += 0.1 * np.sin(np.linspace(0, draws.uniform(2, 6), FRAMES))[:, None, None]
    positions += draws.normal(0, 0.003, positions.shape)
    length = FRAMES // MOMENTS
    bump = np.sin(np.linspace(0, np.pi, length)) ** 2
    start = draws.integers(FRAMES - length)
    positions[start : start + length, KINECT_V2.index("KneeLeft"), 1] += 0.4 * bump
    joint, moment = PLANTED[gesture]
    positions[moment * length : (moment + 1) * length, KINECT_V2.index(joint), 1] += draws.uniform(0.3, 0.5) * bump
    return positions


@pytest.fixture(scope="module")
def planted(trained):
    """A rocket that has learned to tell the planted movements apart."""
    config, classes = compose(), tuple(PLANTED)
    features = Features(config.features, KINECT_V2)
    contents = dataclasses.replace(
        trained.contents,
        classes=classes,
        features=config.features,
        window=config.window,
        mirrored_classes=None,
        scaler=no_scaler(features.names),
    )
    torch.manual_seed(0)
    network = MiniRocket(len(features.names), len(classes), config.window.length_frames, outputs=2000)
    unscaled = gesturelab.Model(contents, Recogniser(config.features, KINECT_V2, contents.scaler, network))
    draws = np.random.default_rng(1)
    recordings = [unscaled.recording(draw_recording(name, draws), RATE_HZ) for name in classes for _ in range(15)]
    windows = features(unscaled.windows(recordings))
    scaler = fit_scaler(features.names, [windows.flatten(0, 1).numpy()])
    recogniser = Recogniser(config.features, KINECT_V2, scaler, network)
    network.fit((windows - recogniser.mean) / recogniser.deviation, torch.arange(4).repeat_interleave(15))
    return gesturelab.Model(dataclasses.replace(contents, scaler=scaler), recogniser)


def test_the_planted_joint_and_moment_are_found(planted):
    draws = np.random.default_rng(2)
    found = []
    for number in range(20):
        gesture = tuple(PLANTED)[number % 4]
        recording = planted.recording(draw_recording(gesture, draws), RATE_HZ)
        explanation = gesturelab.explain(planted, recording)
        joint, moment = PLANTED[gesture]
        seconds = np.array([moment, moment + 1]) * FRAMES / MOMENTS / RATE_HZ
        assert explanation.label == gesture, "the test needs a model that is right"
        top = explanation.top_moment
        place = [explanation.starts[top], explanation.ends[top]]
        found.append((explanation.joints[explanation.top_joints[0]] == joint, np.allclose(place, seconds)))
    assert np.mean(found, axis=0) == pytest.approx([1, 1], abs=0.05), "at least 95 %"


def test_importance_is_what_the_model_says_of_the_recording_without_a_part(trained):
    positions = np.random.default_rng(3).normal(0, 0.05, (90, 25, 3)).cumsum(axis=0).clip(-2, 2).astype(np.float32)
    explanation = gesturelab.explain(trained, trained.recording(positions, RATE_HZ))
    answer = trained.predict(positions, RATE_HZ)
    place = trained.classes.index(explanation.label)
    assert (explanation.label, explanation.probability) == (answer.label, pytest.approx(answer.values.max(), abs=1e-5))
    root, wrist = positions[:, [0]], KINECT_V2.index("WristLeft")
    held = positions.copy()
    held[:, [wrist]] = root + (positions[:6, [wrist]] - root[:6]).mean(axis=0)
    cut = positions.copy()
    cut[79:] = positions[78]
    for part, without, importance in (
        (held, explanation.without_joint[wrist], explanation.joint_importance[wrist]),
        (cut, explanation.without_moment[-1], explanation.moment_importance[-1]),
    ):
        value = trained.predict(part, RATE_HZ).values[place]
        assert without == pytest.approx(value, abs=1e-5)
        whole = explanation.probability
        assert importance == pytest.approx(np.log(whole / (1 - whole)) - np.log(value / (1 - value)), abs=1e-3)
    assert explanation.ends[-1] == pytest.approx(3.0)


def test_a_hidden_moment_is_a_straight_line_and_at_the_ends_stands_still():
    positions = np.arange(6.0)[:, None, None].repeat(3, axis=2) ** 2
    assert hide_frames(positions, 2, 4)[:, 0, 0].tolist() == [0, 1, 6, 11, 16, 25]
    assert hide_frames(positions, 0, 2)[:, 0, 0].tolist() == [4, 4, 4, 9, 16, 25]
    assert hide_frames(positions, 4, 6)[:, 0, 0].tolist() == [0, 1, 4, 9, 9, 9]


def test_what_stands_still_has_no_reason_and_another_skeleton_is_refused(trained):
    still = gesturelab.explain(trained, trained.recording(np.zeros((1, 25, 3)), RATE_HZ))
    assert (still.top_joints, still.top_moment) == ([], None)
    assert "rests on no one joint or moment" in still.sentence
    other = dataclasses.replace(KINECT_V2, name="mine", joints=tuple("abcdefghijklmnopqrstuvwxy"))
    recording = dataclasses.replace(trained.recording(np.zeros((9, 25, 3)), RATE_HZ), skeleton=other)
    with pytest.raises(RecordingError, match="cannot be explained: it has the joints of mine"):
        gesturelab.explain(trained, recording)


def test_the_sentence_names_what_can_be_seen_in_the_answer(planted):
    draws = np.random.default_rng(6)
    sentence = gesturelab.explain(planted, planted.recording(draw_recording("kick", draws), RATE_HZ)).sentence
    assert re.match(r"kick \(\d\.\d\d\) is less probable without FootRight \(0\.\d\d\)", sentence)
    assert "; without 2.7 to 3.3 s (0." in sentence


def test_the_command_prints_and_writes_explanations_of_a_bundle(trained, tmp_path, capsys):
    write_bundle(trained, tmp_path / "model.zip")
    positions = np.random.default_rng(4).normal(0, 0.05, (90, 25, 3)).cumsum(axis=0).clip(-2, 2).astype(np.float32)
    np.save(tmp_path / "mine.npy", positions)
    command = ["predict", str(tmp_path / "model.zip"), str(tmp_path / "mine.npy"), "--explain"]
    assert main([*command, "--jsonl", str(tmp_path / "a.jsonl")]) == 0
    explanation = gesturelab.explain(trained, trained.recording(positions, RATE_HZ))
    plain = json.loads((tmp_path / "a.jsonl").read_text())["explanation"]
    importance = [row["importance"] for row in plain["joints"].values()]
    assert importance == pytest.approx(explanation.joint_importance, abs=1e-3)
    assert plain["top_joints"] == [explanation.joints[joint] for joint in explanation.top_joints]
    assert [row["end_s"] for row in plain["moments"]] == pytest.approx(explanation.ends, abs=1e-3)
    printed = " ".join(capsys.readouterr().out.split())
    assert " ".join(plain["sentence"].split()) in printed
    with pytest.raises(SystemExit):
        main([*command, "--csv", "-"])
    assert "leave out --windows and --csv" in capsys.readouterr().err


def test_the_report_explains_the_recordings_of_its_player(trained, trained_run, tmp_path, monkeypatch):
    for name in ("pictures", "curves"):  # they take a second each
        monkeypatch.setattr(f"gesturelab.report.page.{name}", lambda *_: [])
    page = tmp_path / "report.html"
    assert main(["report", str(trained_run.path), "--explain", "-o", str(page)]) == 0
    data = json.loads(re.search(r'id="motion">(.*?)</script>', page.read_text(), re.DOTALL)[1])
    dataset = load(read_config(trained_run.config).data)
    assert all("why" in entry for entry in data["recordings"])
    for entry in data["recordings"][:3]:
        explanation = gesturelab.explain(trained, dataset[dataset.names.index(entry["name"])])
        shown = entry["why"]["0"]
        assert shown["text"] == explanation.sentence
        shares = explanation.joint_importance.clip(0) / max(explanation.joint_importance.max(), LEAST_LARGEST)
        assert shown["joints"] == pytest.approx(100 * shares, abs=0.51)
    bare = shutil.copytree(trained_run.path, tmp_path / "run")
    (bare / trained_run.weights.name).unlink()
    assert main(["report", str(bare), "--explain", "-o", str(page)]) == 0
    assert trained_run.weights.name in re.search(r'"unexplained":(.*?)}', page.read_text())[1], "which file is missing"
