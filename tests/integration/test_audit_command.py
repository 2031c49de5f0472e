"""What gesturelab audit says of runs as they are, and of runs that were tampered with."""

import json
import shutil
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gesturelab.cli.audit import run
from gesturelab.config.composing import compose
from gesturelab.errors import RunError
from trained import train_in

QUICK = ("data.people=8", "data.repetitions=1", "trainer=debug", "model.hidden=16")


def train_quickly(folder: Path, *overrides: str) -> Path:
    config = compose([*QUICK, *overrides])
    train_in(folder, config, OmegaConf.to_yaml(OmegaConf.structured(config)))
    return folder


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_quickly(tmp_path_factory.mktemp("audit") / "honest", "callbacks=early_stopping")


@pytest.fixture
def copy(honest: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(honest, tmp_path / "copy"))


def failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of the checks that failed; the exit status says whether there are any."""
    status = run([str(folder)])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    found = [line for line in lines if line.startswith("FAIL")]
    assert status == bool(found)
    assert sum(line.startswith(("PASS", "FAIL")) for line in lines) in (3, 10)
    return found


def test_a_subject_split_passes(honest: Path, capsys: pytest.CaptureFixture[str]):
    assert failed(honest, capsys) == []


def test_a_random_window_run_fails_and_the_overlap_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    found = failed(train_quickly(tmp_path / "leaky", "split=random_window", "window=sliding"), capsys)
    assert [line.split(":")[0] for line in found] == [
        "FAIL  no person is in two subsets",
        "FAIL  no recording is in two subsets",
        "FAIL  no frame, nor a copy of one, is in two subsets",
        "FAIL  the scaler was fitted on training and validation people only",
        "FAIL  early stopping and the choice of weights saw validation people only",
    ]
    assert "8 subjects in the training and test subsets: 101, 102" in found[0]
    assert "_18_" in found[1]
    assert "frame " in found[2]


def test_a_scaler_of_other_people_is_found(copy: Path, capsys: pytest.CaptureFixture[str]):
    path = copy / "scaler_tiny.json"
    saved = json.loads(path.read_text())
    saved["features"][3]["mean"] += 0.01
    path.write_text(json.dumps(saved))
    found = failed(copy, capsys)
    assert any("changed or missing: scaler_tiny.json" in line for line in found)
    assert any("the scaler was fitted" in line and saved["features"][3]["name"] in line for line in found)


def test_people_other_than_those_in_the_info_file_are_found(copy: Path, capsys: pytest.CaptureFixture[str]):
    config = copy / "config.yaml"
    saved = OmegaConf.load(config)
    saved.split.seed = 5
    OmegaConf.save(saved, config)
    found = failed(copy, capsys)
    assert any("dividing the data again" in line for line in found)
    assert any("the predictions are of the test recordings" in line for line in found)


def test_other_data_are_found(copy: Path, capsys: pytest.CaptureFixture[str]):
    config = copy / "config.yaml"
    saved = OmegaConf.load(config)
    saved.data.seed = 5
    OmegaConf.save(saved, config)
    changed, only = failed(copy, capsys)
    assert "changed or missing: config.yaml" in changed
    assert "fingerprint" in only


def test_early_stopping_on_training_values_is_found(copy: Path, capsys: pytest.CaptureFixture[str]):
    config = copy / "config.yaml"
    saved = OmegaConf.load(config)
    saved.callbacks.early_stopping.monitor = "train_loss"
    OmegaConf.save(saved, config)
    changed, only = failed(copy, capsys)
    assert "changed or missing: config.yaml" in changed
    assert "callbacks.early_stopping watches train_loss" in only


@pytest.mark.parametrize(
    "name", ["model_tiny.pth", "predictions_tiny.csv", "windows_tiny.csv", "curves_tiny.png", "confusion_tiny.png"]
)
def test_one_bit_that_changed_after_the_run_is_found(name: str, copy: Path, capsys: pytest.CaptureFixture[str]):
    whole = bytearray((copy / name).read_bytes())
    whole[len(whole) // 2] ^= 1
    (copy / name).write_bytes(whole)
    found = failed(copy, capsys)
    assert any(f"the files are as the run wrote them: changed or missing: {name}" in line for line in found)


def test_a_change_of_the_configuration_that_nothing_else_shows_is_found(copy: Path, capsys: pytest.CaptureFixture[str]):
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("max_epochs:", "max_epochs:  "))
    (only,) = failed(copy, capsys)
    assert "changed or missing: config.yaml" in only


def test_without_a_finished_run_it_says_so(tmp_path: Path):
    with pytest.raises(RunError, match="no finished run"):
        run([str(tmp_path)])
