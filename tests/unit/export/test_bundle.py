"""A run becomes one file; the file gives the run's answers, without Hydra and Lightning."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from scipy.special import softmax

import gesturelab
from gesturelab.cli.main import main
from gesturelab.config.data import Short, Target
from gesturelab.config.saved import read_config
from gesturelab.datasets.load import load as load_data
from gesturelab.errors import RecordingError, RunError
from gesturelab.evaluation.predictions import read_predictions
from gesturelab.export.archive import DESCRIPTION, read_archive
from gesturelab.export.contents import UNSURE_BELOW, from_plain
from gesturelab.export.load import model_of, write_bundle
from gesturelab.export.model_card import card
from gesturelab.runs.folder import RunDir
from gesturelab.runs.info import SYNTHETIC


@pytest.fixture(scope="module")
def bundle(trained_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("bundles") / "model.zip"
    assert main(["export", str(trained_run.path), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def model(bundle):
    return gesturelab.load(bundle)


@pytest.fixture(scope="module")
def tested(trained_run):
    """The run's test recordings, and what the run said of them."""
    dataset = load_data(read_config(trained_run.config).data)
    said = read_predictions(trained_run.predictions)
    return [dataset[dataset.names.index(name)] for name in said.names], said


@pytest.mark.parametrize("form", ["file", "folder"])
def test_recordings_get_the_answers_of_the_run(form, bundle, trained_run, tested):
    loaded = gesturelab.load(bundle if form == "file" else trained_run.path)
    recordings, said = tested
    answers = loaded.predict_many([(one.positions, one.rate_hz) for one in recordings])
    assert [one.label for one in answers] == [said.gestures[at] for at in said.predicted]
    assert np.abs(np.stack([one.values for one in answers]) - said.probabilities).max() < 2e-6
    alone = loaded.predict(recordings[3].positions.tolist(), 30)
    assert alone.values == pytest.approx(answers[3].values, abs=1e-6)


def test_an_answer_can_be_read_in_many_ways(model, tested):
    recordings, _ = tested
    longest = max(recordings, key=lambda one: len(one.positions))
    answer = model.predict(longest.positions, longest.rate_hz)
    assert answer.label == answer.top(1)[0][0] == max(answer.probabilities, key=answer.probabilities.get)
    assert [one for _, one in answer.top(3)] == sorted(answer.values, reverse=True)[:3]
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert (answer.frames, answer.seconds) == (len(longest.positions), len(longest.positions) / 30)
    assert len(answer.windows) > 1
    assert answer.windows.probabilities.mean(axis=0) == pytest.approx(answer.values)
    starts, ends = answer.windows.starts, answer.windows.ends
    assert np.diff(starts) == pytest.approx(0.8), "8 frames at 10 Hz"
    assert ends[0] - starts[0] == pytest.approx(3.1), "32 frames at 10 Hz"
    assert ends[-1] <= answer.seconds


def test_confidence_is_calibrated_and_the_threshold_is_that_of_validation_people(model, tested, trained_run):
    recordings, said = tested
    info = trained_run.read_info()
    calibrated = softmax(np.log(said.probabilities) / info["temperature"], axis=1).max(axis=1)
    answers = model.predict_many((one.positions, one.rate_hz) for one in recordings)
    assert [one.confidence for one in answers] == pytest.approx(calibrated, abs=1e-4)
    assert [one.unsure for one in answers] == [one.confidence < info["unsure_below"] for one in answers]


def test_any_rate_gives_nearly_the_same_answer(model, tested):
    """Twice the frames at twice the rate is the same movement."""
    one = tested[0][0]
    count = len(one.positions)
    places = np.arange(2 * count - 1) / 2
    low = places.astype(int)
    share = (places - low)[:, None, None]
    doubled = one.positions[low] * (1 - share) + one.positions[np.minimum(low + 1, count - 1)] * share
    assert model.predict(doubled, 60).values == pytest.approx(model.predict(one.positions, 30).values, abs=1e-5)


