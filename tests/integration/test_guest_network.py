"""Networks from outside gesturelab, fitted ones too, and no code without trust. See also test_guests.py."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import gesturelab as command

import gesturelab
from gesturelab.config.options import add_search_path
from gesturelab.errors import BundleError, TrustError

EXAMPLE = Path(__file__).parents[2] / "examples" / "extending" / "network"
QUICK = ("trainer=cpu", "trainer.threads=1", "data.people=6", "data.repetitions=1", "logger=none")

RIDGE = '''
import torch
from torch import nn

from gesturelab.models.network import FittedNetwork


class Ridge(FittedNetwork):
    """Random convolutions, their largest values over time, and a ridge regression onto classes."""

    def __init__(self, features: int, classes: int, *, kernels: int = 256, ridge: float = 10.0) -> None:
        super().__init__()
        self.ridge = ridge
        draws = torch.Generator().manual_seed(0)
        self.register_buffer("kernels", torch.randn(kernels, features, 5, generator=draws) / (5 * features) ** 0.5)
        self.register_buffer("bias", torch.randn(kernels, generator=draws))
        self.register_buffer("weights", torch.zeros(2 * kernels + 1, classes))

    def forward(self, features):
        return self.describe(features) @ self.weights

    def describe(self, features):
        maps = nn.functional.conv1d(features.transpose(1, 2), self.kernels, self.bias, padding=2)
        parts = [maps.amax(dim=2), (maps > 0).float().mean(dim=2), maps.new_ones(maps.shape[0], 1)]
        return torch.cat(parts, dim=1)

    def fit(self, features, classes):
        """Solved in closed form."""
        seen = self.describe(features).double()
        targets = 8 * (nn.functional.one_hot(classes, self.weights.shape[1]).double() - 0.5)
        gram = seen.T @ seen + self.ridge * torch.eye(seen.shape[1], dtype=torch.float64)
        self.weights.copy_(torch.linalg.solve(gram, seen.T @ targets))
'''

RIGID = """

class Rigid(Ridge):
    def describe(self, features):
        return super().describe(features) * torch.ones(len(features), 1)
