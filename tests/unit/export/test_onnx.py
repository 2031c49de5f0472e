"""A run as one ONNX graph: elsewhere, with numpy and onnxruntime alone, it gives its answers; so does a program."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

import gesturelab
from conftest import IRDS
from gesturelab.cli.main import main
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load
from gesturelab.errors import BundleError, RecordingError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export import onnx_file, program
from gesturelab.export.load import model_of
from gesturelab.export.model import session
from gesturelab.export.onnx_file import checked, eight_bits
from gesturelab.export.program import evidence
from gesturelab.stream.segments import SegmentOptions
from gesturelab.stream.session import Event, Session, StreamOptions, run
from gesturelab.stream.sources import LiveFrame, receive_one_by_one
from trained import MADE_UP, train_small

ELSEWHERE = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "gesturelab", "onnx", "omegaconf", "hydra", "lightning", "pandas", "scipy"}:
            raise AssertionError(name + " was imported")
sys.meta_path.insert(0, Forbidden())
import json
import numpy as np
import onnxruntime
running = onnxruntime.InferenceSession(sys.argv[1])
classes = json.loads(running.get_modelmeta().custom_metadata_map["gesturelab.classes"])
with np.load(sys.argv[2]) as recordings:
    for name in recordings.files:
        probabilities = running.run(None, {"positions": recordings[name][None]})[0][0]
        print(name, classes[int(probabilities.argmax())], *probabilities.tolist())
"""
"""What a stranger's program does who has the file and these two packages."""


def said_elsewhere(graph, dataset, names, folder):
    """What a program without torch and gesturelab says of some recordings."""
    np.savez(folder / "recordings.npz", **{name: dataset[dataset.names.index(name)].positions for name in names})
    asked = [sys.executable, "-c", ELSEWHERE, graph, folder / "recordings.npz"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: (row[1], np.array(row[2:], dtype=float)) for row in rows}


def same_as_the_run(graph, run, folder):
    said = read_predictions(run.predictions)
    answers = said_elsewhere(graph, load(read_config(run.config).data), said.names, folder)
    assert [answers[name][0] for name in said.names] == [said.gestures[at] for at in said.predicted]
    assert np.abs(np.stack([answers[name][1] for name in said.names]) - said.probabilities).max() < 1e-4


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory):
    """With all kinds of features; of real people where their recordings are here, else of made-up ones."""
    folder = tmp_path_factory.mktemp("trained")
    real = ("data=irds", f"data.root={IRDS}", "data.max_files=120", f"data.cache_dir={folder / 'cache'}")
    shape = ("features=movement", "features.bones=true", "model.hidden=32", "model.pooling=max",
             "model.layers=1", "window=sliding", "window.length_frames=6")  # fmt: skip
    few = ("trainer.batches_per_epoch=2", "augment.mirror_at_test=true")
    return train_small(folder / "run", *(real if IRDS.is_dir() else MADE_UP), *shape, *few)


@pytest.fixture(scope="module")
def exported(trained_run, tmp_path_factory):
    """The model, its test recordings, the graph, and its file."""
    model = model_of(trained_run)
    shown = evidence(trained_run, model)
    graph, difference = checked(model, shown)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx_file.write_graph(graph, path)
    assert difference < 1e-5
    return model, shown, graph, path


def test_elsewhere_the_file_gives_the_answers_of_the_run(exported, trained_run, tmp_path):
    same_as_the_run(exported[3], trained_run, tmp_path)


def test_one_window_and_several_recordings_at_once(exported):
    model, shown, _, path = exported
    length = model.contents.window.length_frames
    running = session(str(path))
    windows = np.stack([one.positions[:length] for one in shown.recordings[:3] if len(one.positions) >= length])
    probabilities, of_windows = running.run(None, {"positions": windows, "rate_hz": np.array(10.0)})
    assert of_windows.shape == (len(windows), 1, len(model.classes))
    assert np.abs(probabilities - model.probabilities(windows)).max() < 1e-5
    assert np.abs(of_windows[:, 0] - probabilities).max() < 1e-6


