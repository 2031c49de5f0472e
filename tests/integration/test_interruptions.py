"""What breaks from outside: Ctrl-C, a full disk, a folder that cannot be written."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from command import Command, gesturelab

UNMEASURED = True

TRAIN = ("train", "trainer=cpu", "trainer.threads=1")
QUICK = ("data.people=8", "data.repetitions=1", "model.hidden=16")


def train(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return gesturelab(*TRAIN, *(() if "data=irds" in overrides else QUICK), *overrides, folder=folder)


def test_ctrl_c_keeps_the_last_epoch_and_says_how_to_go_on(tmp_path):
    options = (*QUICK, "trainer.max_epochs=100000", "callbacks=none", "hydra.run.dir=run")
    with Command(*TRAIN, *options, folder=tmp_path) as command:
        command.wait_for_line("epoch   3")
        command.signal(signal.SIGINT)
        assert command.wait(120) == 130, command.stdout + command.stderr
        said = command.stdout + command.stderr
    assert f"gesturelab resume {tmp_path / 'run'}" in said
    assert "Traceback" not in said
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("max_epochs: 100000", "max_epochs: 8"))
    resumed = gesturelab("resume", "run", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming from" in resumed.stdout
    assert "epoch   1 of" not in resumed.stdout
    assert (tmp_path / "run" / "info_tiny.json").exists()


def test_averaged_weights_survive_kill_9(tmp_path):
    averaged = (*QUICK, "callbacks=default", "trainer.max_epochs=4")
    with Command(*TRAIN, *averaged, "hydra.run.dir=run", folder=tmp_path) as command:
        command.wait_for_line("epoch   3")
    assert not (tmp_path / "run" / "info_tiny.json").exists()
    resumed = gesturelab("resume", "run", folder=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming from" in resumed.stdout
    assert "epoch   1 of" not in resumed.stdout
    train(tmp_path, "callbacks=default", "trainer.max_epochs=4", "hydra.run.dir=whole")
    assert (tmp_path / "run" / "model_tiny.pth").read_bytes() == (tmp_path / "whole" / "model_tiny.pth").read_bytes()


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_that_looks_finished(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=100k", "none", str(disk)], check=False).returncode
    ):
        pytest.skip("mounting a small file system needs root")
    try:
        done = train(tmp_path, "hydra.run.dir=disk/run", "trainer.max_epochs=1")
        assert done.returncode == 1
        assert "gesturelab: error: cannot write" in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(disk.glob("run/info_*")) + list(disk.glob("run/model_*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "outputs").write_text("a file in the way")
    done = train(tmp_path)
    assert done.returncode == 1
    assert "gesturelab: error: cannot write outputs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("data=irds", "data.root=nowhere"), "data.root=nowhere does not exist"),
        (("data.people=2",), "people are left"),
        (("trainer=gpu",), "sees no GPU"),
        (("window=sliding", "window.length_frames=99999", "window.short=drop"), "no recording is that long"),
    ],
)
def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path, overrides, message):
    done = train(tmp_path, *overrides)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("outputs/*/*"))
