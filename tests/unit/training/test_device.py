"""Devices are simulated: no machine of ours has an AMD GPU."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from gesturelab.config.composing import compose
from gesturelab.config.training import Precision
from gesturelab.errors import ConfigError, DeviceError
from gesturelab.training import device
from gesturelab.training.datamodule import evaluation_batch
from gesturelab.training.device import (
    check_miopen,
    computes_bf16,
    largest_miopen_batch,
    lightning_precision,
    prepare_device,
    warm_up_rocm,
)


def fake_torch(hip, available=True, log=None):
    def ones(*shape, device):
        (log if log is not None else []).append((shape, device))
        return torch.ones(*shape)

    module = types.ModuleType("torch")
    module.__version__ = "2.9.1+fake"
    module.version = types.SimpleNamespace(hip=hip)
    module.cuda = types.SimpleNamespace(is_available=lambda: available)
    module.ones = ones
    return module


def test_warming_up_computes_on_the_device():
    done = []
    warm_up_rocm(fake_torch("6.4", log=done))
    assert done == [((8, 8), "cuda")]


def test_a_torch_without_rocm_is_named():
    with pytest.raises(DeviceError, match=r"torch 2.9.1\+fake is not a ROCm build"):
        warm_up_rocm(fake_torch(None))


@pytest.mark.parametrize(("frames", "hidden", "most"), [(30, 128, 2182), (512, 1024, 127), (2, 1_000_000, 178)])
def test_batches_that_amd_computes_wrongly_are_refused(frames, hidden, most):
    model = compose([f"model.hidden={hidden}"]).model
    check_miopen(model, frames, most)
    with pytest.raises(ConfigError, match=rf"trainer.batch_size={most + 1}: .* at most {most}"):
        check_miopen(model, frames, most + 1)


def test_the_shape_that_was_reported_wrong_is_refused_and_the_one_that_was_right_is_not():
    """github.com/pytorch/pytorch/issues/177834: windows of 600 frames, right at 100, wrong at 110 of them."""
    assert 100 <= largest_miopen_batch(compose(["model.hidden=256"]).model, 600) < 110


def test_cudnn_and_miopen_are_switched_off_and_on_by_the_configuration():
    try:
        prepare_device(compose(["trainer=cpu", "trainer.cudnn=false"]).trainer)
        assert not torch.backends.cudnn.enabled
        prepare_device(compose(["trainer=cpu"]).trainer)
        assert torch.backends.cudnn.enabled, "a later training in the same process has its own"
    finally:
        torch.backends.cudnn.enabled = True


def test_with_miopen_scoring_computes_no_more_windows_at_a_time_than_training(monkeypatch):
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert evaluation_batch(gpu, 32, 64) == 512
    monkeypatch.setattr(torch.version, "hip", "7.2")
    assert evaluation_batch(gpu, 32, 64) == 64
    assert evaluation_batch(gpu, 600, 1024) <= 109, "long windows are refused in training, too"
    assert evaluation_batch(cpu, 32, 64) == 128
    monkeypatch.setattr(torch.backends.cudnn, "enabled", False)
    assert evaluation_batch(gpu, 32, 64) == 512


def test_no_visible_device_tells_the_variables(monkeypatch):
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "3")
    monkeypatch.delenv("ROCR_VISIBLE_DEVICES", raising=False)
    with pytest.raises(DeviceError, match="HIP_VISIBLE_DEVICES=3"):
        warm_up_rocm(fake_torch("6.4", available=False))


def test_rocm_jobs_get_miopen_folders_of_their_own_but_keep_yours(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("MIOPEN_USER_DB_PATH", str(tmp_path))
    monkeypatch.setenv("MIOPEN_CUSTOM_CACHE_DIR", "")
    monkeypatch.delenv("MIOPEN_CUSTOM_CACHE_DIR")
    config = compose(["trainer=rocm"]).trainer
    if torch.version.hip is None:
        with pytest.raises(DeviceError, match="is not a ROCm build"):
            prepare_device(config)
    assert os.environ["MIOPEN_USER_DB_PATH"] == str(tmp_path)
    own = Path(os.environ["MIOPEN_CUSTOM_CACHE_DIR"])
    assert own.name.startswith("miopen-4711-")
    assert own.stat().st_mode & 0o077 == 0, "nobody else may put anything there"
    os.rmdir(os.environ["MIOPEN_CUSTOM_CACHE_DIR"])  # noqa: PTH106 # made by the call above, and empty


def test_auto_takes_the_cpu_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert prepare_device(compose(["trainer=auto"]).trainer) == "cpu"
    with pytest.raises(DeviceError, match="sees no GPU; use trainer=cpu"):
        prepare_device(compose(["trainer=gpu"]).trainer)


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        prepare_device(compose(["trainer=cpu", "trainer.threads=3"]).trainer)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_auto_precision_is_full_and_another_one_is_as_asked_for():
    assert lightning_precision(Precision.auto) == "32-true"
    assert lightning_precision(compose(["trainer=gpu"]).trainer.precision) == "32-true"
    assert lightning_precision(compose(["trainer=gpu", "trainer.precision=bf16"]).trainer.precision) == "bf16-mixed"


@pytest.mark.parametrize(
    ("listed", "computes"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n", True),
        ("flags\t\t: fpu amx_bf16\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", None),
        (None, None),
    ],
)
def test_bf16_is_warned_of_where_the_processor_lacks_it(listed, computes, tmp_path, monkeypatch, caplog):
    path = tmp_path / "cpuinfo"
    if listed is not None:
        path.write_text(listed, encoding="utf-8")
    assert computes_bf16(path) is computes
    monkeypatch.setattr(device, "computes_bf16", lambda: computes)
    prepare_device(compose(["trainer=cpu", "trainer.precision=bf16"]).trainer)
    prepare_device(compose(["trainer=cpu"]).trainer)
    assert [record.message[:22] for record in caplog.records] == ["trainer.precision=bf16"] * (computes is False)


FAULTS_OF_A_SECOND_BLOCK = """
import ctypes, resource
from gesturelab.training.device import keep_freed_memory

kept, libc = keep_freed_memory(), ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(size := 100 * 2**20)
    ctypes.memset(block, 1, size)
    libc.free(ctypes.c_void_p(block))
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
@pytest.mark.parametrize(("environment", "kept"), [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False)])
def test_freed_memory_is_kept_unless_the_environment_says_otherwise(environment, kept):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_A_SECOND_BLOCK],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said, faults = done.stdout.split()
    assert said == str(kept)
    assert (int(faults) < 20) == kept  # 25,600 pages of 4 KiB, or 50 of 2 MiB if the system chose those