"""

SPY = '''
from pathlib import Path

Path(__file__).with_suffix(".ran").touch()

from tcn_network import TCN


class Spy(TCN):
    """Tells that it was imported."""
'''


@pytest.fixture(scope="module")
def guests(tmp_path_factory) -> Path:
    """A folder of options and of the classes that they name."""
    folder = tmp_path_factory.mktemp("guests")
    shutil.copy(EXAMPLE / "tcn_network.py", folder)
    (folder / "ridge_network.py").write_text(RIDGE + RIGID, encoding="utf-8")
    (folder / "spy_network.py").write_text(SPY, encoding="utf-8")
    (folder / "model").mkdir()
    for name, target in (
        ("ridge", "ridge_network.Ridge"),
        ("rigid", "ridge_network.Rigid"),
        ("spy", "spy_network.Spy"),
        ("tcn", "tcn_network.TCN"),
    ):
        (folder / "model" / f"{name}.yaml").write_text(f"_target_: {target}\nname: {name}\n", encoding="utf-8")
    return folder


def train(guests: Path, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    done = command("train", "--config-dir", str(guests), *QUICK, *overrides, folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def tcn_run(guests, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tcn")
    train(guests, folder, "model=tcn", "features=live", "trainer.max_epochs=2", "hydra.run.dir=run")
    return folder / "run"


@pytest.fixture(scope="module")
def ridge_run(guests, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ridge")
    done = train(guests, folder, "model=ridge", "hydra.run.dir=run")
    assert done.stdout.count("fitted at once") == 1
    return folder / "run"


def test_the_info_file_says_which_class_of_which_file_it_was(tcn_run):
    info = json.loads((tcn_run / "info_tcn.json").read_text(encoding="utf-8"))
    assert info["classes"]["model"]["class"] == "tcn_network.TCN"
    assert len(info["classes"]["model"]["sha256"]) == 64
    assert info["model"]["parameters"] > 1000
    assert info["cost"]["flops_per_window"] > 1000


def test_a_fitted_network_learns_and_is_one_epoch(ridge_run):
    info = json.loads((ridge_run / "info_ridge.json").read_text(encoding="utf-8"))
    assert info["training"]["epochs"] == 1
    assert info["training"]["history"][0]["train_accuracy"] > 0.9
    assert info["metrics"]["test"]["recording"]["accuracy"] > 0.5


def test_a_killed_fit_begins_anew_and_ends_with_the_same_bytes(ridge_run, tmp_path):
    shutil.copytree(ridge_run, tmp_path / "run")
    for path in (*tmp_path.glob("run/*_ridge.*"), *tmp_path.glob("run/checkpoints/**/*.ckpt")):
        path.unlink()  # what a run has that was killed before its first epoch ended
    (tmp_path / "run" / "status.json").unlink()
    done = command("resume", "run", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model_ridge.pth").read_bytes() == (ridge_run / "model_ridge.pth").read_bytes()


def test_a_fitted_network_is_compared_audited_and_reported(ridge_run, tmp_path):
    compared = command("compare", str(ridge_run), "--json", "-", folder=tmp_path)
    assert compared.returncode == 0, compared.stderr
    assert [row["model"] for row in json.loads(compared.stdout)["runs"]] == ["ridge"]
    assert command("audit", str(ridge_run), folder=tmp_path).returncode == 0
    assert command("report", str(ridge_run), "-o", "page.html", folder=tmp_path).returncode == 0
    assert "ridge" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_bundle_and_the_graph_of_a_fitted_network_answer_as_the_run_does(ridge_run, guests, tmp_path):
    target = "ridge_network.Ridge"
    for form in ("bundle", "onnx"):
        arguments = ("export", str(ridge_run), "--trust", target, "--format", form, "-o", f"{form}.zip")
        done = command(*arguments, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    (tmp_path / "bundle.zip").rename(tmp_path / "model.zip")
    (tmp_path / "onnx.zip").rename(tmp_path / "model.onnx")
    add_search_path([str(guests)])
    motion = np.random.default_rng(0).normal(0, 0.3, (60, 25, 3))
    own = gesturelab.load(ridge_run, trust=[target]).predict(motion, 30.0)
    for name, trust in (("model.zip", [target]), ("model.onnx", [])):
        answer = gesturelab.load(tmp_path / name, trust=trust).predict(motion, 30.0)
        assert answer.values == pytest.approx(own.values, abs=1e-5), name


def test_a_causal_guest_is_exported_frame_by_frame(tcn_run, tmp_path):
    done = command(
        "export", str(tcn_run), "--trust", "tcn_network.TCN", "--format", "onnx", "--stateful", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "probabilities differ by" in done.stdout


def test_what_cannot_be_a_graph_is_refused_in_a_sentence_but_is_a_bundle(guests, tmp_path):
    train(guests, tmp_path, "model=rigid", "hydra.run.dir=run")
    trusted = ("export", "run", "--trust", "ridge_network.Rigid")
    done = command(*trusted, "--format", "onnx", folder=tmp_path)
    assert done.returncode == 1
    assert "ridge_network.Rigid cannot be exported as ONNX" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model.onnx").exists()
    assert command(*trusted, folder=tmp_path).returncode == 0


def test_without_trust_nothing_of_it_runs(guests, tmp_path):
    train(guests, tmp_path, "model=spy", "trainer.max_epochs=1", "hydra.run.dir=run")
    run = tmp_path / "run"
    done = command("export", "run", "--trust", "spy_network.Spy", "-o", "model.zip", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    mark = guests / "spy_network.ran"
    assert mark.exists()
    mark.unlink()
    reachable = {"PYTHONPATH": str(guests)}
    for model in ("run", "model.zip"):
        for trust in ((), ("--trust", "spy_network"), ("--trust", "tcn_network.TCN")):
            done = command("predict", model, *trust, "-", folder=tmp_path, **reachable)
            assert done.returncode == 1
            assert "spy_network.Spy, which does not come with gesturelab" in done.stderr
            assert "Traceback" not in done.stderr
    add_search_path([str(guests)])
    for path in (run, tmp_path / "model.zip"):
        with pytest.raises(TrustError, match=r"--trust spy_network\.Spy"):
            gesturelab.load(path)
    assert "spy_network" not in sys.modules
    assert not mark.exists()
    gesturelab.load(tmp_path / "model.zip", trust=["spy_network.Spy"])
    assert mark.exists()
    assert issubclass(TrustError, BundleError)
