"""Batches that do not fit are divided; errors that say so are known by their words."""

import logging

import pytest
import torch

from gesturelab.preprocessing.frame_store import Batch
from gesturelab.training.micro_batching import MicroBatches, NoMemoryError, explain_out_of_memory, is_out_of_memory

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB"


def batch(windows):
    positions = torch.arange(windows * 6.0).view(windows, 1, 2, 3)
    return Batch(positions, torch.arange(windows), torch.arange(windows))


def divided(micro_batches, windows, limit):
    """What a device with room for so many windows computes of a step; and how often it was asked to undo."""
    done, undone = [], []

    def compute():
        part = micro_batches.select(batch(windows))
        done.append((micro_batches.is_first, part.classes.tolist()))
        if len(part.classes) > limit:
            raise torch.OutOfMemoryError(FULL)
        return len(done)

    def undo():
        undone.append(len(done))
        done.clear()

    micro_batches.run_step(compute, undo)
    return done, len(undone)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(FULL),
        RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
            "allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried ..."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("miopenStatusAllocFailed"),
    ],
)
def test_what_torch_says_when_memory_is_short_is_known(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("CUDA error: an illegal memory access"), ValueError("out of memory")])
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_torch_s_own_error_of_the_cpu_is_known():
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(found.value)


def test_a_step_is_halved_until_it_fits_and_keeps_all_its_windows():
    micro_batches = MicroBatches()
    done, undone = divided(micro_batches, 10, limit=3)
    assert done == [(True, [0, 1, 2]), (False, [3, 4, 5]), (False, [6, 7, 8]), (False, [9])]
    assert undone == 2  # 10, then 5, then 3
    assert micro_batches.size == 3
    done, undone = divided(micro_batches, 10, limit=3)
    assert (len(done), undone) == (4, 0), "the next step begins with what fitted"
    done, undone = divided(micro_batches, 2, limit=3)
    assert (done, undone) == ([(True, [0, 1])], 0), "a small last batch needs no division"


def test_it_is_warned_of_once(caplog):
    caplog.set_level(logging.INFO)
    divided(MicroBatches(), 64, limit=5)
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO", "INFO", "INFO"]
    assert "32 windows at a time" in caplog.text


def test_one_window_that_does_not_fit_is_an_error_with_advice():
    with pytest.raises(NoMemoryError, match=r"with one window at a time .*smaller model.*window.length_frames"):
        divided(MicroBatches(), 8, limit=0)


def test_several_devices_are_told_what_to_change():
    micro_batches = MicroBatches()
    micro_batches.single_process = False
    with pytest.raises(NoMemoryError, match=r"several devices halve trainer\.batch_size"):
        divided(micro_batches, 8, limit=4)


def test_other_errors_go_their_way():
    with pytest.raises(ZeroDivisionError):
        MicroBatches().run_step(lambda: 1 / 0, lambda: None)


def test_evaluation_is_halved_too_and_gives_the_same():
    micro_batches, asked = MicroBatches(), []

    def compute(positions):
        asked.append(len(positions))
        if len(positions) > 3:
            raise RuntimeError(FULL)
        return positions.flatten(1)[:, :2]

    positions = batch(8).positions
    assert torch.equal(micro_batches.evaluate(compute, positions), positions.flatten(1)[:, :2])
    assert asked == [8, 4, 2, 2, 2, 2]
    micro_batches.evaluate(compute, positions)
    assert asked[6:] == [2, 2, 2, 2]
    assert micro_batches.size is None, "steps are another matter"


def test_what_cannot_be_divided_is_told_plainly():
    with pytest.raises(NoMemoryError, match="smaller model"), explain_out_of_memory():
        raise torch.OutOfMemoryError(FULL)
    with pytest.raises(KeyError), explain_out_of_memory():
        raise KeyError("other")
