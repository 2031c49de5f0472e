"""Drivers, Slurm, control groups and folders of machines that are made up as files and small commands."""

import os
import time

import pytest

from gesturelab.doctor.facts import Partition
from gesturelab.doctor.machine import ask, cgroup_limit, chosen, find_driver, find_folder, find_slurm

SMI = """\
| NVIDIA-SMI 570.86.10    Driver Version: 570.86.10    CUDA Version: 12.8     |
"""


@pytest.fixture
def command(monkeypatch, tmp_path):
    """Makes a command out of a shell script; no others of the kind are found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")
    monkeypatch.delenv("SLURM_CONF", raising=False)

    def make(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return make


def files(root, **texts):
    for name, text in texts.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_nvidias_driver(command, tmp_path):
    command("nvidia-smi", f'[ "$1" = -L ] && printf "GPU 0: H100\\nGPU 1: H100\\n" || cat <<EOF\n{SMI}EOF')
    driver = find_driver(tmp_path)
    assert (driver.nvidia, driver.nvidia_cuda, driver.nvidia_gpus, driver.error) == ("570.86.10", "12.8", 2, "")


def test_nvidias_driver_that_fails_says_why(command, tmp_path):
    command("nvidia-smi", "echo Failed to initialize NVML: Driver/library version mismatch; exit 18")
    files(tmp_path / "proc" / "driver" / "nvidia", version="NVRM version: NVIDIA UNIX Module  535.104.05  Sat Aug 19")
    driver = find_driver(tmp_path)
    assert (driver.nvidia, driver.nvidia_gpus) == ("535.104.05", 0)
    assert driver.error == "Failed to initialize NVML: Driver/library version mismatch"


def test_amds_driver(command, tmp_path):
    command("nvidia-smi", "exit 127")
    (tmp_path / "bin" / "nvidia-smi").unlink()
    nodes = "sys/class/kfd/kfd/topology/nodes"
    for number, units in enumerate((0, 440, 440)):
        files(tmp_path / nodes / str(number), properties=f"cpu_cores_count 0\nsimd_count {units}\n")
    files(tmp_path / "sys/module/amdgpu", version="6.12.12\n")
    files(tmp_path / "opt/rocm/.info", version="6.4.1-83\n")
    driver = find_driver(tmp_path)
    assert (driver.amd, driver.amd_gpus, driver.rocm, driver.nvidia) == ("6.12.12", 2, "6.4.1-83", "")
    assert not driver.kfd_closed


def test_a_machine_without_gpus_or_slurm(command, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    driver = find_driver(tmp_path)
    assert (driver.nvidia, driver.amd, driver.error) == ("", "", "")
    assert find_slurm() is None


def test_slurm_and_its_partitions(command):
    command(
        "sinfo",
        'case "$1" in --version) echo slurm 23.11.4;; '
        '*) printf "gpu|up|1-00:00:00|2|gpu:a100:4\\ngpu|up|1-00:00:00|3|(null)\\nold|down|1:00:00|1|(null)\\n";; esac',
    )
    slurm = find_slurm()
    assert slurm is not None
    assert slurm.version == "slurm 23.11.4"
    assert slurm.partitions == (
        Partition("gpu", True, "1-00:00:00", 5, "gpu:a100:4"),
        Partition("old", False, "1:00:00", 1, ""),
    )


def test_a_slurm_that_does_not_answer(command):
    command("sinfo", "[ $1 = --version ] && echo slurm 23.11.4 || { echo trying; echo no contact >&2; exit 1; }")
    slurm = find_slurm()
    assert slurm is not None
    assert slurm.error == "no contact"


def test_a_command_that_hangs_is_ended_with_all_that_it_began(command, tmp_path):
    command("hanging", f"sleep 1000 & echo $! > {tmp_path}/child; wait")
    began = time.monotonic()
    assert ask("hanging", seconds=1.0) == (None, "no answer within 1 s")
    assert time.monotonic() - began < 30
    number = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 30
    while _runs(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(number)


def _runs(number):
    try:
        with open(f"/proc/{number}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("group", "texts", "limit"),
    [
        ("0::/job/step", {"job/cpu.max": "250000 100000", "job/step/cpu.max": "max 100000"}, 2.5),
        ("0::/job/step", {"job/cpu.max": "250000 100000", "job/step/cpu.max": "50000 100000"}, 0.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("4:cpu,cpuacct:/job", {"cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"}, 4.0),
        ("4:cpu,cpuacct:/job", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, None),
        ("4:memory:/job", {}, None),
    ],
)
def test_the_limit_of_control_groups(tmp_path, group, texts, limit):
    files(tmp_path / "proc" / "self", cgroup=f"{group}\n")
    for name, text in texts.items():
        path = tmp_path / "sys/fs/cgroup" / name
        files(path.parent, **{path.name: text})
    assert cgroup_limit(tmp_path) == limit


def test_a_folder_is_tried_without_being_made(tmp_path):
    folder = find_folder("outputs", tmp_path / "not" / "yet")
    assert folder.error == ""
    assert folder.free_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "outputs").write_text("I am a file")
    assert find_folder("outputs", tmp_path / "outputs" / "gestures").error == "Not a directory"


def test_secrets_of_the_environment_are_not_shown():
    assert chosen({"WANDB_API_KEY": "secret", "OMP_NUM_THREADS": "2"}) == {"OMP_NUM_THREADS": "2"}
