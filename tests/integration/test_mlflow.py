"""MLflow: its local store and its real server hold each run once, with all that the run's files say."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import pytest
from command import gesturelab
from omegaconf import OmegaConf
from tracked import QUICK, assert_epochs, kill_after, killed_and_resumed, needs, train_quickly

from gesturelab.config.composing import compose
from gesturelab.errors import ConfigError
from gesturelab.runs.folder import find_runs
from gesturelab.runs.info import SYNTHETIC
from gesturelab.training.device import prepare_device
from gesturelab.training.experiment import run_experiment

UNMEASURED = True


def store(folder):
    return f"sqlite:///{folder}/mlruns/mlflow.db"


@pytest.fixture
def client():
    """Makes an MLflow client of a store."""
    pytest.importorskip("mlflow")

    def make(uri):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mlflow import MlflowClient

            return MlflowClient(uri)

    return make


def mlflow_runs(client, name="gestures"):
    experiment = client.get_experiment_by_name(name)
    return client.search_runs([experiment.experiment_id])


def mlflow_metrics(client, run):
    return {
        name: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def assert_tracked(client, run, info, folder):
    """A finished run in MLflow says what the run's files say."""
    assert run.info.status == "FINISHED"
    shown = mlflow_metrics(client, run)
    assert_epochs(shown, info)
    best = info["training"]["best_epoch"]
    for level in ("recording", "window"):
        for score, value in info["metrics"]["test"][level].items():
            assert shown[f"test/{level}_{score}"] == [(best, pytest.approx(value))]
    finals = {name for name in shown if "/" in name}
    assert finals == {
        f"{side}/{level}_{score}"
        for side, levels in info["metrics"].items()
        for level, found in levels.items()
        for score in found
    }
    assert run.data.params["model.hidden"] == "16"
    assert run.data.params["split.kind"] == "subject_holdout"
    assert SYNTHETIC in run.data.tags["caveats"]
    assert SYNTHETIC in run.data.tags["mlflow.note.content"]
    names = {"info_tiny.json", "curves_tiny.png", "confusion_tiny.png", "predictions_tiny.csv", "config.yaml"}
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == names
    for name in names:
        copy = client.download_artifacts(run.info.run_id, name)
        assert Path(copy).read_bytes() == (folder / name).read_bytes()


@needs("mlflow")
@pytest.mark.slow
def test_mlflow_has_one_run_of_a_run_that_was_killed_and_resumed_from_another_folder(tmp_path, client):
    kill_after(5, tmp_path, "hydra.run.dir=run", "logger=mlflow", "tags=[trial]", "notes=hello")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = gesturelab("resume", str(tmp_path / "run"), folder=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "resuming from" in done.stdout
    assert "fails" not in done.stdout
    assert not list(elsewhere.iterdir())
    runs = mlflow_runs(client(store(tmp_path)))
    assert [run.info.run_name for run in runs] == ["run"]
    assert runs[0].data.tags["tags"] == "trial"
    info = json.loads((tmp_path / "run" / "info_tiny.json").read_text())
    assert_tracked(client(store(tmp_path)), runs[0], info, tmp_path / "run")
    assert [run.path.name for run in find_runs(tmp_path)] == ["run"], "copies in the store are no runs"


@needs("mlflow")
@pytest.mark.slow
def test_two_jobs_at_once_share_a_new_store(tmp_path, client):
    done = gesturelab(
        "train", "-m", *QUICK, "logger=mlflow", "seed=0,1", "hydra/launcher=local", "hydra.launcher.n_jobs=2",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fails" not in "".join(path.read_text() for path in tmp_path.glob("multirun/gestures/*/train.log"))
    mlflow = client(store(tmp_path))
    runs = {run.info.run_name: run for run in mlflow_runs(mlflow)}
    assert sorted(runs) == ["seed=0", "seed=1"]
    for name, run in runs.items():
        folder = tmp_path / "multirun" / "gestures" / name
        assert_tracked(mlflow, run, json.loads((folder / "info_tiny.json").read_text()), folder)


@needs("mlflow")
def test_a_leaky_run_and_a_deleted_experiment_say_so(tmp_path, client, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train_quickly(tmp_path / "run", "logger=mlflow", "split=random_window", "trainer.max_epochs=1")
    mlflow = client(store(tmp_path))
    (run,) = mlflow_runs(mlflow)
    assert run.data.tags["caveats"].startswith("LEAKY")
    mlflow.delete_experiment(run.info.experiment_id)
    with pytest.raises(ConfigError, match="experiment 'gestures' was deleted in MLflow"):
        train_quickly(tmp_path / "other", "logger=mlflow")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """MLflow's own server, on a free loopback port."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self):
        files = ("--backend-store-uri", "sqlite:///server.db", "--artifacts-destination", str(self.folder / "files"))
        command = (sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port))
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *files],
                cwd=self.folder,
                env={**os.environ, **quiet},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                said = (self.folder / "server.log").read_text()
                assert self.process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.2)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)  # the server and its worker
            self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("mlflow")
    running = Server(tmp_path_factory.mktemp("server"))
    running.start()
    yield running
    running.stop()


@pytest.mark.slow
def test_mlflow_server_has_the_run_that_was_killed_and_resumed(tmp_path, server, client):
    info = killed_and_resumed(tmp_path, "logger=mlflow", f"logger.mlflow.tracking_uri={server.uri}", "name=killed")
    mlflow = client(server.uri)
    (run,) = mlflow_runs(mlflow, "killed")
    assert_tracked(mlflow, run, info, tmp_path / "run")
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.slow
def test_a_server_that_goes_ends_no_training_and_gets_everything_when_it_is_back(tmp_path, server, client, caplog):
    stopped = []

    def stop_after(epoch, _max_epochs, _is_refit):
        if epoch["epoch"] == 0:
            server.stop()
            stopped.append(True)
        if epoch["epoch"] == 2:
            assert any("logger.mlflow fails" in record.message for record in caplog.records)
            server.start()

    config = compose([*QUICK, "logger=mlflow", f"logger.mlflow.tracking_uri={server.uri}"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.structured(config)))
    with caplog.at_level(logging.WARNING):
        run, info = run_experiment(config, tmp_path / "run", prepare_device(config.trainer), stop_after)
    assert stopped
    assert run.complete
    told = [record.message for record in caplog.records if record.message.startswith("logger.mlflow")]
    assert len(told) == 2
    assert told[0].startswith("logger.mlflow fails, training goes on without it")
    assert told[1] == "logger.mlflow works again; nothing is missing"
    mlflow = client(server.uri)
    (tracked,) = mlflow_runs(mlflow)
    assert_tracked(mlflow, tracked, info, run.path)


@needs("mlflow")
def test_a_server_that_is_not_there_is_an_error_at_the_beginning(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ConfigError, match=r"logger\.mlflow cannot begin with"):
        train_quickly(tmp_path / "run", "logger=mlflow", f"logger.mlflow.tracking_uri=http://127.0.0.1:{free_port()}")
    assert not (tmp_path / "run" / "checkpoints").exists()


@needs("mlflow")
@pytest.mark.slow
def test_only_the_first_process_of_a_run_on_two_devices_logs(tmp_path, client):
    config = compose([*QUICK, "trainer.devices=2", "logger=many"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.structured(config)))
    done = gesturelab("resume", "run", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = mlflow_runs(client(store(tmp_path)))
    info = json.loads((tmp_path / "run" / "info_tiny.json").read_text())
    assert_tracked(client(store(tmp_path)), run, info, tmp_path / "run")
    assert len(list(tmp_path.glob("run/logs/events*"))) == 1