def test_the_graph_says_what_it_is(exported):
    _, _, _, path = exported
    said = {one.key: json.loads(one.value) for one in onnx.load(path).metadata_props}
    assert said["gesturelab.joints"][0] == "SpineBase"
    assert len(said["gesturelab.classes"]) == 9
    assert said["gesturelab.warnings"] == exported[0].warnings
    assert said["gesturelab.difference"][0] < 1e-5
    assert said["gesturelab.bundle"]["schema"] == 1
    counts = [node.op_type for node in onnx.load(path).graph.node].count("LSTM")
    assert counts == 2, "one layer, and again for the mirror image: each is one operation"


def test_a_graph_that_differs_is_refused(exported, monkeypatch):
    model, shown, graph, _ = exported
    spoilt = onnx.ModelProto()
    spoilt.CopyFrom(graph)
    bias = next(one for one in spoilt.graph.initializer if one.name.endswith("head.3.bias") or tuple(one.dims) == (9,))
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.eye(9)[0].astype("f4"), bias.name))
    monkeypatch.setattr(onnx_file, "as_onnx", lambda _: spoilt)
    with pytest.raises(BundleError, match=r"differs from the trained model by up to 0\.\d+ .*nothing was written"):
        checked(model, shown)


def test_eight_bits_cost_what_is_said(exported):
    model, shown, graph, _ = exported
    small, cost = eight_bits(graph, model, shown)
    answers = [session(small.SerializeToString()).run(None, {"positions": one.positions[None]})[0][0]
               for one in shown.recordings]  # fmt: skip
    labels = np.stack(answers).argmax(axis=1)
    assert cost.after == pytest.approx((labels == shown.truth).mean())
    assert cost.before == pytest.approx(read_accuracy(model))
    assert cost.difference < 0.1
    told = {one.key: one.value for one in small.metadata_props}
    assert json.loads(told["gesturelab.int8"])["after"] == cost.after


def read_accuracy(model):
    return model.contents.facts["metrics"]["test"]["recording"]["accuracy"]


def test_where_the_data_are_gone_random_motion_is_compared_and_eight_bits_are_refused(exported, trained_run):
    model, _, graph, _ = exported
    gone = evidence(type(trained_run)(trained_run.path / "none", trained_run.size), model)
    assert "random motion" in gone.what
    assert onnx_file.largest_difference(graph, model, gone) < 1e-4
    with pytest.raises(BundleError, match="cannot be measured; nothing was written"):
        eight_bits(graph, model, gone)


def test_eight_bits_are_of_onnx_alone(trained_run, capsys):
    with pytest.raises(SystemExit):
        main(["export", str(trained_run.path), "--int8"])
    assert "--int8 needs --format onnx" in capsys.readouterr().err


def test_the_command_writes_what_was_checked_and_says_how_well(exported, trained_run, tmp_path, monkeypatch, capsys):
    model, _, graph, path = exported
    monkeypatch.setattr(onnx_file, "as_onnx", lambda _: onnx.ModelProto.FromString(graph.SerializeToString()))
    command = ["export", str(trained_run.path), "--format", "onnx", "-o"]
    assert main([*command, str(tmp_path / "model.onnx")]) == 0
    assert (tmp_path / "model.onnx").read_bytes() == path.read_bytes(), "equal models make equal bytes"
    said = capsys.readouterr().out
    assert re.search(r"checked on \d+ test recordings of \w+: probabilities differ by \d\.\de-0[5-9] at most", said)
    assert main([*command, str(tmp_path / "small.onnx"), "--int8"]) == 0
    assert f"int8: accuracy {read_accuracy(model):.1%}"[:10] in capsys.readouterr().out
    assert (tmp_path / "small.onnx").stat().st_size < path.stat().st_size
    monkeypatch.setattr(program, "WITHIN", -1.0)
    assert main([*command, str(tmp_path / "other.onnx")]) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "other.onnx").exists()


