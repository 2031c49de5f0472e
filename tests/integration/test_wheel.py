"""An installed wheel works from any folder and carries its own conf/."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from command import untraced

PROJECT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the sdist, as `make` of a release would, but with what is installed here: no network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (built,) = folder.glob("gesturelab-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A new environment with the wheel in it; torch and the rest are borrowed from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--disable-pip-version-check", str(wheel)], check=True, capture_output=True, text=True)
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def answer(installed, *arguments, folder):
    environment = {name: value for name, value in untraced().items() if name != "PYTHONPATH"}
    command = [installed / "gesturelab", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout


def test_wheel_carries_every_file_of_conf_and_nothing_of_the_tests(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for path in (PROJECT / "conf").rglob("*.yaml"):
        assert f"gesturelab/conf/{path.relative_to(PROJECT / 'conf').as_posix()}" in inside
    for path in (PROJECT / "src/gesturelab/report/templates").iterdir():
        assert f"gesturelab/report/templates/{path.name}" in inside
    assert "gesturelab/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in inside)
    assert {name.split("/")[0].split("-")[0] for name in inside} == {"gesturelab", "hydra_plugins"}


def test_conf_is_the_one_inside_the_package(installed, tmp_path):
    command = [installed / "python", "-c", "from gesturelab.config.store import conf_dir; print(conf_dir())"]
    environment = {name: value for name, value in untraced().items() if name != "PYTHONPATH"}
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(said.strip()).is_relative_to(installed.parent)
    assert Path(said.strip()).parent.name == "gesturelab"


def test_configuration_composes_from_another_folder(installed, tmp_path):
    assert "name: gestures\n" in answer(installed, "train", "--cfg", "job", folder=tmp_path)
    assert "model: gru, inception, large, medium, minirocket, multirocket_hydra, small" in answer(
        installed, "train", "--help", folder=tmp_path
    )


def test_models_are_listed(installed, tmp_path):
    models = json.loads(answer(installed, "models", "--json", folder=tmp_path))
    sizes = ["tiny", "small", "medium", "large", "xlarge", "xxlarge"]
    assert [model["name"] for model in models if model["name"] in sizes] == sizes


def test_options_of_ones_own(installed, tmp_path):
    own = tmp_path / "own" / "model" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("defaults: [tiny, _self_]\nname: mine\nhidden: 96\n", encoding="utf-8")
    said = answer(installed, "train", "--config-dir", "own", "model=mine", "--cfg", "job", folder=tmp_path)
    assert "name: mine\n" in said
    assert "hidden: 96\n" in said


def test_a_sweep_is_trained_compared_exported_and_asked_without_the_repository(installed, tmp_path):
    few = ("trainer=debug", "trainer.max_epochs=1", "data.people=7", "data.repetitions=1", "model.hidden=16")
    assert "2 jobs: 2 done" in answer(installed, "train", "-m", "seed=0,1", *few, folder=tmp_path)
    answer(installed, "compare", "--csv", "runs.csv", folder=tmp_path)
    assert len((tmp_path / "runs.csv").read_text().splitlines()) == 3
    answer(installed, "export", "multirun/gestures/seed=0", "-o", "model.zip", folder=tmp_path)
    frame = ",".join(f"{number / 100:g}" for number in range(1, 76)) + "\n"
    (tmp_path / "101_18_0_1_1_stand.txt").write_text(frame * 40)  # as a file of IntelliRehabDS
    answer(installed, "predict", "model.zip", "101_18_0_1_1_stand.txt", "--csv", "answers.csv", folder=tmp_path)
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 2


def test_tables_to_reproduce_are_in_the_wheel(installed, tmp_path):
    assert "quick" in answer(installed, "reproduce", "--list", folder=tmp_path)