@pytest.mark.parametrize(
    ("positions", "rate", "reason"),
    [
        (np.full((9, 25, 3), np.nan), 30, "frame 1 holds a value that is not finite"),
        (np.zeros((9, 24, 3)), 30, "shape 9 x 24 x 3; the model needs frames x 25 x 3"),
        (np.zeros((9, 75)), 30, "shape 9 x 75; the model needs frames x 25 x 3"),
        (np.zeros((0, 25, 3)), 30, "no frames"),
        (np.full((9, 25, 3), 1500.0), 30, "positions must be in metres"),
        ([["a"]], 30, "no array of numbers"),
        ([[1], [2, 3]], 30, "no array of numbers"),
        (np.zeros((9, 25, 3)), 0, "its rate is 0 frames a second"),
        (np.zeros((9, 25, 3)), float("nan"), "its rate is nan frames a second"),
        (np.zeros((9, 25, 3)), 1e-6, "its rate is 1e-06 frames a second; it must be a number from 1 to 1000"),
        (np.zeros((9, 25, 3)), 1e300, "its rate is 1e.300 frames a second"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_reason(model, positions, rate, reason):
    with pytest.raises(RecordingError, match=reason):
        model.predict(positions, rate)
    with pytest.raises(RecordingError, match=f"^recording 2: .*{reason}"):
        model.predict_many([(np.zeros((9, 25, 3)), 30), (positions, rate)])


def test_a_network_that_takes_frames_as_they_come_refuses_another_rate(model):
    window = dataclasses.replace(model.contents.window, rate_hz=None)
    other = gesturelab.Model(dataclasses.replace(model.contents, window=window), model.recogniser)
    still = np.zeros((40, 25, 3))
    assert other.predict(still, 30).frames == 40
    with pytest.raises(RecordingError, match=r"60 frames a second; this model \(window.rate_hz=null\) .* 30 a second"):
        other.predict(still, 60)


def test_a_recording_shorter_than_a_window_is_refused_where_the_run_dropped_such(model):
    window = dataclasses.replace(model.contents.window, short=Short.drop)
    strict = gesturelab.Model(dataclasses.replace(model.contents, window=window), model.recogniser)
    with pytest.raises(RecordingError, match="shorter than a window"):
        strict.predict(np.zeros((20, 25, 3)), 30)
    assert model.predict(np.zeros((20, 25, 3)), 30).windows.ends == pytest.approx([19 / 30])


def test_equal_models_make_equal_bytes(trained_run, bundle, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "elsewhere")
    again = tmp_path / "again.zip"
    write_bundle(model_of(RunDir(tmp_path / "elsewhere", trained_run.size)), again)
    assert again.read_bytes() == bundle.read_bytes()


def test_what_is_written_is_what_is_read(bundle, model):
    described, _ = read_archive(bundle)
    read = from_plain(described)
    assert read.to_plain() == {key: value for key, value in described.items() if key != "sha256"}
    assert read.to_plain() == model.contents.to_plain()


def test_it_loads_and_answers_without_hydra_lightning_and_pandas(bundle):
    code = """
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"hydra", "lightning", "pytorch_lightning", "pandas", "matplotlib", "torchmetrics"}:
            raise AssertionError(name + " was imported")
sys.meta_path.insert(0, Forbidden())
import gesturelab
assert "torch" not in sys.modules and "numpy" not in sys.modules
answer = gesturelab.load(sys.argv[1]).predict([[[0.1 * joint, 1, 2] for joint in range(25)]] * 40, 30)
print(answer.label)
"""
    done = subprocess.run([sys.executable, "-c", code, bundle], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in gesturelab.load(bundle).classes


def test_the_package_has_no_other_attributes():
    with pytest.raises(AttributeError, match="unload"):
        _ = gesturelab.unload


def test_the_card_says_on_whom_it_was_tested_and_what_it_is_not(model, trained_run):
    text = card(model.contents)
    info = trained_run.read_info()
    assert SYNTHETIC in text
    assert "Not a medical device" in text
    assert f", {', '.join(info['split']['test']['subjects'])} (split `subject_holdout`)" in text
    accuracy = info["metrics"]["test"]["recording"]["accuracy"]
    assert f"| everybody | 2 | {info['metrics']['test']['recording']['count']} | {100 * accuracy:.1f} % |" in text
    assert f"{info['unsure_below']:.3f} an answer counts as unsure: so were a tenth of the validation" in text
    assert "CC BY" not in text


def test_the_card_of_real_data_names_their_licence_and_a_leak(model):
    facts = json.loads(json.dumps(model.contents.facts))
    facts["data"]["source"], facts["warnings"], facts["split"]["leaky"] = "irds", ["LEAKY: so"], True
    text = card(dataclasses.replace(model.contents, facts=facts, unsure_fitted=False))
    assert "CC BY 4.0" in text
    assert "> **LEAKY: so**" in text
    assert "**The same people are on both sides of this split**" in text
    assert "had never seen" not in text
    assert "a plain default" in text


def test_the_card_of_correctness_leads_with_balanced_accuracy(model):
    facts = json.loads(json.dumps(model.contents.facts))
    facts["tested"] = [{"part": "everybody", "people": 1, "recordings": 9, "accuracy": 0.8, "balanced_accuracy": None}]
    text = card(
        dataclasses.replace(model.contents, facts=facts, target=Target.correctness, classes=("correct", "incorrect"))
    )
    assert "whether a movement was done correctly: `correct`, `incorrect`" in text
    assert "|  | people | recordings | balanced accuracy | accuracy |" in text
    assert "| everybody | 1 | 9 | - | 80.0 % |" in text


def test_a_hub_reads_results_and_licence_from_the_card(model, trained_run):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface-hub (an extra of dev) is not installed")
    read = hub.ModelCard(card(model.contents))
    assert read.data.license == "unknown", "nobody but the owner can say it"
    assert (read.data.library_name, read.data.model_name) == ("gesturelab", "gestures")
    assert {"gesture-recognition", "synthetic"} <= set(read.data.tags)
    first = read.data.eval_results[0]
    assert first.metric_value == trained_run.read_info()["metrics"]["test"]["recording"]["accuracy"]
    assert (first.metric_type, first.dataset_type, first.dataset_split) == ("accuracy", "synthetic", "test")
    assert all("SYNTHETIC" in result.metric_name for result in read.data.eval_results)
    assert read.text.lstrip().startswith("# gestures: a gesture recogniser")


def test_the_metadata_of_leaky_real_data_say_so_in_each_result(model):
    facts = json.loads(json.dumps(model.contents.facts))
    facts["data"]["source"], facts["warnings"] = "irds", ["LEAKY: so"]
    _, block, _ = card(dataclasses.replace(model.contents, facts=facts)).split("---\n", 2)
    read = yaml.safe_load(block)
    assert (read["license"], read["datasets"]) == ("cc-by-4.0", ["irds"])
    results = read["model-index"][0]["results"][0]["metrics"]
    assert [result["value"] for result in results] == [row["accuracy"] for row in facts["tested"]]
    assert all("LEAKY" in result["name"] for result in results)


def test_a_run_of_before_has_the_documented_threshold(trained_run, tmp_path):
    shutil.copytree(trained_run.path, tmp_path / "run")
    run = RunDir(tmp_path / "run", trained_run.size)
    info = json.loads(run.info.read_text())
    del info["unsure_below"]
    run.info.write_text(json.dumps(info))
    contents = model_of(run).contents
    assert (contents.unsure_below, contents.unsure_fitted) == (UNSURE_BELOW, False)


@pytest.mark.parametrize("name", ["model_tiny.pth", "scaler_tiny.json", "predictions_tiny.csv"])
def test_a_run_that_was_changed_is_not_exported(name, trained_run, tmp_path, capsys):
    shutil.copytree(trained_run.path, tmp_path / "run")
    with (tmp_path / "run" / name).open("ab") as file:
        file.write(b"\n")
    assert main(["export", str(tmp_path / "run"), "-o", str(tmp_path / "model.zip")]) == 1
    assert f"{name} is not the file that the run wrote" in capsys.readouterr().err
    assert not (tmp_path / "model.zip").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"no info_<size>\.json"):
        gesturelab.load(tmp_path)


def test_the_file_holds_what_a_stranger_needs(bundle):
    described, _ = read_archive(bundle)
    assert described["skeleton"]["joints"][3] == ["Head", "Neck"]
    assert set(described["sha256"]) == {"weights.safetensors", "README.md"}
    assert described["facts"]["metrics"]["test"]["recording"]["count"] > 0
    assert "notes" not in described["facts"]
    assert DESCRIPTION == "bundle.json"