def test_a_graph_is_a_model_too(exported):
    model, shown, _, path = exported
    loaded = gesturelab.load(path)
    those = shown.recordings[:5]
    for one, other in zip(loaded.answer(those), model.answer(those), strict=True):
        assert (one.label, one.frames) == (other.label, other.frames)
        assert one.values == pytest.approx(other.values, abs=1e-5)
        assert one.windows.probabilities == pytest.approx(other.windows.probabilities, abs=1e-5)
    known = replace(model.contents, unknown_above=None)  # a graph has nothing to tell unknown movements by
    assert loaded.contents.to_plain() == known.to_plain()
    with pytest.raises(RecordingError, match="the model needs frames x 25 x 3"):
        loaded.predict(np.zeros((9, 24, 3)), 30)


def test_a_graph_answers_a_stream_as_its_model_does(exported):
    model, shown, _, path = exported
    recording = shown.recordings[0]
    frames = [LiveFrame(at / recording.rate_hz, one.astype(float)) for at, one in enumerate(recording.positions)]
    said: list[list[Event]] = [[], []]
    for each, events in zip((model, gesturelab.load(path)), said, strict=True):
        session = Session(each, StreamOptions(recording.rate_hz, segments=SegmentOptions()), lambda: 0.0)
        run(session, receive_one_by_one(frames, lambda: 0.0), events.append)
    own, graphs = said
    assert [event.get("event") for event in graphs] == [event.get("event") for event in own]
    assert sum("latency_ms" in event for event in graphs) == len(frames), "each frame is answered"
    for one, other in zip(own, graphs, strict=True):
        assert other.get("label") == one.get("label")
        assert other.get("confidence") == pytest.approx(one.get("confidence"), abs=1e-3)


def test_graphs_that_are_none_or_not_ours(exported, tmp_path):
    _, _, graph, path = exported
    odd = tmp_path / "model.onnx"
    for data, words in (
        (b"hello", "is no ONNX graph that can be run"),
        (path.read_bytes()[:-3000], "is no ONNX graph that can be run"),
        (_described(graph, None), "not one of 'gesturelab export'"),
        (_described(graph, "{}"), "does not begin as one of gesturelab"),
        (_described(graph, "["), "model.onnx: "),
    ):
        odd.write_bytes(data)
        with pytest.raises(BundleError, match=words):
            gesturelab.load(odd)
    with pytest.raises(BundleError, match="does not exist"):
        gesturelab.load(tmp_path / "none.onnx")


def _described(graph, text):
    made = onnx.ModelProto.FromString(graph.SerializeToString())
    del made.metadata_props[:]
    if text is not None:
        onnx.helper.set_model_props(made, {"gesturelab.bundle": text})
    return made.SerializeToString()


def once(export):
    """Exporting takes seconds: the second time gives what the first time gave."""
    kept = []

    def same(*given, **named):
        kept[:] = kept or [export(*given, **named)]
        return kept[0]

    return same


def test_a_program_of_torch_gives_the_answers_and_says_what_it_is(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.export, "export", once(torch.export.export))
    path = tmp_path / "model.pt2"
    assert main(["export", str(trained_run.path), "--format", "torch", "-o", str(path)]) == 0
    assert "checked on the windows of" in capsys.readouterr().out
    model = gesturelab.load(trained_run.path)
    extra = {"bundle.json": ""}
    loaded = torch.export.load(path, extra_files=extra).module()
    windows = torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, (5, 6, 25, 3)).astype(np.float32))
    assert loaded(windows).detach().numpy() == pytest.approx(model.probabilities(windows), abs=1e-5)
    assert json.loads(extra["bundle.json"]) == replace(model.contents, unknown_above=None).to_plain()
    monkeypatch.setattr(program, "WITHIN", -1.0)
    assert main(["export", str(trained_run.path), "--format", "torch", "-o", str(tmp_path / "other.pt2")]) == 1
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "other.pt2").exists()
