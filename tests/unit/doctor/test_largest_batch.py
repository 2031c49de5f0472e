"""The search for the largest batch that a device computes rightly, with devices that are wrong or die above a size."""

import os
import signal
import time
from dataclasses import replace

import pytest
from made_facts import AMD, NVIDIA, asking

from gesturelab.doctor.child import Heard, Request, find_largest_batch, search
from gesturelab.doctor.facts import Comparison, LargestBatch

REQUEST = Request([], 1.0, every_size=False, search_seconds=60.0)
RIGHT = Comparison("tiny", "MI250X", "bf16", 1e-3, 1e-3, "input", 0.5, 1.0)
WRONG = replace(RIGHT, logits_error=1.5)
DIES_ABOVE = 2


@pytest.mark.parametrize("limit", [0, 1, 5, 63, 64, 100, 109, 582, 2045, 2046, 9999])
def test_the_search_ends_close_below_the_limit_of_the_device(limit):
    tried: list[int] = []

    def compare_at(batch):
        tried.append(batch)
        return "" if batch <= limit else "wrong"

    known = LargestBatch(64) if limit >= 64 else LargestBatch(0, 64, "wrong")
    found = search(known, 2046, compare_at)
    assert found.right <= limit
    if limit >= 2046:
        assert (found.right, found.wrong) == (2046, None)
    else:
        assert found.wrong is not None
        assert found.right <= limit < found.wrong <= found.right + max(found.right // 16, 1)
    assert len(tried) == len(set(tried)) <= 11
    assert max(tried, default=0) <= 2046


def test_without_time_the_search_says_where_it_stopped():
    found = search(LargestBatch(64), 2046, lambda batch: "" if batch < 500 else None)
    assert found == LargestBatch(256, stopped_at=512)


def dies_above_a_size(request):
    batch = int(request.overrides[-1].removeprefix("trainer.batch_size="))
    yield "torch", AMD.torch
    yield "computing", "tiny"
    if batch > DIES_ABOVE:
        os.kill(os.getpid(), signal.SIGSEGV)
    yield "comparison", RIGHT


def stalls(request):
    yield "torch", AMD.torch
    time.sleep(1000)


def found(facts, comparison, *, request=REQUEST, work=dies_above_a_size):
    heard = Heard(facts.torch, shapes=facts.shapes, comparisons=[comparison])
    return find_largest_batch(request, facts.asked, heard, work=work)


def test_a_device_that_dies_above_a_size_is_searched_to_the_end():
    assert found(asking(AMD, batch=1), RIGHT) == LargestBatch(2, 3, "the process that uses it died of SIGSEGV")


def test_a_device_that_stalls_ends_the_search_in_time():
    began = time.monotonic()
    facts = asking(AMD, batch=4)
    assert found(facts, WRONG, request=replace(REQUEST, search_seconds=0.5), work=stalls) == LargestBatch(
        0, 4, "bf16: outputs differ by 2, gradients by 0.001", stopped_at=2
    )
    assert time.monotonic() - began < 30


def test_only_where_it_is_needed_or_requested():
    now = replace(REQUEST, search_seconds=0.0)
    assert found(NVIDIA, RIGHT, request=now) is None
    assert found(NVIDIA, WRONG, request=now) is not None
    assert found(NVIDIA, RIGHT, request=replace(now, search=True)) is not None
    assert found(asking(AMD, cudnn=False), RIGHT, request=now) is None, "MIOpen is not used"
    assert found(AMD, RIGHT, request=now) == LargestBatch(64, stopped_at=128)
