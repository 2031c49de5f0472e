"""Weights and scaler of a run, read back and timed."""

import json
from pathlib import Path

import pytest
import torch

from gesturelab.cli.compare import run as compare
from gesturelab.config.composing import compose
from gesturelab.config.options import to_plain
from gesturelab.config.training import TrainConfig
from gesturelab.errors import RunError
from gesturelab.models.network import build_network
from gesturelab.models.recogniser import Recogniser
from gesturelab.models.saved import read_recogniser
from gesturelab.preprocessing.features import Features
from gesturelab.preprocessing.scaler import no_scaler
from gesturelab.runs.folder import RunDir
from gesturelab.skeletons.skeleton import KINECT_V2
from gesturelab.training.latency import LEAST, measure
from info_builder import make_info, write_run

GESTURES = 9
MIRRORED = (1, 0, 3, 2, 5, 4, 6, 8, 7)


def write_weights(folder: Path, *overrides: str) -> tuple[RunDir, TrainConfig, Recogniser]:
    """A run's folder with weights that were never trained."""
    config = compose(["model=tiny", "model.hidden=16", *overrides])
    run = RunDir(write_run(folder, make_info()), "tiny")
    scaler = no_scaler(Features(config.features, KINECT_V2).names)
    scaler.save(run.scaler)
    classifier = build_network(
        config.model, Features(config.features, KINECT_V2), GESTURES, config.window.length_frames
    ).eval()
    mirrored = MIRRORED if config.augment.mirror_at_test else None
    contents = {
        "model": to_plain(config.model),
        "features": to_plain(config.features),
        "feature_names": list(scaler.names),
        "window": to_plain(config.window),
        "gestures": list("abcdefghi"),
        "mirror_at_test": config.augment.mirror_at_test,
        "mirrored_gestures": list(MIRRORED),
        "skeleton": "kinect_v2",
        "state_dict": classifier.state_dict(),
    }
    torch.save(contents, run.weights)
    return run, config, Recogniser(config.features, KINECT_V2, scaler, classifier, mirrored).eval()


@pytest.mark.parametrize("overrides", [(), ("features=key", "augment.mirror_at_test=true", "model.pooling=max")])
def test_weights_read_back_answer_as_the_network_that_wrote_them(tmp_path: Path, overrides: tuple[str, ...]):
    run, config, original = write_weights(tmp_path, *overrides)
    saved = read_recogniser(run)
    assert saved.length_frames == config.window.length_frames
    positions = torch.randn(2, saved.length_frames, saved.joints, 3)
    with torch.no_grad():
        assert torch.equal(saved.recogniser.probabilities(positions), original.probabilities(positions))


def test_the_mirror_image_costs_a_second_pass(tmp_path: Path):
    once, _, _ = write_weights(tmp_path / "a")
    twice, _, _ = write_weights(tmp_path / "b", "augment.mirror_at_test=true")
    assert read_recogniser(twice).flops_per_window == 2 * read_recogniser(once).flops_per_window


def test_a_window_is_timed_on_one_thread_and_the_threads_are_given_back(tmp_path: Path):
    run, _, _ = write_weights(tmp_path)
    before = torch.get_num_threads()
    found = measure(run, seconds=0)
    assert torch.get_num_threads() == before
    assert 0 < found.median_ms <= found.p95_ms < 1000
    assert found.repeats >= LEAST
    assert 0 < found.undisturbed <= 1
    assert found.cpu


def test_compare_measures_and_says_what_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "gesturelab.training.latency.measure", lambda run, **options: measure(run, seconds=0, **options)
    )
    run, _, _ = write_weights(tmp_path / "tiny")
    write_run(tmp_path / "large", make_info("large", 9_000_000))
    assert compare([str(tmp_path), "--latency", "--json", str(tmp_path / "c.json")]) == 0
    tiny, large = json.loads((tmp_path / "c.json").read_text())["costs"][0]["rows"]
    assert tiny["latency_ms"] > 0
    assert tiny["flops_per_window"] == read_recogniser(run).flops_per_window, "also of a run that did not write it"
    assert large["latency_ms"] is None
    assert "No latency of large" in " ".join(capsys.readouterr().out.split())


def test_damaged_weights_are_named(tmp_path: Path):
    run, _, _ = write_weights(tmp_path)
    run.weights.write_bytes(b"nothing")
    with pytest.raises(RunError, match=r"model_tiny\.pth cannot be read"):
        read_recogniser(run)
    run.weights.unlink()
    with pytest.raises(RunError, match=r"model_tiny\.pth is missing"):
        read_recogniser(run)
